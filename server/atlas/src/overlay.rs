//! The areas that two sets of outlines have in common, all pairs at once.
//!
//! A grid is laid over both. Within a cell each outline is what lies under its edges, those that it leaves below
//! counting against it, and under the cell's upper border where it reaches that. So the common area of two outlines is a
//! sum over pairs of edges of the area under both, which is the integral of the lower of two lines: no intersection is
//! looked for, and lines that coincide, touch or cross in a vertex are no special case. Time grows with the edges and
//! with the pairs of edges that share a cell.

use std::collections::HashMap;

use rayon::prelude::*;

use crate::Outline;
use crate::outline::few_enough;

/// Edges of a cell, on average.
const EDGES_OF_A_CELL: usize = 5;
const MOST_CELLS: usize = 1 << 22;

/// An edge with its western end first.
#[derive(Clone, Copy)]
struct Edge {
    ends: [f64; 4],
    /// Whether the outline lies below it: it counts for the outline, else against it.
    above: bool,
    outline: u32,
}

/// What an outline has in a cell: the area under a line, for it or against it.
#[derive(Clone, Copy)]
struct Piece {
    west: f64,
    east: f64,
    /// Heights over the cell's lower border, in the west and in the east.
    heights: [f64; 2],
    sign: f64,
    outline: u32,
    column: u32,
}

struct Grid {
    west: f64,
    south: f64,
    width: f64,
    height: f64,
    columns: usize,
    rows: usize,
}

impl Grid {
    /// Over what both have in common. None where that is nothing.
    fn new(one: &[&Outline], other: &[&Outline]) -> Option<Grid> {
        let extent = |outlines: &[&Outline]| {
            let none = [f64::INFINITY, f64::INFINITY, f64::NEG_INFINITY, f64::NEG_INFINITY];
            outlines.iter().fold(none, |all, outline| {
                let [west, south, east, north] = outline.extent();
                [all[0].min(west), all[1].min(south), all[2].max(east), all[3].max(north)]
            })
        };
        let (one_extent, other_extent) = (extent(one), extent(other));
        let (west, east) = (one_extent[0].max(other_extent[0]), one_extent[2].min(other_extent[2]));
        let (south, north) = (one_extent[1].max(other_extent[1]), one_extent[3].min(other_extent[3]));
        if !(west < east && south < north) {
            return None;
        }
        let edges: usize = one.iter().chain(other).map(|outline| outline.edge_count()).sum();
        let cells = (edges / EDGES_OF_A_CELL).clamp(16, MOST_CELLS);
        // As many rows as make cells twice as wide as high, in degrees that about is square.
        let across = ((cells as f64 * (east - west) / (north - south)).sqrt() as usize).clamp(1, cells);
        let up = (cells / across).max(1);
        // Fewer where many edges are long.
        let noted = |axis: usize, from: f64, size: f64, count: usize| -> usize {
            let place =
                |value: f64| (((value - from) / size * count as f64).max(0.0) as usize).min(count - 1);
            let span = |edge: [f64; 4]| {
                place(edge[axis].max(edge[axis + 2])) - place(edge[axis].min(edge[axis + 2])) + 1
            };
            one.iter().chain(other).map(|outline| outline.edges().map(span).sum::<usize>()).sum()
        };
        let across = few_enough(across, edges, |count| noted(0, west, east - west, count));
        let up = few_enough(up, edges, |count| noted(1, south, north - south, count));
        // A hair more than the extent, so that the grid's lines seldom meet a vertex of a round coordinate.
        let (width, height) = ((east - west) * (1.0 + 1e-9), (north - south) * (1.0 + 1e-9));
        Some(Grid {
            west,
            south,
            width: width / across as f64,
            height: height / up as f64,
            columns: across,
            rows: up,
        })
    }

    fn row(&self, latitude: f64) -> isize {
        ((latitude - self.south) / self.height).floor() as isize
    }

    fn column(&self, longitude: f64) -> isize {
        ((longitude - self.west) / self.width).floor() as isize
    }
}

