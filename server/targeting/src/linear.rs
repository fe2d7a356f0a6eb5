//! Small dense matrices: what regressions solve.

/// A symmetric positive matrix of `size` rows, as its lower triangle row by row within a full square.
#[derive(Debug, Clone)]
pub struct Square {
    pub size: usize,
    pub cells: Vec<f64>,
}

impl Square {
    pub fn new(size: usize) -> Square {
        Square { size, cells: vec![0.0; size * size] }
    }

    pub fn at(&mut self, row: usize, column: usize) -> &mut f64 {
        &mut self.cells[row * self.size + column]
    }

    /// Turns the matrix into its Cholesky factor, the lower one. False where it is not positive.
    pub fn factor(&mut self) -> bool {
        let size = self.size;
        for row in 0..size {
            let (above, rest) = self.cells.split_at_mut(row * size);
            let own = &mut rest[..size];
            for column in 0..row {
                let other = &above[column * size..][..=column];
                let dot: f64 = own[..column].iter().zip(other).map(|(a, b)| a * b).sum();
                own[column] = (own[column] - dot) / other[column];
            }
            let squares: f64 = own[..row].iter().map(|value| value * value).sum();
            let rest = own[row] - squares;
            if rest <= 0.0 || !rest.is_finite() {
                return false;
            }
            own[row] = rest.sqrt();
        }
        true
    }

    /// Solves for one right side, where the matrix is factored.
    pub fn solve(&self, right: &[f64]) -> Vec<f64> {
        let half = self.solve_lower(right);
        self.solve_upper(&half)
    }

    fn solve_lower(&self, right: &[f64]) -> Vec<f64> {
        let mut out = right.to_vec();
        for row in 0..self.size {
            let own = &self.cells[row * self.size..][..=row];
            let dot: f64 = own[..row].iter().zip(&out).map(|(a, b)| a * b).sum();
            out[row] = (out[row] - dot) / own[row];
        }
        out
    }

    /// Solves with the upper factor: turns independent draws into draws with the inverse matrix as their covariance.
    pub fn solve_upper(&self, right: &[f64]) -> Vec<f64> {
        let mut out = right.to_vec();
        for row in (0..self.size).rev() {
            let value = out[row] / self.cells[row * self.size + row];
            out[row] = value;
            let own = &self.cells[row * self.size..][..row];
            out[..row].iter_mut().zip(own).for_each(|(out, cell)| *out -= value * cell);
        }
        out
    }

    /// The inverse's diagonal, where the matrix is factored.
    pub fn inverse_diagonal(&self) -> Vec<f64> {
        let unit = |at: usize| {
            let mut unit = vec![0.0; self.size];
            unit[at] = 1.0;
            self.solve_lower(&unit).iter().map(|value| value * value).sum()
        };
        (0..self.size).map(unit).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_factor_solves_and_inverts() {
        let mut square = Square { size: 2, cells: vec![4.0, 0.0, 2.0, 3.0] };
        assert!(square.factor());
        let solved = square.solve(&[8.0, 7.0]);
        assert!((solved[0] - 1.25).abs() < 1e-12 && (solved[1] - 1.5).abs() < 1e-12, "{solved:?}");
        let diagonal = square.inverse_diagonal();
        assert!((diagonal[0] - 0.375).abs() < 1e-12 && (diagonal[1] - 0.5).abs() < 1e-12);
        assert!(!Square { size: 1, cells: vec![-1.0] }.factor());
    }
}
