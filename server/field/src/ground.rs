//! What it takes to get from one stop to the next: metres, the effort of crossing a street, and minutes.

use crate::distances::Between;

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

/// The effort between some stops of one turf: metres, and for another side of the same street the crossing.
pub(crate) struct Effort<'a> {
    pub stops: &'a [Stop],
    /// The stops of the turf.
    pub of: &'a [u32],
}

impl Between for Effort<'_> {
    fn stops(&self) -> usize {
        self.of.len()
    }

    #[inline]
    fn between(&self, one: usize, other: usize) -> f32 {
        effort(&self.stops[self.of[one] as usize], &self.stops[self.of[other] as usize])
    }
}

/// Metres between two stops as the crow flies.
#[inline]
pub fn metres(one: &Stop, other: &Stop) -> f64 {
    let (x, y) = (one.point[0] - other.point[0], one.point[1] - other.point[1]);
    (x * x + y * y).sqrt()
}

/// Metres, the crossing of the street, and a little off for going far at once: of the rounds past a row of houses, which are
/// all of one length, the one that takes every house on the way out and comes back in one go.
#[inline]
pub(crate) fn effort(one: &Stop, other: &Stop) -> f32 {
    let crosses = one.street == other.street && one.street != 0 && one.side != other.side;
    let metres = metres(one, other);
    let far = metres.min(AT_ONCE);
    (metres - OFF * far * far) as f32 + if crosses { one.crossing.max(other.crossing) } else { 0.0 }
}

/// What goes off by the square of the metres, up to so many: 10 m of a kilometre.
const OFF: f64 = 1e-5;
const AT_ONCE: f64 = 1_000.0;
