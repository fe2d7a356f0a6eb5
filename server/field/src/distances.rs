//! How far stops are apart, and which of them are near to each other.

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
    pub fn of(&self, stop: u32) -> &'_ [(f32, u32)] {
        &self.near[self.starts[stop as usize] as usize..self.starts[stop as usize + 1] as usize]
    }
}
