//! One tree after the other: gradients rounded to whole numbers and summed by bin, leaves split where the loss falls most.
//!
//! Gradients are rounded to so fine a grain that their sums fill a machine word, and a gradient and its curvature are
//! added as one. Sums of whole numbers do not depend on their order: the same rows give the same tree, however many
//! threads there are.

use rayon::prelude::*;

use crate::boosting::{Loss, Settings, sigmoid};
use crate::forest::{MOST_LEAVES, Node, Tree};
use crate::matrix::{Binned, Cuts, UNKNOWN};

/// Rows of a node from which two threads work on it.
const WORTH_SHARING: usize = 1 << 13;

/// Sums of gradients, the high half, and curvatures, the low half, by bin.
type Histogram = Vec<[i64; 256]>;

/// A leaf that may be split.
struct Leaf {
    /// Where its rows stand in the list of all rows.
    from: usize,
    to: usize,
    histogram: Histogram,
    gradient: i64,
    curvature: i64,
    best: Option<Split>,
    /// The node above, and whether it is the left of its two.
    above: Option<(usize, bool)>,
}

#[derive(Clone, Copy)]
struct Split {
    gain: f64,
    feature: usize,
    bin: u8,
    unknown_left: bool,
    left: (i64, i64),
}

/// The grains of one tree's gradients and curvatures.
#[derive(Clone, Copy)]
struct Scale {
    gradient: f64,
    curvature: f64,
}

impl Scale {
    fn gradient(self, sum: i64) -> f64 {
        sum as f64 / self.gradient
    }

    fn curvature(self, sum: i64) -> f64 {
        sum as f64 / self.curvature
    }
}

fn halves(packed: i64) -> (i64, i64) {
    (packed >> 32, packed & 0xFFFF_FFFF)
}

/// What is used again for every tree.
pub struct Grower<'a> {
    binned: &'a Binned,
    settings: Settings,
    scale: Scale,
    /// Gradient and curvature of every row in one word.
    packed: Vec<i64>,
    exact: Vec<[f32; 2]>,
    rows: Vec<u32>,
    spare: Vec<u32>,
    histograms: Vec<Histogram>,
}

