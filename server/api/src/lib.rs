//! The street side: HTTP routes, one file a resource, and the commands of the `bellwether` binary.

mod access;
pub mod app;
mod audit;
pub mod commands;
pub mod config;
mod crosswalk;
mod disclosure;
mod distributions;
mod entrance;
mod error;
mod experiments;
mod filter_schema;
mod gate;
mod grouped;
mod grouping;
mod intake;
mod jobs;
mod keys;
mod loading;
mod long;
mod matches;
mod models;
mod opinions;
mod people;
mod population;
mod reply;
mod router;
mod routes;
mod serving;
mod shapes;
mod state;
mod streaming;
mod universe;

pub use router::{openapi, serve};
