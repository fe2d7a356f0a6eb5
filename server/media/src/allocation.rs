//! Money over spots whose worth is a concave response of each bucket (a market in a week) to the impressions bought there,
//! one budget over all.
//!
//! Within a bucket the cheapest impressions come first, and the response has pieces of falling slope; so every stretch of a
//! row within a piece has one gain per dollar, and these fall along the bucket. Put in order over all buckets they are the
//! linear optimum up to the budget: the budget's price is the gain of the last stretch that is bought (Dantzig, 1957).

use rayon::prelude::*;

/// A row of an inventory.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Row {
    pub impressions: f64,
    /// Price of a spot.
    pub cost: f64,
    /// Spots on offer.
    pub spots: u32,
    pub bucket: u32,
}

/// How a bucket answers: pieces of so many impressions each, with falling gains per impression. The last is as wide as it
/// needs to be.
#[derive(Debug, Clone, PartialEq)]
pub struct Response {
    /// Impressions of a piece, by bucket.
    pub widths: Vec<f64>,
    /// Gain per impression, by piece.
    pub slopes: Vec<f64>,
}

impl Response {
    /// The gain of so many impressions in a bucket.
    pub fn gain(&self, bucket: usize, impressions: f64) -> f64 {
        let (width, last) = (self.widths[bucket], self.slopes.len() - 1);
        let mut gain = 0.0;
        for (piece, slope) in self.slopes.iter().enumerate() {
            let begins = piece as f64 * width;
            let ends = if piece == last { f64::INFINITY } else { begins + width };
            if impressions <= begins {
                break;
            }
            gain += (impressions.min(ends) - begins) * slope;
        }
        gain
    }
}

/// What is bought, in spots by row; fractions of spots where that was asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Allocation {
    pub spots: Vec<f64>,
    pub gain: f64,
    pub spent: f64,
    /// What the next dollar gains.
    pub price: f64,
}

/// Part of a row that lies within one piece of its bucket's response.
#[derive(Clone, Copy)]
struct Stretch {
    /// Gain per dollar.
    rate: f64,
    dollars: f64,
    row: u32,
    spots: f64,
}

/// The rows of every bucket, the cheapest impressions first.
fn by_bucket(rows: &[Row], buckets: usize) -> Vec<Vec<u32>> {
    let mut of: Vec<Vec<u32>> = vec![Vec::new(); buckets];
    for (at, row) in rows.iter().enumerate() {
        if row.spots > 0 && row.impressions > 0.0 {
            of[row.bucket as usize].push(at as u32);
        }
    }
    let price = |row: u32| rows[row as usize].cost / rows[row as usize].impressions;
    of.par_iter_mut()
        .for_each(|list| list.sort_unstable_by(|a, b| price(*a).total_cmp(&price(*b)).then(a.cmp(b))));
    of
}

/// The linear optimum: parts of spots may be bought. Time grows with n log n of the rows and pieces.
pub fn linear(rows: &[Row], response: &Response, budget: f64) -> Allocation {
    let last = response.slopes.len() - 1;
    let pieces = |bucket: usize, list: &Vec<u32>| {
        let mut stretches = Vec::with_capacity(list.len() + last + 1);
        let (mut reached, mut piece) = (0.0, 0usize);
        for at in list {
            let row = &rows[*at as usize];
            let ends = reached + row.impressions * f64::from(row.spots);
            while reached < ends {
                let limit = (piece + 1) as f64 * response.widths[bucket];
                let to = if piece == last { ends } else { ends.min(limit) };
                let spots = (to - reached) / row.impressions;
                if spots > 0.0 {
                    let rate = response.slopes[piece] * row.impressions / row.cost;
                    stretches.push(Stretch { rate, dollars: spots * row.cost, row: *at, spots });
                }
                if to >= limit && piece < last {
                    piece += 1;
                }
                reached = to;
            }
        }
        stretches
    };
    let of = by_bucket(rows, response.widths.len());
    let mut all: Vec<Stretch> =
        of.par_iter().enumerate().flat_map_iter(|(bucket, list)| pieces(bucket, list)).collect();
    all.par_sort_unstable_by(|a, b| b.rate.total_cmp(&a.rate).then(a.row.cmp(&b.row)));
    let mut made = Allocation { spots: vec![0.0; rows.len()], gain: 0.0, spent: 0.0, price: 0.0 };
    for stretch in &all {
        let share = ((budget - made.spent) / stretch.dollars).clamp(0.0, 1.0);
        made.spots[stretch.row as usize] += stretch.spots * share;
        made.gain += stretch.rate * stretch.dollars * share;
        made.spent += stretch.dollars * share;
        if share < 1.0 {
            made.price = stretch.rate;
            break;
        }
    }
    made
}

/// Whole spots near the linear optimum: its whole parts, then spot by spot whatever gains most for its price, while one fits.
/// Gives the linear optimum too, above which no whole plan is.
pub fn whole(rows: &[Row], response: &Response, budget: f64) -> (Allocation, Allocation) {
    let linear = linear(rows, response, budget);
    let mut spots: Vec<u32> = linear.spots.iter().map(|spots| (spots + 1e-9).floor() as u32).collect();
    let mut impressions = vec![0.0; response.widths.len()];
    let mut spent = 0.0;
    for (row, spots) in rows.iter().zip(&spots) {
        impressions[row.bucket as usize] += row.impressions * f64::from(*spots);
        spent += row.cost * f64::from(*spots);
    }
    // A row next to be bought stands with what it gained when that was last looked at: it only falls.
    let rate = |row: &Row, impressions: &[f64]| {
        let (bucket, before) = (row.bucket as usize, impressions[row.bucket as usize]);
        (response.gain(bucket, before + row.impressions) - response.gain(bucket, before)) / row.cost
    };
    let mut heap: std::collections::BinaryHeap<(u64, u32)> = rows
        .iter()
        .enumerate()
        .filter(|(at, row)| spots[*at] < row.spots && row.cost <= budget - spent)
        .map(|(at, row)| (rate(row, &impressions).to_bits(), at as u32))
        .collect();
    let cheapest = rows.iter().map(|row| row.cost).fold(f64::INFINITY, f64::min);
    while let Some((held, at)) = heap.pop() {
        let row = &rows[at as usize];
        if budget - spent < cheapest {
            break;
        }
        if row.cost > budget - spent {
            continue;
        }
        let now = rate(row, &impressions).to_bits();
        if now < held && heap.peek().is_some_and(|(next, _)| now < *next) {
            heap.push((now, at));
            continue;
        }
        spots[at as usize] += 1;
        spent += row.cost;
        impressions[row.bucket as usize] += row.impressions;
        if spots[at as usize] < row.spots {
            heap.push((rate(row, &impressions).to_bits(), at));
        }
    }
    let gain = impressions.iter().enumerate().map(|(bucket, sum)| response.gain(bucket, *sum)).sum();
    let spots = spots.into_iter().map(f64::from).collect();
    (Allocation { spots, gain, spent, price: linear.price }, linear)
}
