//! The vocabulary of the warehouse: tables, features, voter-file layouts, ids. Does no I/O.

pub mod catalog;
pub mod days;
pub mod events;
pub mod features;
pub mod ids;
pub mod layout;
