//! What it takes to get from one stop to the next: metres, the effort of crossing a street, and minutes.

use rayon::prelude::*;

use crate::distances::Between;
use crate::streets::{Spot, Streets, apart};
use crate::walks::Walks;

/// How fast a canvasser gets on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pace {
    /// On foot.
    pub metres_per_minute: f64,
    /// Ways that are longer than this, in metres, are driven.
    pub drive_beyond: f64,
    pub driven_metres_per_minute: f64,
}

impl Default for Pace {
    /// 4.5 km/h on foot, 42 km/h by car.
    fn default() -> Pace {
        Pace { metres_per_minute: 75.0, drive_beyond: 600.0, driven_metres_per_minute: 700.0 }
    }
}

impl Pace {
    /// Minutes for a way of so many metres. A longer way never takes less.
    pub fn minutes(&self, metres: f64) -> f64 {
        let driven = (metres - self.drive_beyond).max(0.0);
        metres.min(self.drive_beyond) / self.metres_per_minute + driven / self.driven_metres_per_minute
    }
}

/// A place where a canvasser stops: a house, or a building with several households.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stop {
    /// Metres east and north.
    pub point: [f64; 2],
    /// Minutes spent there.
    pub minutes: f64,
    /// Doors there: households.
    pub doors: u32,
    /// Number of the street, 0 where there is none.
    pub street: u32,
    /// Side of the street: even and odd house numbers, or left and right.
    pub side: bool,
    /// What crossing the street is worth in metres of detour: little on a quiet street, much on a wide one.
    pub crossing: f32,
}

/// The stops of an area, and the streets between them where they are known.
pub struct Ground<'a> {
    pub stops: Vec<Stop>,
    pub walks: Option<Walks<'a>>,
}

impl<'a> Ground<'a> {
    /// Stops without streets: from each to each in a straight line.
    pub fn open(stops: Vec<Stop>) -> Ground<'a> {
        Ground { stops, walks: None }
    }

    /// Stops on the streets that their addresses name (in the spelling of the ways), or that are nearest. Which side of
    /// the street a house is on is told by its number; of those without one by where it lies.
    pub fn on_streets(mut stops: Vec<Stop>, names: &[(&str, bool)], streets: &'a Streets) -> Ground<'a> {
        let spots: Vec<Option<Spot>> =
            stops.par_iter().zip(names).map(|(stop, (name, _))| streets.spot(stop.point, name)).collect();
        for ((stop, spot), (_, numbered)) in stops.iter_mut().zip(&spots).zip(names) {
            if let Some(spot) = spot {
                stop.crossing = spot.crossing;
                if !numbered {
                    stop.side = spot.side;
                }
            }
        }
        let points: Vec<[f64; 2]> = stops.iter().map(|stop| stop.point).collect();
        let walks = Some(Walks::new(streets, &points, spots));
        Ground { stops, walks }
    }

    pub fn point(&self, stop: u32) -> [f64; 2] {
        self.stops[stop as usize].point
    }

    /// Metres between two stops: along the streets where they are known, else as the crow flies.
    #[inline]
    pub fn metres(&self, one: u32, other: u32) -> f64 {
        let straight = apart(self.point(one), self.point(other));
        match &self.walks {
            Some(walks) if one != other => walks.metres(one, other, straight),
            _ => straight,
        }
    }

    /// Metres, the crossing of the street, and a little off for going far at once: of the rounds past a row of houses, which
    /// are all of one length, the one that takes every house on the way out and comes back in one go.
    #[inline]
    pub(crate) fn effort(&self, one: u32, other: u32) -> f32 {
        let metres = self.metres(one, other);
        let (one, other) = (&self.stops[one as usize], &self.stops[other as usize]);
        let crosses = one.street == other.street && one.street != 0 && one.side != other.side;
        let far = metres.min(AT_ONCE);
        (metres - OFF * far * far) as f32 + if crosses { one.crossing.max(other.crossing) } else { 0.0 }
    }
}

/// The effort between some stops of one turf.
pub(crate) struct Effort<'a> {
    pub ground: &'a Ground<'a>,
    /// The stops of the turf.
    pub of: &'a [u32],
}

impl Between for Effort<'_> {
    fn stops(&self) -> usize {
        self.of.len()
    }

    #[inline]
    fn between(&self, one: usize, other: usize) -> f32 {
        self.ground.effort(self.of[one], self.of[other])
    }
}

/// What goes off by the square of the metres, up to so many: 10 m of a kilometre.
const OFF: f64 = 1e-5;
const AT_ONCE: f64 = 1_000.0;
