//! A layer of districts and the question which one holds a point.
//!
//! A raster of cells answers nearly every point with one look-up: a cell lies wholly inside one district, or
//! names the few districts whose border crosses it, and these are tested exactly.

use rayon::prelude::*;
use rstar::primitives::{GeomWithData, Rectangle};
use rstar::{AABB, RTree};

use crate::Outline;

/// Cells a layer has at most: 4 bytes each.
const MOST_CELLS: usize = 4 << 20;

const NOBODY: u32 = u32::MAX;
/// Set in a cell that names a list instead of a district.
const LIST: u32 = 1 << 31;
/// Set in a list's entry whose district holds the whole cell.
const WHOLE: u32 = 1 << 31;

/// Districts of one kind, located by raster. Where districts share a border or overlap, the one that comes
/// first in the layer's order holds the point, so every point belongs to at most one.
pub struct Layer {
    outlines: Vec<Outline>,
    extents: RTree<GeomWithData<Rectangle<[f64; 2]>, u32>>,
    grid: Grid,
    cells: Vec<u32>,
    /// Lists of candidates, each behind its length.
    lists: Vec<u32>,
}

#[derive(Clone, Copy)]
struct Grid {
    west: f64,
    south: f64,
    east: f64,
    north: f64,
    /// Cells per degree.
    across: f64,
    up: f64,
    columns: usize,
    rows: usize,
}

impl Grid {
    fn column(&self, longitude: f64) -> usize {
        (((longitude - self.west) * self.across) as usize).min(self.columns - 1)
    }

    fn row(&self, latitude: f64) -> usize {
        (((latitude - self.south) * self.up) as usize).min(self.rows - 1)
    }
}

impl Layer {
    /// Builds the raster: time grows with the edges and with the cells, which are bounded.
    pub fn new(outlines: Vec<Outline>) -> Layer {
        let mut extent = [f64::INFINITY, f64::INFINITY, f64::NEG_INFINITY, f64::NEG_INFINITY];
        let mut edges = 0;
        for outline in &outlines {
            let [west, south, east, north] = outline.extent();
            extent = [extent[0].min(west), extent[1].min(south), extent[2].max(east), extent[3].max(north)];
            edges += outline.edges().count();
        }
        let cells = edges.clamp(1 << 12, MOST_CELLS);
        let (width, height) = ((extent[2] - extent[0]).max(1e-9), (extent[3] - extent[1]).max(1e-9));
        let columns = ((cells as f64 * width / height).sqrt() as usize).clamp(1, cells);
        let rows = (cells / columns).max(1);
        let grid = Grid {
            west: extent[0],
            south: extent[1],
            east: extent[2],
            north: extent[3],
            across: columns as f64 / width,
            up: rows as f64 / height,
            columns,
            rows,
        };
        let claims: Vec<Claims> = outlines.par_iter().map(|outline| claims_of(outline, &grid)).collect();
        let mut raster = vec![NOBODY; grid.columns * grid.rows];
        for (index, claims) in claims.iter().enumerate() {
            for span in &claims.whole {
                for cell in &mut raster[span.0 as usize..span.1 as usize] {
                    // Where districts overlap, the first holds the cell.
                    if *cell == NOBODY {
                        *cell = index as u32;
                    }
                }
            }
        }
        // Cell and district, sorted: lists come out in the layer's order.
        let district = |(index, claims): (usize, &Claims)| -> Vec<u64> {
            claims.crossed.iter().map(|cell| u64::from(*cell) << 32 | index as u64).collect()
        };
        let mut crossed: Vec<u64> = claims.par_iter().enumerate().flat_map_iter(district).collect();
        crossed.par_sort_unstable();
        let mut lists = Vec::new();
        for of_cell in crossed.chunk_by(|a, b| a >> 32 == b >> 32) {
            let cell = (of_cell[0] >> 32) as usize;
            let holder = raster[cell];
            let before = |claim: &&u64| (**claim as u32) < holder;
            let candidates = of_cell.iter().filter(before).count();
            if candidates == 0 {
                continue;
            }
            raster[cell] = LIST | lists.len() as u32;
            let whole = (holder != NOBODY).then_some(holder | WHOLE);
            lists.push((candidates + usize::from(whole.is_some())) as u32);
            lists.extend(of_cell.iter().filter(before).map(|claim| *claim as u32));
            lists.extend(whole);
        }
        let boxed = |(at, outline): (usize, &Outline)| {
            let [west, south, east, north] = outline.extent();
            GeomWithData::new(Rectangle::from_corners([west, south], [east, north]), at as u32)
        };
        let extents = RTree::bulk_load(outlines.iter().enumerate().map(boxed).collect());
        Layer { outlines, extents, grid, cells: raster, lists }
    }

