//! One to one: a voter is one person of the list at most, and a listed person one voter at most.
//!
//! Pairs compete: that of two namesakes one is the better match lowers the other. The probability of a pair is its
//! share among all ways to match everybody at most once, each weighing the product of its pairs' odds. That sum is
//! worked out by passing messages between the two sides (belief propagation), which is exact where the pairs form no
//! ring, and settles on a close figure where they do (Huang and Jebara 2009).

use std::ops::Range;

use rayon::prelude::*;

/// A pair that may be the same person.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Edge {
    pub voter: u32,
    pub listed: u32,
    pub odds: f64,
}

const ROUNDS: usize = 100;

/// The probability of each pair. `rival` says whether voters compete as well: else each listed person is matched alone.
pub(crate) fn probabilities(edges: &[Edge], voters: usize, listed: usize, rival: bool) -> Vec<f64> {
    if !rival {
        let mut sums = vec![1.0f64; listed];
        edges.iter().for_each(|edge| sums[edge.listed as usize] += edge.odds);
        return edges.iter().map(|edge| edge.odds / sums[edge.listed as usize]).collect();
    }
    let groups = Groups::new(edges, voters, listed);
    let settled: Vec<Vec<(u32, f64)>> =
        groups.rivals.par_iter().map(|group| settle(edges, &groups.sorted[group.clone()])).collect();
    let mut told: Vec<f64> = edges.iter().map(|edge| edge.odds / (1.0 + edge.odds)).collect();
    settled.into_iter().flatten().for_each(|(at, probability)| told[at as usize] = probability);
    told
}

/// Pairs that compete with each other, directly or by way of others.
struct Groups {
    /// Pairs by group.
    sorted: Vec<u32>,
    /// Where the groups of more than one pair stand.
    rivals: Vec<Range<usize>>,
}

impl Groups {
    fn new(edges: &[Edge], voters: usize, listed: usize) -> Groups {
        let mut parents: Vec<u32> = (0..(voters + listed) as u32).collect();
        fn root(parents: &mut [u32], mut node: u32) -> u32 {
            while parents[node as usize] != node {
                parents[node as usize] = parents[parents[node as usize] as usize];
                node = parents[node as usize];
            }
            node
        }
        for edge in edges {
            let (left, right) =
                (root(&mut parents, edge.voter), root(&mut parents, voters as u32 + edge.listed));
            parents[left.max(right) as usize] = left.min(right);
        }
        let roots: Vec<u32> = edges.iter().map(|edge| root(&mut parents, edge.voter)).collect();
        let mut pairs = parents;
        pairs.fill(0);
        roots.iter().for_each(|root| pairs[*root as usize] += 1);
        let mut sorted: Vec<u32> =
            (0..edges.len() as u32).filter(|at| pairs[roots[*at as usize] as usize] > 1).collect();
        sorted.sort_unstable_by_key(|at| (roots[*at as usize], *at));
        let mut rivals = Vec::new();
        let mut start = 0;
        while start < sorted.len() {
            let size = pairs[roots[sorted[start] as usize] as usize] as usize;
            rivals.push(start..start + size);
            start += size;
        }
        Groups { sorted, rivals }
    }
}

