//! The shortest way past a set of stops: a walk that starts and ends where it is told to, or a round.
//!
//! Exchanges of two edges (Croes, 1958) and moves of short pieces (Or, 1976) over lists of neighbours, repeated from rounds
//! of which two neighbouring pieces were exchanged; a little that is lost is kept at first, and less and less of it (iterated
//! local search: Lourenço, Martin and Stützle, 2003). Every change is made of reversals, so that a try that came to nothing
//! is undone by the same reversals backwards. Time grows with the number of tries, each of which touches some dozens of stops.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// How far it is between two stops, in any unit; the same in both directions.
pub trait Between {
    fn stops(&self) -> usize;
    fn between(&self, one: usize, other: usize) -> f32;
}

/// Distances as a square.
#[derive(Debug, Clone, Default)]
pub struct Matrix {
    stops: usize,
    distances: Vec<f32>,
}

impl Matrix {
    pub fn new(stops: usize, between: impl Fn(usize, usize) -> f32) -> Matrix {
        let mut distances = vec![0.0; stops * stops];
        for one in 0..stops {
            for other in one + 1..stops {
                let distance = between(one, other);
                distances[one * stops + other] = distance;
                distances[other * stops + one] = distance;
            }
        }
        Matrix { stops, distances }
    }
}

impl Between for Matrix {
    fn stops(&self) -> usize {
        self.stops
    }

    #[inline]
    fn between(&self, one: usize, other: usize) -> f32 {
        self.distances[one * self.stops + other]
    }
}

/// Neighbours of a stop that are looked at: the nearest, and the nearest in each quarter of the compass.
const NEAREST: usize = 5;
const IN_QUARTER: usize = 4;
/// Of how many the quarters are filled.
const FIRST_LOOK: usize = 150;
/// Longest piece that is exchanged with its neighbour before a new try.
const PIECE: usize = 50;
/// How much longer a try may be than the round before and still be kept, at the start: in mean steps of the round, as the
/// scale of an exponential distribution. It falls to nothing. Small rounds are bettered faster without.
const WARMTH: f64 = 0.5;
const LARGE: f64 = 400.0;
/// Gains that are less than this are none. Sums are of twice the precision of the distances, so that they are exact and no
/// change comes back in a circle.
const LEAST: f64 = 1e-3;

/// A tour under improvement: the stop at every place, and the place of every stop.
struct Tour<'a, D: Between> {
    distances: &'a D,
    neighbours: &'a Neighbours,
    order: Vec<u32>,
    place: Vec<u32>,
    /// Reversals since the last try began, as places.
    done: Vec<(u32, u32)>,
    /// Stops whose surroundings have changed.
    queue: Vec<u32>,
    queued: Vec<bool>,
}

/// For every stop others that are near, the nearest first, with their distances.
#[derive(Debug, Clone, Default)]
pub struct Neighbours {
    /// Where the neighbours of a stop begin.
    starts: Vec<u32>,
    near: Vec<(f32, u32)>,
}

impl Neighbours {
    /// From lists of stops; they need not be in order.
    pub fn new(distances: &impl Between, mut of: impl FnMut(usize, &mut Vec<u32>)) -> Neighbours {
        let mut made = Neighbours { starts: vec![0], near: Vec::new() };
        let mut list = Vec::new();
        for one in 0..distances.stops() {
            list.clear();
            of(one, &mut list);
            let begun = made.near.len();
            made.near.extend(list.iter().map(|other| (distances.between(one, *other as usize), *other)));
            made.near[begun..]
                .sort_unstable_by(|one, other| one.0.total_cmp(&other.0).then(one.1.cmp(&other.1)));
            made.starts.push(made.near.len() as u32);
        }
        made
    }

