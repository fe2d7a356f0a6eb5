//! Boosted trees as they are kept and asked: what a forest says of people, all of them at once.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::matrix::{Binned, Cuts, Matrix, UNKNOWN};

/// Leaves that one tree may have: as many as a word has bits.
pub const MOST_LEAVES: usize = 32;
/// People whose scores are worked out together.
const BLOCK: usize = 1024;
/// Trees whose leaves are found together.
const LANES: usize = 16;

/// A question of a tree: whether a feature's bin is at most this one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Node {
    pub feature: u16,
    pub bin: u8,
    /// Where people go of whom the feature is not known.
    pub unknown_left: bool,
    /// What follows: a node's place, or a leaf's as its complement.
    pub left: i32,
    pub right: i32,
    /// How much less the loss is for the question.
    pub gain: f32,
}

/// One tree. Its leaves stand from left to right.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Tree {
    pub nodes: Vec<Node>,
    /// What each leaf adds to the log odds.
    pub leaves: Vec<f32>,
}

impl Node {
    pub fn goes_left(&self, bin: u8) -> bool {
        if bin == UNKNOWN { self.unknown_left } else { bin <= self.bin }
    }
}

impl Tree {
    /// The leaf of one person's bins.
    pub fn leaf(&self, bin: impl Fn(usize) -> u8) -> usize {
        let mut place = if self.nodes.is_empty() { !0 } else { 0 };
        while place >= 0 {
            let node = &self.nodes[place as usize];
            place = if node.goes_left(bin(node.feature as usize)) { node.left } else { node.right };
        }
        !place as usize
    }

    /// Adds to each row's log odds what the tree says of it.
    pub fn add(&self, binned: &Binned, scores: &mut [f32]) {
        scores.par_iter_mut().with_min_len(BLOCK).enumerate().for_each(|(row, score)| {
            let bins = binned.row(row);
            *score += self.leaves[self.leaf(|feature| bins[feature])];
        });
    }

    /// First leaf below a node or leaf, and the one after the last.
    fn span(&self, place: i32) -> (usize, usize) {
        if place < 0 {
            return (!place as usize, !place as usize + 1);
        }
        let node = &self.nodes[place as usize];
        (self.span(node.left).0, self.span(node.right).1)
    }
}

/// A sum of trees, in log odds for outcomes that are yes or no.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Forest {
    pub names: Vec<String>,
    pub cuts: Vec<Cuts>,
    pub base: f64,
    pub trees: Vec<Tree>,
}

/// A forest made ready for many people. For every feature and bin it holds, tree by tree, the leaves that are left when
/// a person has that bin; what all features leave of a tree is the person's leaf (Lucchese and others, QuickScorer,
/// SIGIR 2015).
pub struct Scorer<'a> {
    forest: &'a Forest,
    /// Where each feature's masks start; none for features that no tree asks of.
    starts: Vec<Option<usize>>,
    masks: Vec<u32>,
    /// Words of one bin: the trees, rounded up.
    width: usize,
    leaves: Vec<[f32; MOST_LEAVES]>,
}

impl<'a> Scorer<'a> {
    pub fn new(forest: &'a Forest) -> Scorer<'a> {
        let width = forest.trees.len().next_multiple_of(LANES);
        let mut starts = vec![None; forest.cuts.len()];
        let mut masks: Vec<u32> = Vec::new();
        for (at, tree) in forest.trees.iter().enumerate() {
            for node in &tree.nodes {
                let feature = node.feature as usize;
                let bins = forest.cuts[feature].bins();
                let start = *starts[feature].get_or_insert_with(|| {
                    masks.resize(masks.len() + bins * width, u32::MAX);
                    masks.len() - bins * width
                });
                let (first, end) = tree.span(node.left);
                let left = (u32::MAX >> (32 - (end - first))) << first;
                for bin in 0..bins {
                    if !node.goes_left(bin as u8) {
                        masks[start + bin * width + at] &= !left;
                    }
                }
            }
        }
        let leaves = forest.trees.iter().map(|tree| {
            let mut leaves = [0.0; MOST_LEAVES];
            leaves[..tree.leaves.len()].copy_from_slice(&tree.leaves);
            leaves
        });
        Scorer { forest, starts, masks, width, leaves: leaves.collect() }
    }

    /// Log odds of the people of a matrix, whose columns are the forest's.
    pub fn log_odds(&self, matrix: &Matrix) -> Vec<f32> {
        let mut out = vec![0f32; matrix.rows()];
        let asked: Vec<(usize, usize)> = self
            .starts
            .iter()
            .enumerate()
            .filter_map(|(feature, start)| Some((feature, (*start)?)))
            .collect();
        out.par_chunks_mut(BLOCK).enumerate().for_each_init(
            || (vec![0u8; BLOCK * asked.len()], vec![0usize; asked.len()]),
            |(bins, places), (block, out)| {
                pulp::Arch::new().dispatch(
                    #[inline(always)]
                    || {
                        for ((feature, _), bins) in asked.iter().zip(bins.chunks_mut(BLOCK)) {
                            let values = &matrix.columns[*feature][block * BLOCK..][..out.len()];
                            self.forest.cuts[*feature].bins_of(values, bins);
                        }
                        for (row, out) in out.iter_mut().enumerate() {
                            for (at, place) in places.iter_mut().enumerate() {
                                *place = asked[at].1 + bins[at * BLOCK + row] as usize * self.width;
                            }
                            *out = (self.forest.base + f64::from(self.sum(places))) as f32;
                        }
                    },
                );
            },
        );
        out
    }

    /// What all trees add to somebody whose masks begin at these places.
    #[inline(always)]
    fn sum(&self, places: &[usize]) -> f32 {
        let mut sums = [0f32; 4];
        for (group, leaves) in self.leaves.chunks(LANES).enumerate() {
            let mut alive = [u32::MAX; LANES];
            for place in places {
                let masks = &self.masks[place + group * LANES..][..LANES];
                for lane in 0..LANES {
                    alive[lane] &= masks[lane];
                }
            }
            for (at, (alive, leaves)) in alive.iter().zip(leaves).enumerate() {
                sums[at % 4] += leaves[(alive.trailing_zeros() & 31) as usize];
            }
        }
        sums.iter().sum()
    }
}
