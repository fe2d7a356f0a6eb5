//! Parts of the ground that barriers keep apart, and how many turfs each of them is.

use std::borrow::Cow;

use crate::ground::Ground;
use crate::nearby::Nearby;

/// A part with less than this share of a turf's work is walked together with one across the barrier.
const LEAST_SHARE: f64 = 0.5;

/// A part's stops, and the turfs that it becomes.
pub(crate) type Part = (Vec<u32>, usize);

/// The parts of the ground with their numbers of turfs, `turfs` together, so that the fullest is as little full as it can
/// be; and what lies beside what, with ways across barriers for parts that are too small to be walked alone.
pub(crate) fn parts<'a>(
    ground: &Ground,
    nearby: &'a Nearby,
    weights: &[f64],
    turfs: usize,
) -> (Cow<'a, Nearby>, Vec<Part>) {
    let all: Vec<u32> = (0..ground.stops.len() as u32).collect();
    let (part_of, count) = nearby.parts(&all, |_| true);
    if count < 2 {
        return (Cow::Borrowed(nearby), vec![(all, turfs)]);
    }
    let part_of: Vec<u32> = all.iter().map(|stop| part_of[stop]).collect();
    let mut weight = vec![0.0; count as usize];
    all.iter().for_each(|stop| weight[part_of[*stop as usize] as usize] += weights[*stop as usize]);
    let least = LEAST_SHARE * weight.iter().sum::<f64>() / turfs as f64;
    // The shortest ways across, of which each part that is too small takes its first.
    let way = |(one, other): (u32, u32)| (ground.metres(one, other), one, other);
    let mut across: Vec<(f64, u32, u32)> = nearby.across().iter().map(|pair| way(*pair)).collect();
    across.sort_by(|one, other| one.0.total_cmp(&other.0).then((one.1, one.2).cmp(&(other.1, other.2))));
    let mut with: Vec<u32> = (0..count).collect();
    let mut joined = Vec::new();
    let mut left = count as usize;
    // Parts beside which nothing is known to lie.
    let mut alone = vec![false; count as usize];
    loop {
        let own = (0..count)
            .filter(|part| with[*part as usize] == *part && (left > turfs || !alone[*part as usize]));
        let smallest = own.min_by(|one, other| weight[*one as usize].total_cmp(&weight[*other as usize]));
        let Some(small) = smallest.filter(|part| weight[*part as usize] < least || left > turfs) else {
            break;
        };
        let of = |stop: u32| with[part_of[stop as usize] as usize];
        let found = across.iter().find(|(_, one, other)| (of(*one) == small) != (of(*other) == small));
        let to = match found {
            Some((_, one, other)) => {
                joined.push((*one, *other));
                if of(*one) == small { of(*other) } else { of(*one) }
            }
            // Nothing is known to lie beside it: with any other, where there are more parts than turfs.
            None if left > turfs => (0..count)
                .filter(|part| with[*part as usize] == *part && *part != small)
                .min_by(|one, other| weight[*one as usize].total_cmp(&weight[*other as usize]))
                .expect("more parts than turfs are two at least"),
            None => {
                alone[small as usize] = true;
                continue;
            }
        };
        weight[to as usize] += weight[small as usize];
        with.iter_mut().filter(|part| **part == small).for_each(|part| *part = to);
        left -= 1;
    }
    let own: Vec<u32> = (0..count).filter(|part| with[*part as usize] == *part).collect();
    let mut shares: Vec<usize> = vec![1; own.len()];
    for _ in own.len()..turfs {
        let each = |at: &usize| weight[own[*at] as usize] / shares[*at] as f64;
        let fullest =
            (0..own.len()).max_by(|one, other| each(one).total_cmp(&each(other)).then(other.cmp(one)));
        shares[fullest.expect("there is a part")] += 1;
    }
    let stops_of = |part: u32| {
        all.iter().copied().filter(|stop| with[part_of[*stop as usize] as usize] == part).collect()
    };
    let parts = own.iter().zip(shares).map(|(part, share)| (stops_of(*part), share)).collect();
    (Cow::Owned(nearby.with(&joined)), parts)
}