    /// The nearest few of each, and the nearest few in each quarter of the compass: between clusters the way leads to
    /// stops that are not among the nearest. Time grows with the square of the stops.
    pub fn around(distances: &impl Between, points: &[[f32; 2]]) -> Neighbours {
        let mut all: Vec<(f32, u32)> = Vec::new();
        Neighbours::new(distances, |one, list| {
            all.clear();
            let others = (0..points.len()).filter(|other| *other != one);
            all.extend(others.map(|other| (distances.between(one, other), other as u32)));
            let by =
                |one: &(f32, u32), other: &(f32, u32)| one.0.total_cmp(&other.0).then(one.1.cmp(&other.1));
            // Nearly always the quarters are full with these.
            let first = all.len().min(FIRST_LOOK);
            if first < all.len() {
                all.select_nth_unstable_by(first, by);
            }
            all[..first].sort_unstable_by(by);
            let mut quarters = [0; 4];
            for (at, (_, other)) in all.iter().enumerate() {
                let (from, to) = (points[one], points[*other as usize]);
                let quarter = &mut quarters[usize::from(to[0] > from[0]) * 2 + usize::from(to[1] > from[1])];
                if at < NEAREST || *quarter < IN_QUARTER {
                    list.push(*other);
                }
                *quarter += 1;
                if at >= first && at >= NEAREST {
                    break;
                }
            }
        })
    }

    /// With further neighbours.
    pub fn with(&self, distances: &impl Between, more: impl Fn(usize, &mut Vec<u32>)) -> Neighbours {
        Neighbours::new(distances, |one, list| {
            list.extend(self.of(one as u32).iter().map(|(_, other)| *other));
            more(one, list);
            list.sort_unstable();
            list.dedup();
        })
    }

    #[inline]
    fn of(&self, stop: u32) -> &'_ [(f32, u32)] {
        &self.near[self.starts[stop as usize] as usize..self.starts[stop as usize + 1] as usize]
    }
}

/// The length of a round.
pub fn length(distances: &impl Between, order: &[u32]) -> f64 {
    let pairs = order.iter().zip(order.iter().cycle().skip(1));
    pairs.map(|(one, other)| f64::from(distances.between(*one as usize, *other as usize))).sum()
}

/// A short round past all stops, from a first one; the same seed gives the same round. `tries` is how often it is sought to
/// be bettered.
pub fn round(
    distances: &impl Between,
    neighbours: &Neighbours,
    first: Vec<u32>,
    tries: usize,
    seed: u64,
) -> Vec<u32> {
    let stops = first.len();
    if stops < 4 {
        return first;
    }
    let mut tour = Tour::new(distances, neighbours, first);
    tour.queue.extend(tour.order.iter().rev());
    tour.queued.fill(true);
    tour.settle();
    if stops < 8 {
        return tour.order;
    }
    let mut chance = ChaCha8Rng::seed_from_u64(seed);
    let step = length(distances, &tour.order) / stops as f64;
    let warmth = WARMTH * (stops as f64 / LARGE).min(1.0) * step;
    for at in 0..tries {
        tour.done.clear();
        let mut change = tour.exchange(&mut chance);
        change += tour.settle();
        let warm = warmth * (1.0 - at as f64 / tries as f64);
        if change > LEAST && change > warm * -(share(&mut chance).ln()) {
            tour.undo(0);
        }
    }
    tour.order
}

/// Up to so many stops every round is looked at.
pub const FEW: usize = 9;

/// The shortest of all rounds past a few stops, by the shortest ways past all sets of them (Held and Karp, 1962).
pub fn shortest_of_few(distances: &impl Between) -> Vec<u32> {
    let others = distances.stops().saturating_sub(1);
    if others < 3 {
        return (0..distances.stops() as u32).collect();
    }
    // By the set of stops and the last of them, without the first stop, where all begin: the length, and the stop before.
    let mut best = vec![[(f32::INFINITY, usize::MAX); FEW]; 1 << others];
    (0..others).for_each(|stop| best[1 << stop][stop] = (distances.between(others, stop), usize::MAX));
    for set in 1..1usize << others {
        for last in (0..others).filter(|last| set >> last & 1 == 1) {
            let (length, _) = best[set][last];
            for next in (0..others).filter(|next| set >> next & 1 == 0) {
                let longer = length + distances.between(last, next);
                let held = &mut best[set | 1 << next][next];
                if longer < held.0 {
                    *held = (longer, last);
                }
            }
        }
    }
    let mut set = (1 << others) - 1;
    let back = |last: &usize| best[set][*last].0 + distances.between(*last, others);
    let mut last = (0..others).min_by(|one, other| back(one).total_cmp(&back(other))).unwrap_or(0);
    let mut order = vec![others as u32];
    while last != usize::MAX {
        order.push(last as u32);
        let before = best[set][last].1;
        set &= !(1 << last);
        last = before;
    }
    order
}

