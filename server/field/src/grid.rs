//! Short lines by the cells of a grid that they touch.

use std::collections::HashMap;

/// Things by the cells of a grid, each thing in every cell that the rectangle around its line touches.
pub(crate) struct Grid<T> {
    cell: f64,
    cells: HashMap<[i32; 2], Vec<T>>,
}

impl<T> Grid<T> {
    /// A grid of so many metres a cell.
    pub fn new(cell: f64) -> Grid<T> {
        Grid { cell, cells: HashMap::new() }
    }

    fn cell_of(&self, point: [f64; 2]) -> [i32; 2] {
        point.map(|metres| (metres / self.cell).floor() as i32)
    }

    /// The cells that a line touches: along each row of cells only those that the line passes there.
    fn touched(&self, [a, b]: [[f64; 2]; 2], mut take: impl FnMut([i32; 2])) {
        let ([_, low], [_, high]) =
            (self.cell_of([0.0, a[1].min(b[1])]), self.cell_of([0.0, a[1].max(b[1])]));
        for row in low..=high {
            // The part of the line that lies in the row.
            let (bottom, top) = (f64::from(row) * self.cell, f64::from(row + 1) * self.cell);
            let rise = b[1] - a[1];
            let at = |y: f64| match rise.abs() > 1e-9 {
                true => a[0] + (b[0] - a[0]) * ((y - a[1]) / rise).clamp(0.0, 1.0),
                false => a[0],
            };
            let (mut one, mut other) = (at(bottom), at(top));
            if rise.abs() <= 1e-9 {
                (one, other) = (a[0], b[0]);
            }
            // A hair more, for what lies on the edge of a cell.
            let (west, east) = (one.min(other) - 1e-6, one.max(other) + 1e-6);
            let ([west, _], [east, _]) = (self.cell_of([west, 0.0]), self.cell_of([east, 0.0]));
            (west..=east).for_each(|column| take([column, row]));
        }
    }

    pub fn add(&mut self, line: [[f64; 2]; 2], thing: T)
    where
        T: Copy,
    {
        let mut cells = Vec::new();
        self.touched(line, |cell| cells.push(cell));
        cells.into_iter().for_each(|cell| self.cells.entry(cell).or_default().push(thing));
    }

    /// Everything in the cells within so many metres of a point; some of it more than once.
    pub fn around(&self, [x, y]: [f64; 2], reach: f64, mut take: impl FnMut(&T)) {
        let ([west, south], [east, north]) =
            (self.cell_of([x - reach, y - reach]), self.cell_of([x + reach, y + reach]));
        for column in west..=east {
            for row in south..=north {
                self.cells.get(&[column, row]).into_iter().flatten().for_each(&mut take);
            }
        }
    }

    /// Everything in the cells that a line touches; some of it more than once.
    pub fn along(&self, line: [[f64; 2]; 2], mut take: impl FnMut(&T)) {
        self.touched(line, |cell| self.cells.get(&cell).into_iter().flatten().for_each(&mut take));
    }
}
