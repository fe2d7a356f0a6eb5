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
    /// People at each leaf when the tree was grown.
    pub covers: Vec<f32>,
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
    pub(crate) fn span(&self, place: i32) -> (usize, usize) {
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

/// A forest made ready for many people. Trees stand in groups of as many as are asked together; for every feature and
/// answer a group holds, tree by tree, the leaves that are left of it, and what all features leave of a tree is the
/// person's leaf (Lucchese and others, QuickScorer, SIGIR 2015). A group is small enough for the nearest cache, and a
/// block of people goes through it before the next.
pub struct Scorer<'a> {
    forest: &'a Forest,
    /// Features that any tree asks of.
    asked: Vec<usize>,
    groups: Vec<Group>,
}

/// Some trees, asked together.
struct Group {
    /// Of every feature that they ask of: its place among those asked, and where the masks of each bin stand. Bins between
    /// which no tree of the group divides share theirs.
    questions: Vec<(usize, [u16; 256])>,
    /// Leaves that are left of each tree.
    masks: Vec<[u32; LANES]>,
    leaves: Vec<[f32; MOST_LEAVES]>,
}

impl Group {
    fn of(trees: &[Tree], cuts: &[Cuts], asked: &[usize]) -> Group {
        let (mut questions, mut masks) = (Vec::new(), Vec::new());
        for (at, feature) in asked.iter().enumerate() {
            let mut by_bin = vec![[u32::MAX; LANES]; cuts[*feature].bins()];
            for (lane, tree) in trees.iter().enumerate() {
                for node in tree.nodes.iter().filter(|node| node.feature as usize == *feature) {
                    let (first, end) = tree.span(node.left);
                    let left = (u32::MAX >> (32 - (end - first))) << first;
                    let right = by_bin.iter_mut().enumerate().filter(|(bin, _)| !node.goes_left(*bin as u8));
                    right.for_each(|(_, masks)| masks[lane] &= !left);
                }
            }
            if by_bin.iter().flatten().all(|mask| *mask == u32::MAX) {
                continue;
            }
            let mut places = [0; 256];
            for (bin, own) in by_bin.into_iter().enumerate() {
                if bin == 0 || masks.last() != Some(&own) {
                    masks.push(own);
                }
                places[bin] = (masks.len() - 1) as u16;
            }
            questions.push((at, places));
        }
        let leaves = trees.iter().map(|tree| {
            let mut leaves = [0.0; MOST_LEAVES];
            leaves[..tree.leaves.len()].copy_from_slice(&tree.leaves);
            leaves
        });
        Group { questions, masks, leaves: leaves.collect() }
    }

    /// Adds to the sums of a block's people, whose bins stand feature by feature.
    #[inline(always)]
    fn add(&self, bins: &[u8], sums: &mut [f32]) {
        for (row, sum) in sums.iter_mut().enumerate() {
            let mut alive = [u32::MAX; LANES];
            for (at, places) in &self.questions {
                let masks = &self.masks[places[bins[at * BLOCK + row] as usize] as usize];
                for lane in 0..LANES {
                    alive[lane] &= masks[lane];
                }
            }
            let mut parts = [0f32; 4];
            for (at, (alive, leaves)) in alive.iter().zip(&self.leaves).enumerate() {
                parts[at % 4] += leaves[(alive.trailing_zeros() & 31) as usize];
            }
            *sum += parts.iter().sum::<f32>();
        }
    }
}

impl<'a> Scorer<'a> {
    pub fn new(forest: &'a Forest) -> Scorer<'a> {
        let nodes = || forest.trees.iter().flat_map(|tree| &tree.nodes);
        let is_asked = |feature: &usize| nodes().any(|node| node.feature as usize == *feature);
        let asked: Vec<usize> = (0..forest.cuts.len()).filter(is_asked).collect();
        let groups = forest.trees.chunks(LANES).map(|trees| Group::of(trees, &forest.cuts, &asked)).collect();
        Scorer { forest, asked, groups }
    }

    /// Log odds of the people of a matrix, whose columns are the forest's.
    pub fn log_odds(&self, matrix: &Matrix) -> Vec<f32> {
        let mut out = vec![0f32; matrix.rows()];
        out.par_chunks_mut(BLOCK).enumerate().for_each_init(
            || vec![0u8; BLOCK * self.asked.len()],
            |bins, (block, out)| {
                pulp::Arch::new().dispatch(
                    #[inline(always)]
                    || {
                        for (feature, bins) in self.asked.iter().zip(bins.chunks_mut(BLOCK)) {
                            let values = &matrix.columns[*feature][block * BLOCK..][..out.len()];
                            self.forest.cuts[*feature].bins_of(values, bins);
                        }
                        // A loop: a closure within would not be made for this processor.
                        for group in &self.groups {
                            group.add(bins, out);
                        }
                        for out in out {
                            *out = (self.forest.base + f64::from(*out)) as f32;
                        }
                    },
                );
            },
        );
        out
    }
}