    pub fn outlines(&self) -> &[Outline] {
        &self.outlines
    }

    /// West, south, east and north of all districts.
    pub fn extent(&self) -> [f64; 4] {
        [self.grid.west, self.grid.south, self.grid.east, self.grid.north]
    }

    /// Positions of the districts whose extent meets a window of west, south, east and north, in their order.
    pub fn near(&self, [west, south, east, north]: [f64; 4]) -> Vec<usize> {
        let window = AABB::from_corners([west, south], [east, north]);
        let found = self.extents.locate_in_envelope_intersecting(window);
        let mut near: Vec<usize> = found.map(|found| found.data as usize).collect();
        near.sort_unstable();
        near
    }

    /// Position of the district that holds the point; none outside of all.
    pub fn locate(&self, longitude: f64, latitude: f64) -> Option<usize> {
        let grid = &self.grid;
        let within = longitude >= grid.west
            && longitude <= grid.east
            && latitude >= grid.south
            && latitude <= grid.north;
        if !within || self.outlines.is_empty() {
            return None;
        }
        let cell = self.cells[grid.row(latitude) * grid.columns + grid.column(longitude)];
        if cell == NOBODY {
            return None;
        }
        if cell & LIST == 0 {
            return Some(cell as usize);
        }
        let at = (cell & !LIST) as usize;
        let candidates = &self.lists[at + 1..at + 1 + self.lists[at] as usize];
        let holds = |entry: &&u32| {
            **entry & WHOLE != 0 || self.outlines[(**entry & !WHOLE) as usize].covers(longitude, latitude)
        };
        candidates.iter().find(holds).map(|entry| (entry & !WHOLE) as usize)
    }

    /// Locates many points, in parallel.
    pub fn locate_all(&self, longitudes: &[f64], latitudes: &[f64]) -> Vec<Option<u32>> {
        let points = longitudes.par_iter().with_min_len(4096).zip(latitudes);
        points
            .map(|(longitude, latitude)| self.locate(*longitude, *latitude).map(|index| index as u32))
            .collect()
    }
}

/// The cells that a district has to do with.
struct Claims {
    /// Cells that its border may cross.
    crossed: Vec<u32>,
    /// Half-open runs of cells wholly inside it.
    whole: Vec<(u32, u32)>,
}

fn claims_of(outline: &Outline, grid: &Grid) -> Claims {
    let [west, south, east, north] = outline.extent();
    let (left, right) = (padded_low(grid.column(west)), (grid.column(east) + 1).min(grid.columns - 1));
    let (bottom, top) = (padded_low(grid.row(south)), (grid.row(north) + 1).min(grid.rows - 1));
    let (width, height) = (right - left + 1, top - bottom + 1);
    let mut crossed = vec![false; width * height];
    // Longitudes, in cells, at which the border crosses the middle of each row.
    let mut crossings: Vec<(u32, f64)> = Vec::new();
    for [ax, ay, bx, by] in outline.edges() {
        let (ax, bx) =
            ((ax - grid.west) * grid.across - left as f64, (bx - grid.west) * grid.across - left as f64);
        let (ay, by) =
            ((ay - grid.south) * grid.up - bottom as f64, (by - grid.south) * grid.up - bottom as f64);
        mark(&mut crossed, width, height, [ax, ay, bx, by]);
        let (low, high) = (ay.min(by), ay.max(by));
        let mut row = (low - 0.5).ceil().max(0.0);
        while row + 0.5 < high {
            let x = ax + (row + 0.5 - ay) / (by - ay) * (bx - ax);
            crossings.push((row as u32, x));
            row += 1.0;
        }
    }
    let number = |cell: usize| ((cell / width + bottom) * grid.columns + cell % width + left) as u32;
    let mut claims = Claims { crossed: Vec::new(), whole: Vec::new() };
    claims.crossed.extend((0..crossed.len()).filter(|cell| crossed[*cell]).map(number));
    crossings.sort_unstable_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
    for of_row in crossings.chunk_by(|a, b| a.0 == b.0) {
        let row = of_row[0].0 as usize * width;
        for span in of_row.chunks_exact(2) {
            // A cell that no edge crosses is inside if its middle is. One at the very end of a span is crossed.
            let mut column = (span[0].1 - 0.5).ceil().max(0.0) as usize;
            let end = ((span[1].1 - 0.5).floor() + 1.0).clamp(0.0, width as f64) as usize;
            while column < end {
                let start = column;
                while column < end && !crossed[row + column] {
                    column += 1;
                }
                if column > start {
                    claims.whole.push((number(row + start), number(row + column - 1) + 1));
                }
                column += 1;
            }
        }
    }
    claims
}

