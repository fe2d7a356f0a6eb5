//! The shortest way past a set of stops: a walk that starts and ends where it is told to, or a round.
//!
//! Exchanges of two edges (Croes, 1958) and moves of short pieces (Or, 1976) over lists of neighbours, repeated from rounds
//! of which two neighbouring pieces were exchanged; a little that is lost is kept at first, and less and less of it (iterated
//! local search: Lourenço, Martin and Stützle, 2003). Every change is made of reversals, so that a try that came to nothing
//! is undone by the same reversals backwards. Time grows with the number of tries, each of which touches some dozens of stops.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::distances::{Between, Neighbours};

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

/// A number above 0, up to 1.
fn share(chance: &mut ChaCha8Rng) -> f64 {
    (f64::from(chance.next_u32()) + 1.0) / 4_294_967_296.0
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
