//! The street side: HTTP routes, one file a resource, and the commands of the `bellwether` binary.

pub mod app;
pub mod commands;
pub mod config;
mod error;
mod jobs;
mod loading;
mod reply;
mod router;
mod routes;
mod serving;
mod streaming;

pub use router::{openapi, router, serve};