fn padded_low(cell: usize) -> usize {
    cell.saturating_sub(1)
}

/// Marks every cell that an edge may touch, generously: by rows, the cells between the edge's ends within the
/// row, widened by a hair for rounding.
fn mark(crossed: &mut [bool], width: usize, height: usize, [ax, ay, bx, by]: [f64; 4]) {
    const HAIR: f64 = 1e-6;
    let ((ax, ay), (bx, by)) = if ay <= by { ((ax, ay), (bx, by)) } else { ((bx, by), (ax, ay)) };
    let cell = |value: f64, most: usize| (value.max(0.0) as usize).min(most - 1);
    for row in cell(ay - HAIR, height)..=cell(by + HAIR, height) {
        let (low, high) = (row as f64 - HAIR, row as f64 + 1.0 + HAIR);
        let at = |level: f64| match by - ay > 0.0 {
            true => ax + ((level - ay) / (by - ay)).clamp(0.0, 1.0) * (bx - ax),
            false => ax,
        };
        let (mut from, mut to) = (at(low), at(high));
        if by - ay <= 0.0 {
            (from, to) = (ax, bx);
        }
        let (from, to) = (from.min(to) - HAIR, from.max(to) + HAIR);
        for column in cell(from, width)..=cell(to, width) {
            crossed[row * width + column] = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use geo::{LineString, MultiPolygon, Polygon};
    use proptest::prelude::*;

    /// A ragged checkerboard: districts share jagged borders, as real ones do.
    fn board(side: usize, jag: impl Fn(usize, usize) -> f64) -> Vec<Outline> {
        let corner = |x: usize, y: usize| (x as f64 + jag(x, y), y as f64 + jag(y + 7, x + 3));
        let mut outlines = Vec::new();
        for y in 0..side {
            for x in 0..side {
                let ring = vec![
                    corner(x, y),
                    corner(x + 1, y),
                    corner(x + 1, y + 1),
                    corner(x, y + 1),
                    corner(x, y),
                ];
                let polygon = Polygon::new(LineString::from(ring), vec![]);
                outlines.push(Outline::new(MultiPolygon(vec![polygon])).expect("a square is an outline"));
            }
        }
        outlines
    }

    fn brute(outlines: &[Outline], x: f64, y: f64) -> Option<usize> {
        outlines.iter().position(|outline| outline.covers(x, y))
    }

    proptest! {
        #[test]
        fn the_raster_answers_as_the_exact_test_of_every_outline_does(
            points in prop::collection::vec((-0.5f64..9.5, -0.5f64..9.5), 200),
            seed in 0u64..1000,
        ) {
            let jag = |a: usize, b: usize| {
                let mixed = (a as u64 * 7919 + b as u64 * 104_729 + seed).wrapping_mul(2_654_435_761);
                (mixed % 1000) as f64 / 2500.0 - 0.2
            };
            let layer = Layer::new(board(8, jag));
            for (x, y) in points {
                prop_assert_eq!(layer.locate(x, y), brute(layer.outlines(), x, y));
            }
        }
    }

    #[test]
    fn borders_and_corners_belong_to_exactly_one_district() {
        let layer = Layer::new(board(8, |_, _| 0.0));
        assert_eq!(layer.locate(1.0, 1.0), Some(0), "the first of the four that meet");
        assert_eq!(layer.locate(8.0, 8.0), Some(63));
        assert_eq!(layer.locate(0.0, 4.0), Some(24));
        assert_eq!(layer.locate(8.0000001, 4.0), None);
        for outline in layer.outlines() {
            for [x, y, ..] in outline.edges() {
                assert_eq!(layer.locate(x, y), brute(layer.outlines(), x, y));
            }
        }
    }
}
