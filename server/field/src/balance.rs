//! Turfs made equal: stops at the borders change over until all turfs take about the same minutes, and none falls apart.
//!
//! Every turf keeps a round past its stops, so that what a stop costs where it is, and would cost elsewhere, is known: the
//! minutes there and the way. What is sought is the least of the squared differences from the mean, of the ways, and of the
//! length of the borders.

use std::collections::{HashMap, HashSet, VecDeque};

use crate::ground::{Ground, Pace, Stop};
use crate::nearby::Nearby;

/// How much a minute of walking counts beside an uneven cut, and an edge between two turfs.
#[derive(Debug, Clone, Copy)]
pub struct Worth {
    pub walking: f64,
    pub border: f64,
}

/// What a turf may be off the mean without being relieved.
const TOLERATED: f64 = 0.02;
/// Longest piece that changes over at once, and how many are tried.
const LONGEST_PIECE: usize = 40;
const PIECES_TRIED: usize = 200;
/// How often a turf takes or gives at a time.
const TRADES: usize = 50;
/// How many ends are tried for a chain.
const ENDS: usize = 6;
/// A piece of a round that may change over, what it is worth, and where it goes.
struct Piece {
    value: f64,
    stops: Vec<u32>,
    to: u32,
    after: u32,
    turned: bool,
}

/// Turfs under change.
pub struct Turfs<'a> {
    ground: &'a Ground<'a>,
    stops: &'a [Stop],
    points: Vec<[f64; 2]>,
    /// Whether ways are straight lines, and minutes of a metre on foot.
    straight: bool,
    per_metre: f64,
    nearby: &'a Nearby,
    pace: Pace,
    pub turf_of: Vec<u32>,
    /// The rounds.
    next: Vec<u32>,
    before: Vec<u32>,
    pub minutes: Vec<f64>,
    pub sizes: Vec<u32>,
    /// A stop of every turf.
    any: Vec<u32>,
    /// Whether a turf changed since its round was last made.
    pub changed: Vec<bool>,
    pub worth: Worth,
    seen: Vec<u32>,
    stamp: u32,
}