/// The edges of a set of outlines by row of the grid, within a row by outline.
struct Rows {
    starts: Vec<usize>,
    edges: Vec<Edge>,
}

impl Rows {
    fn new(outlines: &[&Outline], grid: &Grid) -> Rows {
        let last = grid.rows as isize - 1;
        let span = |edge: &Edge| {
            let [_, ay, _, by] = edge.ends;
            (grid.row(ay.min(by)), grid.row(ay.max(by)))
        };
        let each = |visit: &mut dyn FnMut(usize, usize, Edge)| {
            for (index, outline) in outlines.iter().enumerate() {
                outline.directed_edges(&mut |[ax, ay, bx, by], for_it| {
                    // The inside lies to the left of an edge; so below it where it goes west.
                    let (ends, above) =
                        if ax <= bx { ([ax, ay, bx, by], !for_it) } else { ([bx, by, ax, ay], for_it) };
                    let edge = Edge { ends, above, outline: index as u32 };
                    let (first, end) = span(&edge);
                    if first <= last && end >= 0 {
                        visit(first.max(0) as usize, end.min(last) as usize, edge);
                    }
                });
            }
        };
        let mut starts = vec![0usize; grid.rows + 1];
        each(&mut |first, end, _| starts[first + 1..=end + 1].iter_mut().for_each(|start| *start += 1));
        for row in 0..grid.rows {
            starts[row + 1] += starts[row];
        }
        let mut free = starts.clone();
        let blank = Edge { ends: [0.0; 4], above: false, outline: 0 };
        let mut edges = vec![blank; starts[grid.rows]];
        each(&mut |first, end, edge| {
            for place in &mut free[first..=end] {
                edges[*place] = edge;
                *place += 1;
            }
        });
        Rows { starts, edges }
    }

    fn of(&self, row: usize) -> &[Edge] {
        &self.edges[self.starts[row]..self.starts[row + 1]]
    }
}

/// Cuts what lies between two longitudes at the grid's columns.
fn cut(grid: &Grid, line: Piece, pieces: &mut Vec<Piece>) {
    let [from, to] = line.heights;
    let (first, last) =
        (grid.column(line.west).max(0), grid.column(line.east).min(grid.columns as isize - 1));
    let slope = (to - from) / (line.east - line.west);
    for column in first..=last {
        let border = |column: isize| grid.west + column as f64 * grid.width;
        let (west, east) = (line.west.max(border(column)), line.east.min(border(column + 1)));
        if west < east {
            let height = |at: f64| if at == line.east { to } else { from + (at - line.west) * slope };
            let heights = [height(west), height(east)];
            pieces.push(Piece { west, east, heights, column: column as u32, ..line });
        }
    }
}

/// The pieces of one row by column, within a column by outline, and where each column's begin.
fn pieces_of(grid: &Grid, row: usize, edges: &[Edge]) -> (Vec<u32>, Vec<Piece>) {
    let bottom = grid.south + row as f64 * grid.height;
    let top = grid.south + (row + 1) as f64 * grid.height;
    let mut pieces = Vec::with_capacity(edges.len() * 2);
    let mut crossings: Vec<f64> = Vec::new();
    for edges in edges.chunk_by(|one, other| one.outline == other.outline) {
        crossings.clear();
        for edge in edges {
            let [ax, ay, bx, by] = edge.ends;
            let at = |latitude: f64| ax + (latitude - ay) / (by - ay) * (bx - ax);
            if (ay < top) != (by < top) {
                crossings.push(at(top));
            }
            // The part between the row's two borders.
            let inner = |x: f64, y: f64| match y {
                y if y < bottom => (at(bottom), 0.0),
                y if y > top => (at(top), top - bottom),
                y => (x, y - bottom),
            };
            let ((west, from), (east, to)) = (inner(ax, ay), inner(bx, by));
            let sign = if edge.above { 1.0 } else { -1.0 };
            if west < east {
                let heights = [from, to];
                cut(grid, Piece { west, east, heights, sign, outline: edge.outline, column: 0 }, &mut pieces);
            }
        }
        crossings.sort_unstable_by(f64::total_cmp);
        for span in crossings.chunks_exact(2) {
            let heights = [top - bottom; 2];
            let (west, east, outline) = (span[0], span[1], edges[0].outline);
            if west < east {
                cut(grid, Piece { west, east, heights, sign: 1.0, outline, column: 0 }, &mut pieces);
            }
        }
    }
    let mut starts = vec![0u32; grid.columns + 1];
    pieces.iter().for_each(|piece| starts[piece.column as usize + 1] += 1);
    for column in 0..grid.columns {
        starts[column + 1] += starts[column];
    }
    let mut free = starts.clone();
    let mut sorted = pieces.clone();
    for piece in pieces {
        let place = &mut free[piece.column as usize];
        sorted[*place as usize] = piece;
        *place += 1;
    }
    (starts, sorted)
}