/// The probabilities of the pairs of one group.
fn settle(edges: &[Edge], group: &[u32]) -> Vec<(u32, f64)> {
    // The pairs of each node, as places within the group.
    let nodes = |node: fn(&Edge) -> u32| {
        let mut nodes: Vec<(u32, usize)> =
            group.iter().enumerate().map(|(place, at)| (node(&edges[*at as usize]), place)).collect();
        nodes.sort_unstable();
        nodes
            .chunk_by(|left, right| left.0 == right.0)
            .map(|node| node.iter().map(|pair| pair.1).collect())
            .collect()
    };
    let (by_listed, by_voter): (Vec<Vec<usize>>, Vec<Vec<usize>>) =
        (nodes(|edge| edge.listed), nodes(|edge| edge.voter));
    let odds: Vec<f64> = group.iter().map(|at| edges[*at as usize].odds).collect();
    // What each pair is told by its two ends: how free they are of other matches.
    let mut free = [vec![1.0f64; group.len()], vec![1.0f64; group.len()]];
    let mut behind: Vec<f64> = Vec::new();
    for _ in 0..ROUNDS {
        let mut change = 0.0f64;
        for (side, nodes) in [(0, &by_listed), (1, &by_voter)] {
            for node in nodes {
                // What the others of a node weigh: all before it and all behind it.
                behind.clear();
                behind.push(0.0);
                for place in node.iter().rev() {
                    behind.push(behind[behind.len() - 1] + odds[*place] * free[1 - side][*place]);
                }
                let mut before = 0.0;
                for (at, place) in node.iter().enumerate() {
                    let next = 1.0 / (1.0 + before + behind[node.len() - 1 - at]);
                    before += odds[*place] * free[1 - side][*place];
                    change = change.max((next - free[side][*place]).abs());
                    free[side][*place] = next;
                }
            }
        }
        if change < 1e-9 {
            break;
        }
    }
    let settled = |(place, at): (usize, &u32)| {
        let odds = odds[place] * free[0][place] * free[1][place];
        (*at, odds / (1.0 + odds))
    };
    group.iter().enumerate().map(settled).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every way to match, summed up.
    fn by_enumeration(edges: &[Edge]) -> Vec<f64> {
        let (mut total, mut with) = (0.0, vec![0.0; edges.len()]);
        for chosen in 0u32..1 << edges.len() {
            let picked: Vec<usize> = (0..edges.len()).filter(|at| chosen >> at & 1 == 1).collect();
            let once = |node: fn(&Edge) -> u32| {
                let mut nodes: Vec<u32> = picked.iter().map(|at| node(&edges[*at])).collect();
                nodes.sort_unstable();
                nodes.windows(2).all(|pair| pair[0] != pair[1])
            };
            if once(|edge| edge.voter) && once(|edge| edge.listed) {
                let weight: f64 = picked.iter().map(|at| edges[*at].odds).product();
                total += weight;
                picked.iter().for_each(|at| with[*at] += weight);
            }
        }
        with.iter().map(|with| with / total).collect()
    }

    fn edges(of: &[(u32, u32, f64)]) -> Vec<Edge> {
        of.iter().map(|(voter, listed, odds)| Edge { voter: *voter, listed: *listed, odds: *odds }).collect()
    }

    #[test]
    fn probabilities_are_those_of_all_ways_to_match() {
        // A chain, a star and a lone pair: no ring, so the figures are exact.
        let tree = edges(&[
            (0, 0, 30.0),
            (0, 1, 4.0),
            (1, 1, 0.5),
            (2, 2, 7.0),
            (3, 2, 9.0),
            (4, 2, 0.1),
            (5, 3, 2.0),
        ]);
        for (told, exact) in probabilities(&tree, 6, 4, true).iter().zip(by_enumeration(&tree)) {
            assert!((told - exact).abs() < 1e-9, "{told} {exact}");
        }
        // Twins: a ring.
        let ring = edges(&[(0, 0, 5000.0), (0, 1, 40.0), (1, 0, 60.0), (1, 1, 8000.0)]);
        for (told, exact) in probabilities(&ring, 2, 2, true).iter().zip(by_enumeration(&ring)) {
            assert!((told - exact).abs() < 0.01, "{told} {exact}");
        }
    }

    #[test]
    fn without_rivalry_several_may_be_the_same_voter() {
        let both = edges(&[(0, 0, 99.0), (0, 1, 99.0)]);
        assert_eq!(probabilities(&both, 1, 2, false), [0.99, 0.99]);
        assert!(probabilities(&both, 1, 2, true).iter().all(|told| *told < 0.6));
    }
}
