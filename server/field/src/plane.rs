//! A county as a plane: metres east and north of its middle.

/// Metres of a degree of latitude, on the sphere of the mean radius of the earth (6,371,008.8 m, IUGG).
const DEGREE: f64 = 111_195.080_233_5;

/// Turns longitude and latitude into metres. True to some tenths of a percent within 100 km of the middle.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Plane {
    middle: [f64; 2],
    metres: [f64; 2],
}

impl Plane {
    /// The plane around the middle of some places (longitude, latitude); around 0, 0 where there are none.
    pub fn around(places: impl Iterator<Item = [f64; 2]>) -> Plane {
        let mut extent: Option<[f64; 4]> = None;
        for [x, y] in places {
            let [west, south, east, north] = extent.unwrap_or([x, y, x, y]);
            extent = Some([west.min(x), south.min(y), east.max(x), north.max(y)]);
        }
        let [west, south, east, north] = extent.unwrap_or_default();
        let middle = [(west + east) / 2.0, (south + north) / 2.0];
        Plane { middle, metres: [DEGREE * middle[1].to_radians().cos().max(0.01), DEGREE] }
    }

    /// Metres east and north of the middle.
    pub fn metres(&self, [longitude, latitude]: [f64; 2]) -> [f64; 2] {
        [(longitude - self.middle[0]) * self.metres[0], (latitude - self.middle[1]) * self.metres[1]]
    }

    /// Longitude and latitude.
    pub fn degrees(&self, [east, north]: [f64; 2]) -> [f64; 2] {
        [self.middle[0] + east / self.metres[0], self.middle[1] + north / self.metres[1]]
    }
}