/// The area under the lower of two lines, where both are.
fn under_both(one: &Piece, other: &Piece) -> f64 {
    let (west, east) = (one.west.max(other.west), one.east.min(other.east));
    if west >= east {
        return 0.0;
    }
    let at = |piece: &Piece, x: f64| {
        let [from, to] = piece.heights;
        from + (to - from) * ((x - piece.west) / (piece.east - piece.west))
    };
    let (one, other) = ([at(one, west), at(one, east)], [at(other, west), at(other, east)]);
    let (left, right) = (one[0] - other[0], one[1] - other[1]);
    let width = east - west;
    if left <= 0.0 && right <= 0.0 {
        return (one[0] + one[1]) / 2.0 * width;
    }
    if left >= 0.0 && right >= 0.0 {
        return (other[0] + other[1]) / 2.0 * width;
    }
    // They cross: up to there one is the lower, from there on the other.
    let share = left / (left - right);
    let crossing = one[0] + (one[1] - one[0]) * share;
    let ends = (one[0].min(other[0]), one[1].min(other[1]));
    ((ends.0 + crossing) * share + (crossing + ends.1) * (1.0 - share)) / 2.0 * width
}

/// The common area of every pair of one outline of each set that have some, in square degrees: `(one, other, area)`,
/// in the order of the pairs.
pub fn overlay(one: &[&Outline], other: &[&Outline]) -> Vec<(usize, usize, f64)> {
    let Some(grid) = Grid::new(one, other) else { return Vec::new() };
    let (ones, others) = rayon::join(|| Rows::new(one, &grid), || Rows::new(other, &grid));
    let rows: Vec<Vec<(u64, f64)>> = (0..grid.rows)
        .into_par_iter()
        .map(|row| {
            let (starts, pieces) = pieces_of(&grid, row, ones.of(row));
            let (other_starts, other_pieces) = pieces_of(&grid, row, others.of(row));
            let mut areas: HashMap<u64, f64> = HashMap::new();
            for column in 0..grid.columns {
                let range = |starts: &[u32]| starts[column] as usize..starts[column + 1] as usize;
                let (here, there) = (&pieces[range(&starts)], &other_pieces[range(&other_starts)]);
                let same = |one: &Piece, other: &Piece| one.outline == other.outline;
                for mine in here.chunk_by(same) {
                    for theirs in there.chunk_by(same) {
                        let pair =
                            |(one, other): (&Piece, &Piece)| one.sign * other.sign * under_both(one, other);
                        let pairs = mine.iter().flat_map(|one| theirs.iter().map(move |other| (one, other)));
                        let area: f64 = pairs.map(pair).sum();
                        *areas
                            .entry(u64::from(mine[0].outline) << 32 | u64::from(theirs[0].outline))
                            .or_default() += area;
                    }
                }
            }
            let mut areas: Vec<(u64, f64)> = areas.into_iter().collect();
            areas.sort_unstable_by_key(|(pair, _)| *pair);
            areas
        })
        .collect();
    // Summed up in the order of the rows, so that the same outlines give the same bits.
    let mut all: Vec<(u64, f64)> = rows.into_iter().flatten().collect();
    all.sort_by_key(|(pair, _)| *pair);
    let pairs = all.chunk_by(|one, other| one.0 == other.0);
    let summed = pairs.map(|rows| (rows[0].0, rows.iter().map(|(_, area)| area).sum::<f64>()));
    let told =
        summed.map(|(pair, area)| ((pair >> 32) as usize, (pair & u64::from(u32::MAX)) as usize, area));
    // Outlines that only touch have nothing in common but rounding.
    let least = |at: usize, to: usize| one[at].area().min(other[to].area()) * 1e-12;
    told.filter(|(at, to, area)| *area > least(*at, *to)).collect()
}