/// A number above 0, up to 1.
fn share(chance: &mut ChaCha8Rng) -> f64 {
    (f64::from(chance.next_u32()) + 1.0) / 4_294_967_296.0
}

/// A first round: from stop to the nearest that is left, among the neighbours or else any. Time grows with the square of the
/// stops at worst.
pub fn nearest_first(distances: &impl Between, neighbours: &Neighbours, start: u32) -> Vec<u32> {
    let stops = distances.stops();
    let mut seen = vec![false; stops];
    let mut order = Vec::with_capacity(stops);
    let mut at = start;
    let mut left: Vec<u32> = (0..stops as u32).collect();
    loop {
        seen[at as usize] = true;
        order.push(at);
        if order.len() == stops {
            return order;
        }
        let near = neighbours.of(at).iter().find(|(_, other)| !seen[*other as usize]);
        at = match near {
            Some((_, other)) => *other,
            None => {
                left.retain(|stop| !seen[*stop as usize]);
                let by = |one: &&u32, other: &&u32| {
                    let far = |stop: u32| distances.between(at as usize, stop as usize);
                    far(**one).total_cmp(&far(**other))
                };
                *left.iter().min_by(by).expect("a stop is left, for not all are in the order")
            }
        };
    }
}

/// A first round: the shortest ways first, as long as they make no fork and close no circle; then the ends that are left.
/// Time grows with the neighbours, and with the square of the pieces that they leave.
pub fn shortest_ways_first(distances: &impl Between, neighbours: &Neighbours) -> Vec<u32> {
    let stops = distances.stops();
    let mut pieces = Pieces::new(stops);
    let mut ways: Vec<(f32, u32, u32)> = (0..stops as u32)
        .flat_map(|one| {
            neighbours.of(one).iter().map(move |(far, other)| (*far, one.min(*other), one.max(*other)))
        })
        .collect();
    let by = |one: &(f32, u32, u32), other: &(f32, u32, u32)| {
        one.0.total_cmp(&other.0).then((one.1, one.2).cmp(&(other.1, other.2)))
    };
    ways.sort_unstable_by(by);
    ways.iter().for_each(|(_, one, other)| pieces.join(*one, *other));
    let ends: Vec<u32> =
        (0..stops as u32).filter(|stop| pieces.beside[*stop as usize][1] == NOBODY).collect();
    ways.clear();
    for (at, one) in ends.iter().enumerate() {
        let others = ends[at + 1..].iter();
        ways.extend(others.map(|other| (distances.between(*one as usize, *other as usize), *one, *other)));
    }
    ways.sort_unstable_by(by);
    ways.iter().for_each(|(_, one, other)| pieces.join(*one, *other));
    pieces.order()
}

const NOBODY: u32 = u32::MAX;

/// Pieces of a round that is being put together.
struct Pieces {
    /// The one or two stops beside each.
    beside: Vec<[u32; 2]>,
    /// Leads to the piece that a stop belongs to.
    piece: Vec<u32>,
}

impl Pieces {
    fn new(stops: usize) -> Pieces {
        Pieces { beside: vec![[NOBODY; 2]; stops], piece: (0..stops as u32).collect() }
    }

    fn of(&mut self, mut stop: u32) -> u32 {
        while self.piece[stop as usize] != stop {
            self.piece[stop as usize] = self.piece[self.piece[stop as usize] as usize];
            stop = self.piece[stop as usize];
        }
        stop
    }

    /// Joins two ends of two pieces; others are left as they are.
    fn join(&mut self, one: u32, other: u32) {
        let full = |stop: u32| self.beside[stop as usize][1] != NOBODY;
        if full(one) || full(other) {
            return;
        }
        let (from, to) = (self.of(one), self.of(other));
        if from == to {
            return;
        }
        self.piece[from as usize] = to;
        for (stop, next) in [(one, other), (other, one)] {
            let beside = &mut self.beside[stop as usize];
            beside[usize::from(beside[0] != NOBODY)] = next;
        }
    }

