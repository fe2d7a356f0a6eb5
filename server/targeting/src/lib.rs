//! Targeting: features of voters to scores, and the evidence of how good these are. Pure computation: it knows neither
//! SQL nor HTTP.

pub mod boosting;
pub mod forest;
pub mod matrix;
pub mod measures;

pub use matrix::Matrix;
