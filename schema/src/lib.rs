//! The vocabulary of the warehouse: tables, voter-file layouts, ids. Does no I/O.

pub mod catalog;
pub mod ids;
pub mod layout;
