//! Rounds to begin with: the shortest of all where there are few stops, else one that is made quickly.

use crate::distances::{Between, Neighbours};

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