impl<'a> Turfs<'a> {
    /// From rounds that hold every stop once.
    pub fn new(ground: &'a Ground<'a>, nearby: &'a Nearby, pace: Pace, rounds: &[Vec<u32>]) -> Turfs<'a> {
        let stops = &ground.stops;
        let nobody = vec![0; stops.len()];
        let mut turfs = Turfs {
            ground,
            stops,
            points: stops.iter().map(|stop| stop.point).collect(),
            straight: ground.walks.is_none(),
            per_metre: 1.0 / pace.metres_per_minute,
            nearby,
            pace,
            turf_of: nobody.clone(),
            next: nobody.clone(),
            before: nobody.clone(),
            minutes: vec![0.0; rounds.len()],
            sizes: vec![0; rounds.len()],
            any: vec![u32::MAX; rounds.len()],
            changed: vec![false; rounds.len()],
            worth: Worth { walking: 0.0, border: 0.0 },
            seen: nobody,
            stamp: 0,
        };
        rounds.iter().enumerate().for_each(|(turf, round)| turfs.put(turf as u32, round));
        turfs
    }

    /// Gives a turf a round.
    pub fn put(&mut self, turf: u32, round: &[u32]) {
        for (one, other) in round.iter().zip(round.iter().cycle().skip(1)) {
            self.next[*one as usize] = *other;
            self.before[*other as usize] = *one;
            self.turf_of[*one as usize] = turf;
        }
        let there: f64 = round.iter().map(|stop| self.stops[*stop as usize].minutes).sum();
        let way: f64 = round.iter().map(|stop| self.way(*stop, self.next[*stop as usize])).sum();
        self.minutes[turf as usize] = there + way;
        self.sizes[turf as usize] = round.len() as u32;
        self.any[turf as usize] = round.first().copied().unwrap_or(u32::MAX);
        self.changed[turf as usize] = false;
    }

    /// The stops of every turf, in the order of their rounds.
    pub fn rounds(&self) -> Vec<Vec<u32>> {
        let mut rounds: Vec<Vec<u32>> =
            self.sizes.iter().map(|size| Vec::with_capacity(*size as usize)).collect();
        for stop in 0..self.stops.len() as u32 {
            let round = &mut rounds[self.turf_of[stop as usize] as usize];
            if round.is_empty() {
                let mut at = stop;
                loop {
                    round.push(at);
                    at = self.next[at as usize];
                    if at == stop {
                        break;
                    }
                }
            }
        }
        rounds
    }

    /// Minutes of the way between two stops.
    #[inline(always)]
    fn way(&self, one: u32, other: u32) -> f64 {
        match self.straight {
            // What is asked most, by far.
            true => {
                let ([ax, ay], [bx, by]) = (self.points[one as usize], self.points[other as usize]);
                let metres = ((ax - bx) * (ax - bx) + (ay - by) * (ay - by)).sqrt();
                match metres <= self.pace.drive_beyond {
                    true => metres * self.per_metre,
                    false => self.pace.minutes(metres),
                }
            }
            false => self.pace.minutes(self.ground.metres(one, other)),
        }
    }

    pub fn mean(&self) -> f64 {
        self.minutes.iter().sum::<f64>() / self.minutes.len().max(1) as f64
    }

    /// The greatest minutes of a turf by the least.
    pub fn spread(&self) -> f64 {
        let greatest = self.minutes.iter().copied().fold(0.0, f64::max);
        let least = self.minutes.iter().copied().fold(f64::INFINITY, f64::min);
        if least > 0.0 { greatest / least } else { f64::INFINITY }
    }

    /// What a turf is spared when a stop leaves it, in minutes of the way.
    fn spared(&self, stop: u32) -> f64 {
        let (before, next) = (self.before[stop as usize], self.next[stop as usize]);
        match before == stop || before == next {
            true => self.way(before, stop) * 2.0,
            false => self.way(before, stop) + self.way(stop, next) - self.way(before, next),
        }
    }

    /// The least that a stop adds to the way of a turf beside it, and after which stop it goes.
    fn added(&self, stop: u32, turf: u32) -> Option<(f64, u32)> {
        let mut best: Option<(f64, u32)> = None;
        for beside in self.nearby.of(stop).iter().filter(|beside| self.turf_of[**beside as usize] == turf) {
            for after in [*beside, self.before[*beside as usize]] {
                let next = self.next[after as usize];
                let added = self.way(after, stop) + self.way(stop, next) - self.way(after, next);
                if best.is_none_or(|(least, _)| added < least) {
                    best = Some((added, after));
                }
            }
        }
        best
    }

    /// Whether a turf hangs together without one of its stops.
    fn stays_whole(&mut self, stop: u32) -> bool {
        let turf = self.turf_of[stop as usize];
        let own = |beside: &&u32| self.turf_of[**beside as usize] == turf;
        let mut wanted = self.nearby.of(stop).iter().filter(own).count();
        let Some(first) = self.nearby.of(stop).iter().find(own) else { return false };
        if wanted == 1 {
            return true;
        }
        self.stamp += 1;
        let stamp = self.stamp;
        self.seen[stop as usize] = stamp;
        self.seen[*first as usize] = stamp;
        let mut open = vec![*first];
        while let Some(at) = open.pop() {
            // Every neighbour of the stop that is reached counts off.
            if self.nearby.of(stop).binary_search(&at).is_ok() {
                wanted -= 1;
                if wanted == 0 {
                    return true;
                }
            }
            for beside in self.nearby.of(at) {
                if self.turf_of[*beside as usize] == turf && self.seen[*beside as usize] != stamp {
                    self.seen[*beside as usize] = stamp;
                    open.push(*beside);
                }
            }
        }
        false
    }

    fn change_over(&mut self, stop: u32, to: u32, after: u32, spared: f64, added: f64) {
        let from = self.turf_of[stop as usize];
        let (before, next) = (self.before[stop as usize], self.next[stop as usize]);
        self.next[before as usize] = next;
        self.before[next as usize] = before;
        let next = self.next[after as usize];
        self.next[after as usize] = stop;
        self.before[stop as usize] = after;
        self.next[stop as usize] = next;
        self.before[next as usize] = stop;
        let there = self.stops[stop as usize].minutes;
        self.minutes[from as usize] -= there + spared;
        self.minutes[to as usize] += there + added;
        self.sizes[from as usize] -= 1;
        self.sizes[to as usize] += 1;
        self.any[to as usize] = stop;
        if self.any[from as usize] == stop {
            self.any[from as usize] = if self.sizes[from as usize] == 0 { u32::MAX } else { before };
        }
        self.turf_of[stop as usize] = to;
        self.changed[from as usize] = true;
        self.changed[to as usize] = true;
    }

    /// What a change would be worth: less than nothing is better. With the turf's share of way.
    fn change(&self, stop: u32, to: u32, mean: f64, worth: Worth) -> Option<(f64, u32, f64, f64)> {
        let from = self.turf_of[stop as usize];
        let (added, after) = self.added(stop, to)?;
        let spared = self.spared(stop);
        let there = self.stops[stop as usize].minutes;
        let off = |minutes: f64| (minutes - mean) * (minutes - mean) / mean;
        let (one, other) = (self.minutes[from as usize], self.minutes[to as usize]);
        let uneven = off(one - there - spared) + off(other + there + added) - off(one) - off(other);
        let beside = |turf: u32| {
            self.nearby.of(stop).iter().filter(|beside| self.turf_of[**beside as usize] == turf).count()
                as f64
        };
        let border = beside(from) - beside(to);
        Some((uneven + worth.walking * (added - spared) + worth.border * border, after, spared, added))
    }

    /// Lets every stop at a border change over where that is better; gives how many did.
    pub fn sweep(&mut self) -> usize {
        let (mean, worth) = (self.mean(), self.worth);
        let mut changes = 0;
        for stop in 0..self.stops.len() as u32 {
            let from = self.turf_of[stop as usize];
            if self.sizes[from as usize] < 2 {
                continue;
            }
            let mut tried = [u32::MAX; 8];
            let mut best: Option<(f64, u32, u32, f64, f64)> = None;
            for beside in self.nearby.of(stop) {
                let to = self.turf_of[*beside as usize];
                if to == from || tried.contains(&to) {
                    continue;
                }
                tried.rotate_right(1);
                tried[0] = to;
                if let Some((value, after, spared, added)) = self.change(stop, to, mean, worth)
                    && value < best.map_or(-1e-6, |(least, ..)| least)
                {
                    best = Some((value, to, after, spared, added));
                }
            }
            if let Some((_, to, after, spared, added)) = best
                && self.stays_whole(stop)
            {
                self.change_over(stop, to, after, spared, added);
                changes += 1;
            }
        }
        changes
    }

    /// Turfs beside each other, and by which stops: from, to, stop.
    fn borders(&self) -> Vec<Vec<(u32, u32)>> {
        let mut borders: Vec<Vec<(u32, u32)>> = vec![Vec::new(); self.minutes.len()];
        for stop in 0..self.stops.len() as u32 {
            let from = self.turf_of[stop as usize];
            let mut last = from;
            for beside in self.nearby.of(stop) {
                let to = self.turf_of[*beside as usize];
                if to != from && to != last {
                    borders[from as usize].push((to, stop));
                    last = to;
                }
            }
        }
        borders
    }

    /// Takes work from turfs that have too much, and to turfs that have too little, over as many turfs between them as it
    /// takes: each hands one stop on. Gives how many chains were gone. Time grows with the turfs that are off.
    pub fn relieve(&mut self) -> usize {
        let mean = self.mean();
        let off = |turfs: &Self, turf: u32| turfs.minutes[turf as usize] - mean;
        let mut far: Vec<u32> = (0..self.minutes.len() as u32).collect();
        far.retain(|turf| off(self, *turf).abs() > TOLERATED * mean);
        far.sort_by(|one, other| {
            off(self, *other).abs().total_cmp(&off(self, *one).abs()).then(one.cmp(other))
        });
        let borders = self.borders();
        let mut done = 0;
        for turf in far {
            for _ in 0..TRADES {
                if off(self, turf).abs() <= TOLERATED * mean {
                    break;
                }
                let gives = off(self, turf) > 0.0;
                if !self.trade(turf, gives, mean) && !self.chain(turf, gives, mean, &borders) {
                    break;
                }
                done += 1;
            }
        }
        done
    }

    /// The stops of a turf in the order of its round.
    pub fn round_of(&self, turf: u32) -> Vec<u32> {
        match self.any[turf as usize] {
            u32::MAX => Vec::new(),
            any => self.round(any),
        }
    }

    fn round(&self, start: u32) -> Vec<u32> {
        let mut round = vec![start];
        while self.next[round[round.len() - 1] as usize] != start {
            round.push(self.next[round[round.len() - 1] as usize]);
        }
        round
    }

    /// Moves a piece of a round from a turf to one beside it, or the other way: a street's end where a single house would
    /// leave a gap.
    fn trade(&mut self, turf: u32, gives: bool, mean: f64) -> bool {
        let own = self.round_of(turf);
        // The turfs beside, each by one of its stops.
        let mut beside: Vec<(u32, u32)> = Vec::new();
        for other in own.iter().flat_map(|stop| self.nearby.of(*stop)) {
            let of = self.turf_of[*other as usize];
            if of != turf && beside.iter().all(|(known, _)| *known != of) {
                beside.push((of, *other));
            }
        }
        let mut choices: Vec<Piece> = Vec::new();
        for (other, stop) in beside {
            match gives {
                true => self.pieces(&own, other, mean, &mut choices),
                false => self.pieces(&self.round(stop), turf, mean, &mut choices),
            }
        }
        choices.sort_by(|one, other| one.value.total_cmp(&other.value));
        choices.into_iter().take(PIECES_TRIED).any(|piece| self.take_piece(&piece))
    }

    /// The pieces of a round that another turf could take for the better.
    fn pieces(&self, round: &[u32], to: u32, mean: f64, choices: &mut Vec<Piece>) {
        let from = self.turf_of[round[0] as usize];
        let (one, other) = (self.minutes[from as usize], self.minutes[to as usize]);
        let off = |minutes: f64| (minutes - mean) * (minutes - mean) / mean;
        for (begins, first) in round.iter().enumerate() {
            let (mut there, mut inner) = (0.0, 0.0);
            for length in 1..round.len().min(LONGEST_PIECE) {
                let last = round[(begins + length - 1) % round.len()];
                there += self.stops[last as usize].minutes;
                if length > 1 {
                    inner += self.way(round[(begins + length - 2) % round.len()], last);
                }
                if there + inner > mean / 3.0 {
                    break;
                }
                let (before, next) = (self.before[*first as usize], self.next[last as usize]);
                let spared = self.way(before, *first) + inner + self.way(last, next)
                    - if before == next { 0.0 } else { self.way(before, next) };
                let mut best: Option<(f64, u32, bool)> = None;
                for (end, far, turned) in [(*first, last, false), (last, *first, true)] {
                    for beside in
                        self.nearby.of(end).iter().filter(|beside| self.turf_of[**beside as usize] == to)
                    {
                        // After a stop that the end lies beside; or before it, the other way round.
                        for (after, turned) in [(*beside, turned), (self.before[*beside as usize], !turned)] {
                            let next = self.next[after as usize];
                            let (head, tail) = if after == *beside { (end, far) } else { (far, end) };
                            let added =
                                self.way(after, head) + inner + self.way(tail, next) - self.way(after, next);
                            if best.is_none_or(|(least, ..)| added < least) {
                                best = Some((added, after, turned));
                            }
                        }
                    }
                }
                let Some((added, after, turned)) = best else { continue };
                let value = off(one - there - spared) + off(other + there + added) - off(one) - off(other)
                    + self.worth.walking * (added - spared);
                if value < -1e-3 {
                    let stops = (0..length).map(|at| round[(begins + at) % round.len()]).collect();
                    choices.push(Piece { value, stops, to, after, turned });
                }
            }
        }
    }

    /// Moves a piece where both turfs then hang together.
    fn take_piece(&mut self, piece: &Piece) -> bool {
        let from = self.turf_of[piece.stops[0] as usize];
        let rest: Vec<u32> =
            self.round(piece.stops[0]).into_iter().filter(|stop| !piece.stops.contains(stop)).collect();
        let taking = self.round(piece.after);
        let hangs = |stops: &[u32]| {
            let within: HashSet<u32> = stops.iter().copied().collect();
            self.nearby.parts(stops, |beside| within.contains(&beside)).1 == 1
        };
        let mut stops = piece.stops.clone();
        if piece.turned {
            stops.reverse();
        }
        let at = taking.iter().position(|stop| *stop == piece.after).map_or(0, |at| at + 1);
        let grown = [&taking[..at], &stops[..], &taking[at..]].concat();
        if rest.is_empty() || !hangs(&rest) || !hangs(&grown) {
            return false;
        }
        self.put(from, &rest);
        self.put(piece.to, &grown);
        self.changed[from as usize] = true;
        self.changed[piece.to as usize] = true;
        true
    }

    /// The turfs that are furthest from the mean, beyond a share of it, the furthest first, each with those beside it.
    pub fn furthest(&self, share: f64) -> Vec<(u32, Vec<u32>)> {
        let mean = self.mean();
        let off = |turf: &u32| (self.minutes[*turf as usize] - mean).abs();
        let mut far: Vec<u32> =
            (0..self.minutes.len() as u32).filter(|turf| off(turf) > share * mean).collect();
        far.sort_by(|one, other| off(other).total_cmp(&off(one)).then(one.cmp(other)));
        let place: HashMap<u32, usize> = far.iter().enumerate().map(|(at, turf)| (*turf, at)).collect();
        let mut beside: Vec<Vec<u32>> = vec![Vec::new(); far.len()];
        for stop in 0..self.stops.len() as u32 {
            let Some(at) = place.get(&self.turf_of[stop as usize]) else { continue };
            for other in self.nearby.of(stop) {
                let turf = self.turf_of[*other as usize];
                if turf != far[*at] && !beside[*at].contains(&turf) {
                    beside[*at].push(turf);
                }
            }
        }
        far.into_iter().zip(beside).collect()
    }

    /// The turfs beside each.
    pub fn turfs_beside(&self) -> Vec<Vec<u32>> {
        let mut beside: Vec<Vec<u32>> = self
            .borders()
            .into_iter()
            .map(|list| list.into_iter().map(|(other, _)| other).collect())
            .collect();
        beside.iter_mut().for_each(|list| {
            list.sort_unstable();
            list.dedup();
        });
        beside
    }

    /// How uneven some turfs are, and what a stop weighs: its minutes and half of the ways to and from it.
    pub fn uneven(&self, minutes: impl Iterator<Item = f64>) -> f64 {
        let mean = self.mean();
        minutes.map(|minutes| (minutes - mean) * (minutes - mean)).sum()
    }

    pub fn weight(&self, stop: u32) -> f64 {
        let (before, next) = (self.before[stop as usize], self.next[stop as usize]);
        self.stops[stop as usize].minutes + (self.way(before, stop) + self.way(stop, next)) / 2.0
    }

    /// Minutes of a round.
    pub fn minutes_of(&self, round: &[u32]) -> f64 {
        let there: f64 = round.iter().map(|stop| self.stops[*stop as usize].minutes).sum();
        let pairs = round.iter().zip(round.iter().cycle().skip(1));
        there + pairs.map(|(one, other)| self.way(*one, *other)).sum::<f64>()
    }

    /// One chain from a turf that is too full to the nearest that has room, or from the nearest that has too much to one
    /// that is too empty.
    fn chain(&mut self, start: u32, gives: bool, mean: f64, borders: &[Vec<(u32, u32)>]) -> bool {
        let gap = (self.minutes[start as usize] - mean).abs();
        let mut came: Vec<Option<u32>> = vec![None; self.minutes.len()];
        came[start as usize] = Some(start);
        let mut open = VecDeque::from([start]);
        let mut ends = Vec::new();
        while let Some(turf) = open.pop_front() {
            let minutes = self.minutes[turf as usize];
            let fits = if gives { minutes < mean - gap / 4.0 } else { minutes > mean + gap / 4.0 };
            if turf != start && fits {
                ends.push(turf);
                if ends.len() == ENDS {
                    break;
                }
            }
            for (to, _) in &borders[turf as usize] {
                if came[*to as usize].is_none() {
                    came[*to as usize] = Some(turf);
                    open.push_back(*to);
                }
            }
        }
        ends.into_iter().any(|end| {
            let mut path = vec![end];
            while let Some(turf) = came[*path.last().expect("the path has its end") as usize]
                && *path.last().expect("the path has its end") != start
            {
                path.push(turf);
            }
            if gives {
                path.reverse();
            }
            let wanted = gap.min((self.minutes[end as usize] - mean).abs());
            self.hand_on(&path, borders, wanted)
        })
    }

    /// Every turf of a path hands a stop of about so many minutes to the next. True where all did; else nothing is changed.
    fn hand_on(&mut self, path: &[u32], borders: &[Vec<(u32, u32)>], wanted: f64) -> bool {
        let mut done: Vec<(u32, u32, u32)> = Vec::new();
        let mean = self.mean();
        let value = |turfs: &Self| {
            let of = |turf: &u32| turfs.minutes[*turf as usize];
            path.iter()
                .map(|turf| (of(turf) - mean).powi(2) / mean + turfs.worth.walking * of(turf))
                .sum::<f64>()
        };
        let begun = value(self);
        let mut whole = true;
        for pair in path.windows(2) {
            let (from, to) = (pair[0], pair[1]);
            let mut choice: Vec<(f64, u32)> = Vec::new();
            for (_, stop) in borders[from as usize].iter().filter(|(beside, _)| *beside == to) {
                if self.turf_of[*stop as usize] != from || self.sizes[from as usize] < 2 {
                    continue;
                }
                if let Some((added, _)) = self.added(*stop, to) {
                    let there = self.stops[*stop as usize].minutes;
                    let (leaves, comes) = (there + self.spared(*stop), there + added);
                    let off = (leaves - wanted).abs().max((comes - wanted).abs());
                    choice.push((off + self.worth.walking * (added - self.spared(*stop)), *stop));
                }
            }
            choice.sort_by(|one, other| one.0.total_cmp(&other.0));
            let handed = choice.into_iter().find(|(_, stop)| self.stays_whole(*stop));
            let Some((_, stop)) = handed else {
                whole = false;
                break;
            };
            let (added, after) = self.added(stop, to).expect("the stop lies beside the turf");
            done.push((stop, from, self.before[stop as usize]));
            self.change_over(stop, to, after, self.spared(stop), added);
        }
        if whole && value(self) < begun {
            return true;
        }
        for (stop, back, after) in done.into_iter().rev() {
            let (spared, added) = (self.spared(stop), self.cost_after(stop, after));
            self.change_over(stop, back, after, spared, added);
        }
        false
    }

    fn cost_after(&self, stop: u32, after: u32) -> f64 {
        let next = self.next[after as usize];
        self.way(after, stop) + self.way(stop, next) - self.way(after, next)
    }
}
