//! A first cut of the ground: halved again and again by straight lines, each half with its share of the work.

use crate::ground::Stop;

/// Cuts each part of the stops into so many turfs of about equal weight: the number of the turf of every stop. Each line runs
/// across the direction in which the stops are spread most, which leaves the halves compact. Time grows with n log n.
pub fn halve(stops: &[Stop], weights: &[f64], parts: &[(Vec<u32>, usize)]) -> Vec<u32> {
    let mut turf_of = vec![0; stops.len()];
    let mut first = 0;
    for (part, turfs) in parts {
        let placed = split(stops, weights, &mut part.clone(), first, (*turfs).max(1));
        placed.into_iter().for_each(|(stop, turf)| turf_of[stop as usize] = turf);
        first += *turfs as u32;
    }
    turf_of
}

/// The same for a part of the stops, cut first across a direction, in radians.
pub fn halve_across(
    stops: &[Stop],
    weights: &[f64],
    part: &[u32],
    turfs: usize,
    direction: f64,
) -> Vec<Vec<u32>> {
    let mut part = part.to_vec();
    let left = turfs / 2;
    let (sine, cosine) = direction.sin_cos();
    let at = sorted(stops, weights, &mut part, [cosine, sine], left as f64 / turfs as f64);
    let at = at.clamp(1, part.len() - 1);
    let (one, other) = part.split_at_mut(at);
    let mut made = vec![Vec::new(); turfs];
    let mut placed = split(stops, weights, one, 0, left);
    placed.extend(split(stops, weights, other, left as u32, turfs - left));
    placed.into_iter().for_each(|(stop, turf)| made[turf as usize].push(stop));
    made
}

/// The same with lines in directions by chance, and as many turfs on each side of a line as chance has it.
pub fn halve_by_chance(
    stops: &[Stop],
    weights: &[f64],
    part: &[u32],
    turfs: usize,
    chance: &mut impl FnMut() -> f64,
) -> Vec<Vec<u32>> {
    if turfs == 1 || part.len() < 2 {
        let mut made = vec![part.to_vec()];
        made.resize(turfs, Vec::new());
        return made;
    }
    let left = 1 + (chance() * (turfs - 1) as f64) as usize;
    let (sine, cosine) = (chance() * std::f64::consts::PI).sin_cos();
    let mut part = part.to_vec();
    let at = sorted(stops, weights, &mut part, [cosine, sine], left as f64 / turfs as f64);
    let (one, other) = part.split_at(at.clamp(1, part.len() - 1));
    let mut made = halve_by_chance(stops, weights, one, left, chance);
    made.extend(halve_by_chance(stops, weights, other, turfs - left, chance));
    made
}

fn split(stops: &[Stop], weights: &[f64], part: &mut [u32], first: u32, turfs: usize) -> Vec<(u32, u32)> {
    if turfs == 1 || part.len() <= 1 {
        return part.iter().map(|stop| (*stop, first)).collect();
    }
    let left = turfs / 2;
    let across = principal(stops, part);
    let at = sorted(stops, weights, part, across, left as f64 / turfs as f64).clamp(1, part.len() - 1);
    let (one, other) = part.split_at_mut(at);
    let (mut placed, more) = rayon::join(
        || split(stops, weights, one, first, left),
        || split(stops, weights, other, first + left as u32, turfs - left),
    );
    placed.extend(more);
    placed
}

/// Sorts stops along a direction; gives where a share of their weight is reached.
fn sorted(stops: &[Stop], weights: &[f64], part: &mut [u32], [east, north]: [f64; 2], share: f64) -> usize {
    let wanted = share * part.iter().map(|stop| weights[*stop as usize]).sum::<f64>();
    let mut along: Vec<(f64, u32)> = part
        .iter()
        .map(|stop| {
            let [x, y] = stops[*stop as usize].point;
            (x * east + y * north, *stop)
        })
        .collect();
    along.sort_unstable_by(|one, other| one.0.total_cmp(&other.0).then(one.1.cmp(&other.1)));
    part.iter_mut().zip(&along).for_each(|(stop, (_, sorted))| *stop = *sorted);
    let mut sum = 0.0;
    for (at, stop) in part.iter().enumerate() {
        let weight = weights[*stop as usize];
        if sum + weight / 2.0 >= wanted {
            return at;
        }
        sum += weight;
    }
    part.len()
}

/// The direction in which stops are spread most.
fn principal(stops: &[Stop], part: &[u32]) -> [f64; 2] {
    let count = part.len() as f64;
    let points = || part.iter().map(|stop| stops[*stop as usize].point);
    let middle = points().fold([0.0; 2], |[x, y], [east, north]| [x + east / count, y + north / count]);
    let (mut xx, mut xy, mut yy) = (0.0, 0.0, 0.0);
    for [x, y] in points() {
        let (x, y) = (x - middle[0], y - middle[1]);
        (xx, xy, yy) = (xx + x * x, xy + x * y, yy + y * y);
    }
    let (sine, cosine) = (0.5 * (2.0 * xy).atan2(xx - yy)).sin_cos();
    [cosine, sine]
}