    /// The stops of the one piece that is left, from end to end.
    fn order(&self) -> Vec<u32> {
        let end = self.beside.iter().position(|beside| beside[1] == NOBODY).unwrap_or(0) as u32;
        let (mut order, mut before) = (vec![end], NOBODY);
        loop {
            let at = order[order.len() - 1];
            let next = self.beside[at as usize].into_iter().find(|next| *next != NOBODY && *next != before);
            match next.filter(|_| order.len() < self.beside.len()) {
                Some(next) => order.push(next),
                None => return order,
            }
            before = at;
        }
    }
}

impl<'a, D: Between> Tour<'a, D> {
    fn new(distances: &'a D, neighbours: &'a Neighbours, order: Vec<u32>) -> Tour<'a, D> {
        let mut place = vec![0; order.len()];
        order.iter().enumerate().for_each(|(at, stop)| place[*stop as usize] = at as u32);
        let queued = vec![false; order.len()];
        Tour { distances, neighbours, order, place, done: Vec::new(), queue: Vec::new(), queued }
    }

    #[inline]
    fn next(&self, stop: u32) -> u32 {
        let at = self.place[stop as usize] as usize + 1;
        self.order[if at == self.order.len() { 0 } else { at }]
    }

    #[inline]
    fn before(&self, stop: u32) -> u32 {
        let at = self.place[stop as usize] as usize;
        self.order[if at == 0 { self.order.len() } else { at } - 1]
    }

    #[inline]
    fn far(&self, one: u32, other: u32) -> f64 {
        f64::from(self.distances.between(one as usize, other as usize))
    }

    /// Reverses the piece from one place to another, going forward; or the rest, which is the same round, where it is shorter.
    fn reverse(&mut self, from: u32, to: u32) {
        let stops = self.order.len() as u32;
        let inner = if to >= from { to - from + 1 } else { to + stops - from + 1 };
        let (mut low, mut high, length) = match inner * 2 <= stops {
            true => (from, to, inner),
            false => {
                let low = if to + 1 == stops { 0 } else { to + 1 };
                (low, if from == 0 { stops - 1 } else { from - 1 }, stops - inner)
            }
        };
        for _ in 0..length / 2 {
            let (one, other) = (self.order[low as usize], self.order[high as usize]);
            self.order[low as usize] = other;
            self.order[high as usize] = one;
            self.place[other as usize] = low;
            self.place[one as usize] = high;
            low = if low + 1 == stops { 0 } else { low + 1 };
            high = if high == 0 { stops - 1 } else { high - 1 };
        }
    }

    fn turn(&mut self, from: u32, to: u32) {
        self.reverse(from, to);
        self.done.push((from, to));
    }

    /// Takes the reversals back down to so many.
    fn undo(&mut self, kept: usize) {
        while self.done.len() > kept {
            let (from, to) = self.done.pop().expect("more are done than kept");
            self.reverse(from, to);
        }
    }

    fn wake(&mut self, stop: u32) {
        if !self.queued[stop as usize] {
            self.queued[stop as usize] = true;
            self.queue.push(stop);
        }
    }

    /// Exchanges two neighbouring pieces somewhere; gives by how much the round grew.
    fn exchange(&mut self, chance: &mut ChaCha8Rng) -> f64 {
        let stops = self.order.len();
        // So short that the pieces themselves are turned, not the rest of the round: places are counted on.
        let most = PIECE.min(stops / 4);
        let below = |bound: usize, chance: &mut ChaCha8Rng| {
            ((u64::from(chance.next_u32()) * bound as u64) >> 32) as usize
        };
        let from = below(stops, chance);
        let (first, second) = (1 + below(most, chance), 1 + below(most, chance));
        let place = |at: usize| ((from + at) % stops) as u32;
        let stop = |tour: &Self, at: usize| tour.order[place(at) as usize];
        let (a, b) = (stop(self, stops - 1), stop(self, 0));
        let (c, d) = (stop(self, first - 1), stop(self, first));
        let (e, f) = (stop(self, first + second - 1), stop(self, first + second));
        let change = self.far(a, d) + self.far(e, b) + self.far(c, f)
            - self.far(a, b)
            - self.far(c, d)
            - self.far(e, f);
        self.turn(place(0), place(first + second - 1));
        self.turn(place(0), place(second - 1));
        self.turn(place(second), place(first + second - 1));
        [a, b, c, d, e, f].into_iter().for_each(|stop| self.wake(stop));
        change
    }

    /// Betters the round until no stop in the queue gives anything; gives by how much it changed.
    fn settle(&mut self) -> f64 {
        let mut change = 0.0;
        while let Some(stop) = self.queue.pop() {
            self.queued[stop as usize] = false;
            while let Some(gain) = self.better(stop) {
                change -= gain;
            }
        }
        change
    }

    /// One change for the better at a stop: its gain.
    fn better(&mut self, one: u32) -> Option<f64> {
        self.cross(one).or_else(|| self.shift(one))
    }

    /// Reverses the piece between two stops, of which the first stands beside `outside`.
    fn flip(&mut self, outside: u32, first: u32, last: u32) {
        let (first, last, forward) =
            (self.place[first as usize], self.place[last as usize], self.next(outside) == first);
        if forward { self.turn(first, last) } else { self.turn(last, first) }
    }

    /// The exchange of two edges at a stop that gains most (Croes).
    fn cross(&mut self, one: u32) -> Option<f64> {
        let mut choice: Option<(f64, u32, u32, u32)> = None;
        for forward in [true, false] {
            let along = |stop| if forward { self.next(stop) } else { self.before(stop) };
            let beside = along(one);
            let open = self.far(one, beside);
            for (added, near) in self.neighbours.of(one) {
                let added = f64::from(*added);
                if added >= open {
                    break;
                }
                let end = along(*near);
                let gain = open + self.far(*near, end) - added - self.far(beside, end);
                if gain > choice.map_or(LEAST, |(best, ..)| best) {
                    choice = Some((gain, beside, *near, end));
                }
            }
        }
        let (gain, beside, near, end) = choice?;
        self.flip(one, beside, near);
        [one, beside, near, end].into_iter().for_each(|stop| self.wake(stop));
        Some(gain)
    }

    /// Moves a piece of up to three stops that begins at a stop elsewhere, either way round (Or).
    fn shift(&mut self, one: u32) -> Option<f64> {
        for forward in [true, false] {
            let along = |stop| if forward { self.next(stop) } else { self.before(stop) };
            let back = |stop| if forward { self.before(stop) } else { self.next(stop) };
            let (before, mut last, mut piece) = (back(one), one, [one; 3]);
            for length in 0..piece.len() {
                if length > 0 {
                    last = along(last);
                }
                piece[length] = last;
                let after = along(last);
                if after == before || last == before {
                    break;
                }
                let freed = self.far(before, one) + self.far(last, after) - self.far(before, after);
                for (added, near) in self.neighbours.of(one) {
                    let added = f64::from(*added);
                    if added >= freed {
                        break;
                    }
                    if piece.contains(near) {
                        continue;
                    }
                    // Between `near` and the stop behind it, in the same direction.
                    let end = along(*near);
                    if *near != before && freed - added - self.far(last, end) + self.far(*near, end) > LEAST {
                        let gain = freed - added - self.far(last, end) + self.far(*near, end);
                        let near = *near;
                        self.flip(before, one, near);
                        self.flip(before, near, after);
                        self.flip(near, last, one);
                        [before, one, last, after, near, end].into_iter().for_each(|stop| self.wake(stop));
                        return Some(gain);
                    }
                    // Between the stop before `near` and `near`, turned round.
                    let end = back(*near);
                    if *near != after && freed - added - self.far(last, end) + self.far(*near, end) > LEAST {
                        let gain = freed - added - self.far(last, end) + self.far(*near, end);
                        let near = *near;
                        self.flip(before, one, end);
                        self.flip(before, end, after);
                        [before, one, last, after, near, end].into_iter().for_each(|stop| self.wake(stop));
                        return Some(gain);
                    }
                }
            }
        }
        None
    }
}
