//! Television plans: whom of a universe each programme reaches, and which spots to buy for the money. Pure computation on
//! people, chances and prices: no I/O, no names, no voters.

pub mod allocation;
pub mod audience;
pub mod bound;
pub mod clashes;
pub mod exact;
pub mod exposure;
mod filling;
pub mod offers;
pub mod plan;
pub mod rated;
pub mod solution;
pub mod state;

#[cfg(test)]
mod tests;
