//! The whole building from the street: the built binary, its files and its HTTP. One file a resource.

mod cli;
mod common_rules;
mod concurrency;
mod districts;
mod events;
mod experiments;
mod feeds;
mod happenings;
mod harness;
mod keys;
mod loads;
mod matching;
mod models;
mod object_store;
mod opinions;
mod queues;
mod real_colorado;
mod results;
mod shapes;
mod sql;
mod study;
mod tables;
mod tidy;
mod tiles;
mod turfs;
mod universes;
