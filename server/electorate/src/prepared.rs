//! Filters made ready for one electorate: names looked up, ranges turned into the rungs of ladders, and the words in which
//! anybody can match.

use crate::Electorate;
use crate::ladder::Bound;

/// Ranges of a filter, at most, whose bitmap is made when the filter is made ready; the others are compared.
const MOST_BITMAPS: usize = 4;

/// A filter made ready for one electorate.
#[derive(Debug)]
pub struct Filter {
    pub(crate) node: Node,
    /// Rows outside of which nobody can match, as sorted ranges of whole words.
    pub(crate) words: Vec<(usize, usize)>,
}

#[derive(Debug)]
pub(crate) enum Node {
    All(Vec<Node>),
    Any(Vec<Node>),
    Not(Box<Node>),
    Nobody,
    Codes {
        column: usize,
        codes: Vec<u32>,
    },
    Between {
        column: usize,
        low: u32,
        high: u32,
    },
    /// A range of a column, by the rungs of its ladder: those up to one, less those up to another.
    Steps {
        column: usize,
        above: Bound,
        upto: Bound,
    },
    /// Sorted ranges of rows.
    Rows(Vec<(u32, u32)>),
    Voted {
        elections: Vec<usize>,
        at_least: usize,
        at_most: usize,
    },
    Score {
        model: usize,
        low: f32,
        high: f32,
    },
    Phone {
        none: bool,
    },
    Bitmap(Vec<u64>),
}

impl Filter {
    pub(crate) fn new(node: Node, electorate: &Electorate) -> Filter {
        let mut words = vec![(0, electorate.words())];
        if let Some(ranges) = node.ranges() {
            words = whole_words(&ranges);
        }
        let mut filter = Filter { node, words };
        // A ladder speaks of everybody: for few words comparing is quicker.
        if filter.words() * 4 >= electorate.words() {
            filter.node.climb(electorate, &mut { MOST_BITMAPS });
        }
        filter
    }

    /// The filter that a bitmap of voters stands for.
    pub fn of_bitmap(bitmap: Vec<u64>) -> Filter {
        let mut words: Vec<(usize, usize)> = Vec::new();
        for (at, _) in bitmap.iter().enumerate().filter(|(_, word)| **word != 0) {
            match words.last_mut() {
                Some(last) if at <= last.1 + 4 => last.1 = at + 1,
                _ => words.push((at, at + 1)),
            }
        }
        Filter { node: Node::Bitmap(bitmap), words }
    }

    /// Words of 64 voters that must be looked at.
    pub fn words(&self) -> usize {
        self.words.iter().map(|(start, end)| end - start).sum()
    }

    /// Word operations that the filter takes, roughly.
    pub fn work(&self) -> usize {
        self.words() * self.node.size()
    }
}

/// Ranges of rows as ranges of words; those that nearly touch become one.
fn whole_words(ranges: &[(u32, u32)]) -> Vec<(usize, usize)> {
    let mut words: Vec<(usize, usize)> = Vec::new();
    for (start, end) in ranges {
        let (start, end) = (*start as usize / 64, (*end as usize).div_ceil(64));
        match words.last_mut() {
            Some(last) if start <= last.1 + 4 => last.1 = last.1.max(end),
            _ => words.push((start, end)),
        }
    }
    words
}

impl Node {
    /// Rows outside of which the node cannot hold; none where it may hold anywhere.
    fn ranges(&self) -> Option<Vec<(u32, u32)>> {
        match self {
            Node::Rows(ranges) => Some(ranges.clone()),
            Node::Nobody => Some(Vec::new()),
            Node::All(list) => {
                list.iter().filter_map(Node::ranges).reduce(|one, other| intersect(&one, &other))
            }
            Node::Any(list) => {
                let mut all = Vec::new();
                for node in list {
                    all.extend(node.ranges()?);
                }
                all.sort_unstable();
                Some(all)
            }
            _ => None,
        }
    }

    /// Turns ranges of columns that have a ladder into its rungs.
    fn climb(&mut self, electorate: &Electorate, bitmaps: &mut usize) {
        match self {
            Node::All(list) | Node::Any(list) => {
                list.iter_mut().for_each(|node| node.climb(electorate, bitmaps));
            }
            Node::Not(inner) => inner.climb(electorate, bitmaps),
            Node::Between { column, low, high } if *low <= *high => {
                let Some(ladder) = electorate.columns[*column].ladder(electorate.rows) else { return };
                let below = low.checked_sub(1);
                let (above, upto) =
                    (below.map_or(Some(Bound::Nobody), |code| ladder.bound(code)), ladder.bound(*high));
                *self = match (above, upto) {
                    (Some(above), Some(upto)) => Node::Steps { column: *column, above, upto },
                    _ if *bitmaps == 0 => return,
                    _ => {
                        *bitmaps -= 1;
                        let side = |bound: Option<Bound>, code: u32| match bound {
                            Some(Bound::Nobody) => Node::Nobody,
                            Some(Bound::Everybody) => Node::All(Vec::new()),
                            Some(upto) => Node::Steps { column: *column, above: Bound::Nobody, upto },
                            None => Node::Bitmap(ladder.at_most(code)),
                        };
                        let above = Node::Not(Box::new(side(above, below.unwrap_or(0))));
                        match upto {
                            Some(Bound::Everybody) => above,
                            upto => Node::All(vec![side(upto, *high), above]),
                        }
                    }
                };
            }
            _ => {}
        }
    }

    /// Passes over a word that the node takes, roughly.
    fn size(&self) -> usize {
        match self {
            Node::All(list) | Node::Any(list) => 1 + list.iter().map(Node::size).sum::<usize>(),
            Node::Not(inner) => 1 + inner.size(),
            Node::Nobody | Node::Rows(_) | Node::Bitmap(_) | Node::Steps { .. } => 1,
            Node::Codes { codes, .. } => 4 * codes.len(),
            Node::Between { .. } => 24,
            Node::Voted { elections, .. } => 1 + 2 * elections.len(),
            Node::Score { .. } | Node::Phone { .. } => 32,
        }
    }
}

fn intersect(one: &[(u32, u32)], other: &[(u32, u32)]) -> Vec<(u32, u32)> {
    let (mut i, mut j, mut both) = (0, 0, Vec::new());
    while let (Some(a), Some(b)) = (one.get(i), other.get(j)) {
        let (start, end) = (a.0.max(b.0), a.1.min(b.1));
        if start < end {
            both.push((start, end));
        }
        if a.1 < b.1 { i += 1 } else { j += 1 }
    }
    both
}
