//! Television plans: whom of a universe programmes reach, which spots to buy, and what came of it.

pub mod age_sex;
pub mod inventory;
pub mod lines;
pub mod planning;
pub mod preparing;
pub mod request;
pub mod stored;
pub mod television;
pub mod telling;
pub mod universe;