#[cfg(test)]
mod tests {
    use geo::{Area, BooleanOps, Coord, LineString, MultiPolygon, Polygon};
    use proptest::prelude::*;

    use super::*;

    /// A star-shaped polygon, which may have a hole.
    fn star(center: (f64, f64), radii: &[f64], hole: bool) -> MultiPolygon<f64> {
        let ring = |scale: f64, turn: f64| {
            let point = |(at, radius): (usize, &f64)| {
                let angle = turn * at as f64 / radii.len() as f64 * std::f64::consts::TAU;
                Coord {
                    x: center.0 + scale * radius * angle.cos(),
                    y: center.1 + scale * radius * angle.sin(),
                }
            };
            LineString(radii.iter().enumerate().map(point).collect())
        };
        let holes = if hole { vec![ring(0.4, 1.0)] } else { vec![] };
        MultiPolygon(vec![Polygon::new(ring(1.0, 1.0), holes)])
    }

    fn squares(count: usize, side: f64, shift: f64) -> Vec<Outline> {
        let square = |at: usize| {
            let (x, y) = ((at % count) as f64 * side + shift, (at / count) as f64 * side + shift);
            let ring = vec![(x, y), (x + side, y), (x + side, y + side), (x, y + side), (x, y)];
            Outline::new(MultiPolygon(vec![Polygon::new(LineString::from(ring), vec![])])).expect("a square")
        };
        (0..count * count).map(square).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn common_areas_are_those_of_an_independent_library(
            shapes in prop::collection::vec(
                ((0.0..4.0f64, 0.0..4.0f64), prop::collection::vec(0.2..2.0f64, 3..40), any::<bool>()),
                2..8,
            ),
        ) {
            let shapes: Vec<MultiPolygon<f64>> =
                shapes.iter().map(|(center, radii, hole)| star(*center, radii, *hole)).collect();
            let outlines: Vec<Outline> =
                shapes.iter().map(|shape| Outline::new(shape.clone()).expect("an outline")).collect();
            let all: Vec<&Outline> = outlines.iter().collect();
            let (one, other) = all.split_at(all.len() / 2);
            let found = overlay(one, other);
            for (i, left) in one.iter().enumerate() {
                for (j, right) in other.iter().enumerate() {
                    let expected = left.shape().intersection(right.shape()).unsigned_area();
                    let told = found.iter().find(|(a, b, _)| (*a, *b) == (i, j)).map_or(0.0, |found| found.2);
                    prop_assert!((told - expected).abs() < 1e-7, "{told} {expected}");
                }
            }
        }
    }

    #[test]
    fn lines_that_coincide_are_no_special_case() {
        // The same squares, the same with other corners, and squares whose corners lie on their lines.
        let (one, same, shifted) = (squares(6, 1.0, 0.0), squares(6, 1.0, 0.0), squares(3, 2.0, 0.0));
        let refs = |outlines: &'static [Outline]| outlines.iter().collect::<Vec<&Outline>>();
        let (one, same, shifted) = (one.leak(), same.leak(), shifted.leak());
        let found = overlay(&refs(one), &refs(same));
        assert_eq!(found.len(), 36);
        assert!(found.iter().all(|(a, b, area)| a == b && (area - 1.0).abs() < 1e-12));
        let found = overlay(&refs(one), &refs(shifted));
        assert_eq!(found.len(), 36, "each small square lies in one large one");
        assert!(found.iter().all(|(_, _, area)| (area - 1.0).abs() < 1e-12));
        assert!(overlay(&refs(one), &[]).is_empty());
    }
}