impl<'a> Grower<'a> {
    pub fn new(binned: &'a Binned, settings: &Settings) -> Grower<'a> {
        let leaves = settings.leaves.clamp(2, MOST_LEAVES);
        Grower {
            binned,
            settings: Settings { leaves, ..*settings },
            scale: Scale { gradient: 1.0, curvature: 1.0 },
            packed: vec![0; binned.rows],
            exact: vec![[0.0; 2]; binned.rows],
            rows: vec![0; binned.rows],
            spare: vec![0; binned.rows],
            histograms: Vec::new(),
        }
    }

    /// Works out the gradients for the scores so far, and rounds them.
    pub fn prepare(&mut self, scores: &[f32], outcomes: &[f32], weights: Option<&[f32]>, loss: Loss) {
        const PART: usize = 1 << 14;
        let sums: Vec<[f64; 2]> = self
            .exact
            .par_chunks_mut(PART)
            .enumerate()
            .map(|(part, exact)| {
                let from = part * PART;
                let (scores, outcomes) = (&scores[from..][..exact.len()], &outcomes[from..][..exact.len()]);
                pulp::Arch::new().dispatch(
                    #[inline(always)]
                    || match loss {
                        Loss::Logistic => {
                            for ((exact, score), outcome) in exact.iter_mut().zip(scores).zip(outcomes) {
                                let chance = sigmoid(*score);
                                *exact = [chance - outcome, (chance * (1.0 - chance)).max(1e-8)];
                            }
                        }
                        Loss::Squares => {
                            for ((exact, score), outcome) in exact.iter_mut().zip(scores).zip(outcomes) {
                                *exact = [score - outcome, 1.0];
                            }
                        }
                    },
                );
                if let Some(weights) = weights {
                    for (exact, weight) in exact.iter_mut().zip(&weights[from..]) {
                        *exact = exact.map(|value| value * weight);
                    }
                }
                let mut sums = [0f64; 2];
                exact.iter().for_each(|[gradient, curvature]| {
                    sums[0] += f64::from(gradient.abs());
                    sums[1] += f64::from(*curvature);
                });
                sums
            })
            .collect();
        let [gradients, curvatures] =
            sums.iter().fold([0f64; 2], |all, part| [all[0] + part[0], all[1] + part[1]]);
        // Rounding may add a half for every row.
        let room = |bits: i32, rows: usize| (2f64.powi(bits) - 2.0 - rows as f64).max(1.0);
        self.scale = Scale {
            gradient: room(31, self.binned.rows) / gradients.max(1e-12),
            curvature: room(32, self.binned.rows) / curvatures.max(1e-12),
        };
        let (by_gradient, by_curvature) = (self.scale.gradient as f32, self.scale.curvature as f32);
        self.scale = Scale { gradient: f64::from(by_gradient), curvature: f64::from(by_curvature) };
        self.packed.par_chunks_mut(PART).zip(self.exact.par_chunks(PART)).for_each(|(packed, exact)| {
            pulp::Arch::new().dispatch(
                #[inline(always)]
                || {
                    for (packed, [gradient, curvature]) in packed.iter_mut().zip(exact) {
                        let gradient = (gradient * by_gradient).round_ties_even() as i32;
                        let curvature = (curvature * by_curvature).round_ties_even() as u32;
                        *packed = (i64::from(gradient) << 32) + i64::from(curvature);
                    }
                },
            );
        });
    }

    /// Grows one tree and adds it to the scores.
    pub fn grow(&mut self, cuts: &[Cuts], scores: &mut [f32]) -> Tree {
        self.rows.iter_mut().enumerate().for_each(|(row, slot)| *slot = row as u32);
        let mut root = Leaf {
            from: 0,
            to: self.binned.rows,
            histogram: self.empty(),
            gradient: 0,
            curvature: 0,
            best: None,
            above: None,
        };
        self.fill(&mut root.histogram, 0, self.binned.rows);
        (root.gradient, root.curvature) = halves(self.packed.iter().sum());
        root.best = self.best(&root, cuts);
        let mut leaves = vec![root];
        let mut nodes: Vec<Node> = Vec::new();
        while leaves.len() < self.settings.leaves {
            let gain = |leaf: &Leaf| leaf.best.map_or(f64::NEG_INFINITY, |split| split.gain);
            // The first of the best, so that the order of leaves decides nothing by chance.
            let place = (0..leaves.len())
                .reduce(|one, other| if gain(&leaves[other]) > gain(&leaves[one]) { other } else { one });
            let Some((place, split)) = place.and_then(|place| Some((place, leaves[place].best?))) else {
                break;
            };
            let leaf = leaves.swap_remove(place);
            let (one, other) = self.split(leaf, split, &mut nodes, cuts);
            leaves.push(one);
            leaves.push(other);
        }
        self.finish(nodes, leaves, scores)
    }

    fn empty(&mut self) -> Histogram {
        match self.histograms.pop() {
            Some(mut histogram) => {
                histogram.iter_mut().for_each(|bins| bins.fill(0));
                histogram
            }
            None => vec![[0; 256]; self.binned.features],
        }
    }

    /// Splits a leaf in two and finds the best split of each.
    fn split(&mut self, mut leaf: Leaf, split: Split, nodes: &mut Vec<Node>, cuts: &[Cuts]) -> (Leaf, Leaf) {
        let place = nodes.len();
        if let Some((above, left)) = leaf.above {
            let node: &mut Node = &mut nodes[above];
            *(if left { &mut node.left } else { &mut node.right }) = place as i32;
        }
        nodes.push(Node {
            feature: split.feature as u16,
            bin: split.bin,
            unknown_left: split.unknown_left,
            left: 0,
            right: 0,
            gain: split.gain as f32,
        });
        let middle = leaf.from + self.partition(&leaf, &nodes[place]);
        let small_left = middle - leaf.from <= leaf.to - middle;
        let (from, to) = if small_left { (leaf.from, middle) } else { (middle, leaf.to) };
        let mut histogram = self.empty();
        self.fill(&mut histogram, from, to);
        // What the smaller does not have, the larger has.
        for (all, part) in leaf.histogram.iter_mut().zip(&histogram) {
            all.iter_mut().zip(part).for_each(|(all, part)| *all -= part);
        }
        let (left, right) =
            if small_left { (histogram, leaf.histogram) } else { (leaf.histogram, histogram) };
        let (gradient, curvature) = split.left;
        let mut one = Leaf {
            from: leaf.from,
            to: middle,
            histogram: left,
            gradient,
            curvature,
            best: None,
            above: Some((place, true)),
        };
        let mut other = Leaf {
            from: middle,
            to: leaf.to,
            histogram: right,
            gradient: leaf.gradient - gradient,
            curvature: leaf.curvature - curvature,
            best: None,
            above: Some((place, false)),
        };
        (one.best, other.best) = rayon::join(|| self.best(&one, cuts), || self.best(&other, cuts));
        for leaf in [&mut one, &mut other] {
            if leaf.best.is_none() {
                self.histograms.push(std::mem::take(&mut leaf.histogram));
            }
        }
        (one, other)
    }

    /// Puts the rows that go left before those that go right, each in their order. Gives how many go left.
    fn partition(&mut self, leaf: &Leaf, node: &Node) -> usize {
        let bins = self.binned.column(node.feature as usize);
        let count = leaf.to - leaf.from;
        let rows = &mut self.rows[leaf.from..leaf.to];
        let spare = &mut self.spare[..count];
        let (most, unknown) = (node.bin, node.unknown_left);
        let parts = if count < WORTH_SHARING { 1 } else { rayon::current_num_threads() };
        let size = count.div_ceil(parts).max(1);
        // Each part sorts its rows: those that go left to its front, the others, backwards, to its end.
        let lefts: Vec<usize> = rows
            .par_chunks(size)
            .with_max_len(1)
            .zip(spare.par_chunks_mut(size))
            .map(|(rows, out)| {
                let (mut left, mut right) = (0, out.len());
                for row in rows {
                    let bin = bins[*row as usize];
                    let goes_left = if bin == UNKNOWN { unknown } else { bin <= most };
                    right -= usize::from(!goes_left);
                    out[if goes_left { left } else { right }] = *row;
                    left += usize::from(goes_left);
                }
                out[left..].reverse();
                left
            })
            .collect();
        let all: usize = lefts.iter().sum();
        let (mut left, mut right) = (0, all);
        for (part, lefts) in spare.chunks(size).zip(lefts) {
            rows[left..left + lefts].copy_from_slice(&part[..lefts]);
            rows[right..right + part.len() - lefts].copy_from_slice(&part[lefts..]);
            left += lefts;
            right += part.len() - lefts;
        }
        all
    }

    /// Sums the gradients of some rows by bin.
    fn fill(&mut self, histogram: &mut Histogram, from: usize, to: usize) {
        let add = |histogram: &mut Histogram, rows: &[u32]| {
            for row in rows {
                let packed = self.packed[*row as usize];
                for (bins, bin) in histogram.iter_mut().zip(self.binned.row(*row as usize)) {
                    bins[*bin as usize] += packed;
                }
            }
        };
        let rows = &self.rows[from..to];
        if rows.len() < WORTH_SHARING {
            return add(histogram, rows);
        }
        let parts = rayon::current_num_threads();
        let size = rows.len().div_ceil(parts);
        let others: Vec<Histogram> = rows
            .par_chunks(size)
            .with_max_len(1)
            .map(|rows| {
                let mut own = vec![[0i64; 256]; self.binned.features];
                add(&mut own, rows);
                own
            })
            .collect();
        for other in others {
            for (all, part) in histogram.iter_mut().zip(&other) {
                all.iter_mut().zip(part).for_each(|(all, part)| *all += part);
            }
        }
    }

    /// The question that lowers the loss of a leaf most; none where no question is allowed.
    fn best(&self, leaf: &Leaf, cuts: &[Cuts]) -> Option<Split> {
        let Settings { least_rows, least_curvature, ridge, .. } = self.settings;
        let count = (leaf.to - leaf.from) as f64;
        if count < 2.0 * least_rows {
            return None;
        }
        let (gradient, curvature) =
            (self.scale.gradient(leaf.gradient), self.scale.curvature(leaf.curvature));
        let least = least_curvature.max(least_rows / count * curvature);
        let alone = gradient * gradient / (curvature + ridge);
        let mut best: Option<Split> = None;
        for (feature, (bins, cuts)) in leaf.histogram.iter().zip(cuts).enumerate() {
            let unknown = halves(bins[UNKNOWN as usize]);
            for unknown_left in [false, true] {
                let mut sum = if unknown_left { bins[UNKNOWN as usize] } else { 0 };
                for (bin, packed) in bins.iter().enumerate().take(cuts.bins() - 1).skip(1) {
                    if *packed == 0 {
                        continue;
                    }
                    sum += packed;
                    let left = halves(sum);
                    let (g, h) = (self.scale.gradient(left.0), self.scale.curvature(left.1));
                    let rest = curvature - h;
                    if h < least {
                        continue;
                    }
                    if rest < least {
                        break;
                    }
                    let gain = g * g / (h + ridge) + (gradient - g) * (gradient - g) / (rest + ridge) - alone;
                    if gain > best.map_or(1e-12, |best| best.gain) {
                        best = Some(Split { gain, feature, bin: bin as u8, unknown_left, left });
                    }
                }
                // Nobody is unknown: both ways are the same.
                if unknown.1 == 0 {
                    break;
                }
            }
        }
        // Who is unknown later, where nobody was, goes with the larger part.
        best.map(|split| {
            let known = leaf.histogram[split.feature][UNKNOWN as usize] == 0;
            let unknown_left = if known { 2 * split.left.1 >= leaf.curvature } else { split.unknown_left };
            Split { unknown_left, ..split }
        })
    }

    /// Numbers the leaves from left to right, gives them their values and adds these to the scores.
    fn finish(&mut self, mut nodes: Vec<Node>, leaves: Vec<Leaf>, scores: &mut [f32]) -> Tree {
        let mut ordered: Vec<&Leaf> = leaves.iter().collect();
        // Rows are kept in the order of the leaves.
        ordered.sort_by_key(|leaf| leaf.from);
        let mut tree = Tree::default();
        for (at, leaf) in ordered.iter().enumerate() {
            if let Some((above, left)) = leaf.above {
                let node = &mut nodes[above];
                *(if left { &mut node.left } else { &mut node.right }) = !(at as i32);
            }
            // The exact sums, row by row in order: the grain decides only where to split.
            let rows = &self.rows[leaf.from..leaf.to];
            let (gradient, curvature) = rows.iter().fold((0f64, 0f64), |(gradient, curvature), row| {
                let [g, h] = self.exact[*row as usize];
                (gradient + f64::from(g), curvature + f64::from(h))
            });
            let value = -gradient / (curvature + self.settings.ridge).max(1e-12) * self.settings.rate;
            rows.iter().for_each(|row| scores[*row as usize] += value as f32);
            tree.leaves.push(value as f32);
            tree.covers.push(rows.len() as f32);
        }
        tree.nodes = nodes;
        for leaf in leaves {
            if leaf.histogram.len() == self.binned.features && self.histograms.len() < 2 * MOST_LEAVES {
                self.histograms.push(leaf.histogram);
            }
        }
        tree
    }
}
