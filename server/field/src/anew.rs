//! Turfs that are still uneven when stops have changed over: cut anew together with some beside them, for their neighbours are
//! full themselves.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use rayon::prelude::*;

use crate::balance::Turfs;
use crate::ground::Ground;
use crate::nearby::Nearby;
use crate::{Error, QUICK, halving, walk};

/// Turfs that are further off the mean are cut anew with others, at most so many at a time, in so many groups and directions.
const OFF_THE_MEAN: f64 = 0.03;
const MOST_OFF: usize = 60;
const GROUPS: usize = 12;
/// Those that are off by more are tried with more: groups that grow by chance, up to so many turfs, cut by lines of chance.
const FAR_OFF: f64 = 0.042;
const MANY_STOPS: u32 = 300;
const CHANCES: usize = 40;
const CUTS_OF_CHANCE: usize = 6;
const LARGEST_GROUP: usize = 5;
/// Lines that are walked along for the others.
const LINES: usize = 16;
const DIRECTIONS: usize = 6;

/// A line that cuts a group anew: what it promises, the group, and its new turfs.
type Line<'a> = (f64, &'a Vec<u32>, Vec<Vec<u32>>);

/// Turfs that could not be made more even, with the minutes that they and those beside them had then.
pub(crate) type Tried = std::collections::HashMap<u32, Vec<u64>>;

/// Cuts the turfs that are furthest off the mean anew, together with some beside them, by whichever line leaves them most even
/// and whole. What was tried in vain is not tried again before something beside it has changed. False where nothing is left
/// to be tried.
pub(crate) fn cut_together(
    ground: &Ground,
    nearby: &Nearby,
    turfs: &mut Turfs,
    tried: &mut Tried,
    go_on: &mut dyn FnMut(f64) -> Result<(), Error>,
) -> Result<bool, Error> {
    let mut looked_at = 0;
    let mut weights: Vec<f64> = (0..ground.stops.len() as u32).map(|stop| turfs.weight(stop)).collect();
    let borders = turfs.turfs_beside();
    for (turf, beside) in turfs.furthest(OFF_THE_MEAN) {
        let all = std::iter::once(&turf).chain(&beside);
        let now: Vec<u64> = all.map(|turf| turfs.minutes[*turf as usize].to_bits()).collect();
        if looked_at == MOST_OFF || tried.get(&turf) == Some(&now) {
            continue;
        }
        looked_at += 1;
        go_on(0.85)?;
        let rounds = |of: &[u32]| -> Vec<u32> { of.iter().flat_map(|turf| turfs.round_of(*turf)).collect() };
        let mut groups: Vec<Vec<u32>> = beside.iter().map(|other| vec![turf, *other]).collect();
        for (at, one) in beside.iter().enumerate() {
            groups.extend(beside[at + 1..].iter().map(|other| vec![turf, *one, *other]));
        }
        // The groups whose mean comes nearest to that of all.
        let mean_of = |group: &[u32]| {
            let minutes = group.iter().map(|turf| turfs.minutes[*turf as usize]);
            turfs.uneven(std::iter::once(minutes.sum::<f64>() / group.len() as f64))
        };
        groups.sort_by(|one, other| mean_of(one).total_cmp(&mean_of(other)));
        let off = (turfs.minutes[turf as usize] / turfs.mean() - 1.0).abs();
        groups.truncate(GROUPS);
        let small = turfs.sizes[turf as usize] < MANY_STOPS;
        let by_chance = if off > FAR_OFF && small { groups_by_chance(turf, &borders) } else { Vec::new() };
        // What the stops weigh where they are tells well enough which lines are worth walking along.
        let mut lines: Vec<Line> = groups
            .par_iter()
            .flat_map_iter(|group| {
                let part = rounds(group);
                let (turfs, weights) = (&*turfs, &weights);
                let now = turfs.uneven(group.iter().map(|turf| turfs.minutes[*turf as usize]));
                (0..DIRECTIONS).map(move |step| {
                    let direction = std::f64::consts::PI * step as f64 / DIRECTIONS as f64;
                    let parts = halving::halve_across(&ground.stops, weights, &part, group.len(), direction);
                    let sums = parts.iter().map(|part| part.iter().map(|stop| weights[*stop as usize]).sum());
                    (turfs.uneven(sums) - now, group, parts)
                })
            })
            .collect();
        lines.par_extend(by_chance.par_iter().enumerate().flat_map_iter(|(number, group)| {
            let part = rounds(group);
            let (turfs, weights) = (&*turfs, &weights);
            let now = turfs.uneven(group.iter().map(|turf| turfs.minutes[*turf as usize]));
            let mut dice = ChaCha8Rng::seed_from_u64(u64::from(turf) << 20 | number as u64);
            (0..CUTS_OF_CHANCE).map(move |_| {
                let mut chance = || f64::from(dice.next_u32()) / 4_294_967_296.0;
                let parts = halving::halve_by_chance(&ground.stops, weights, &part, group.len(), &mut chance);
                let sums = parts.iter().map(|part| part.iter().map(|stop| weights[*stop as usize]).sum());
                (turfs.uneven(sums) - now, group, parts)
            })
        }));
        lines.sort_by(|one, other| one.0.total_cmp(&other.0).then_with(|| one.1.cmp(other.1)));
        let best = lines
            .par_iter()
            .take(if off > FAR_OFF && small { 4 * LINES } else { LINES })
            .filter_map(|(_, group, parts)| {
                let now = turfs.uneven(group.iter().map(|turf| turfs.minutes[*turf as usize]));
                if !parts.iter().all(|part| hangs_together(nearby, part)) {
                    return None;
                }
                let rounds: Vec<Vec<u32>> = parts.iter().map(|part| walk(ground, part, 0, 0)).collect();
                let then = turfs.uneven(rounds.iter().map(|round| turfs.minutes_of(round)));
                (then < now * 0.98).then(|| (then - now, (*group).clone(), rounds))
            })
            .min_by(|one, other| one.0.total_cmp(&other.0).then_with(|| one.1.cmp(&other.1)));
        if let Some((_, group, rounds)) = best {
            for (turf, round) in group.iter().zip(&rounds) {
                turfs.put(*turf, &walk(ground, round, QUICK, 0));
                round.iter().for_each(|stop| weights[*stop as usize] = turfs.weight(*stop));
            }
        } else {
            tried.insert(turf, now);
        }
    }
    Ok(looked_at > 0)
}

/// Groups of a turf and others that grow from it by chance, each beside one that is in it.
fn groups_by_chance(turf: u32, borders: &[Vec<u32>]) -> Vec<Vec<u32>> {
    let mut dice = ChaCha8Rng::seed_from_u64(u64::from(turf));
    let mut below = |bound: usize| ((u64::from(dice.next_u32()) * bound as u64) >> 32) as usize;
    (0..CHANCES)
        .map(|_| {
            let size = 3 + below(LARGEST_GROUP - 2);
            let mut group = vec![turf];
            for _ in 0..4 * size {
                let beside = &borders[group[below(group.len())] as usize];
                if group.len() < size && !beside.is_empty() {
                    let next = beside[below(beside.len())];
                    if !group.contains(&next) {
                        group.push(next);
                    }
                }
            }
            group
        })
        .filter(|group| group.len() > 1)
        .collect()
}

/// Whether stops hang together.
fn hangs_together(nearby: &Nearby, stops: &[u32]) -> bool {
    let within: std::collections::HashSet<u32> = stops.iter().copied().collect();
    nearby.parts(stops, |beside| within.contains(&beside)).1 == 1
}
