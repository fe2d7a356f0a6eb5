//! Targeting: features of voters to scores, and the evidence of how good these are. Pure computation: it knows neither
//! SQL nor HTTP.

pub mod appraisal;
pub mod boosting;
pub mod calibrate;
pub mod card;
pub mod contributions;
pub mod evidence;
pub mod experiment;
pub mod folds;
pub mod forest;
mod grower;
pub mod linear;
pub mod logistic;
pub mod matrix;
pub mod measures;
pub mod multilevel;
pub mod opinion;
pub mod page;
mod strangers;
pub mod uplift;

pub use matrix::Matrix;
