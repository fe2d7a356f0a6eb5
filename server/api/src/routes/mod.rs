//! One file a resource: request, response, handler and its doc.

pub mod aggregates;
pub mod contributions;
pub mod district_report;
pub mod districts;
pub mod event_types;
pub mod events;
pub mod experiments;
pub mod health;
pub mod jobs;
pub mod keys;
pub mod loads;
pub mod locate;
pub mod matching;
pub mod members;
pub mod metrics;
pub mod models;
pub mod opinions;
pub mod publishing;
pub mod releases;
pub mod reports;
pub mod results;
pub mod sql;
pub mod tables;
pub mod tiles;
pub mod universes;
pub mod voters;
