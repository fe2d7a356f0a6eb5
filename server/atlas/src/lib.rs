//! The atlas: where is this point, how much of A lies in B. Pure computation on outlines given as well-known
//! binary; no geometry type leaves this crate.

mod geojson;
mod layer;
mod lines;
mod outline;
mod overlay;
mod shares;
mod tiles;
mod topology;

pub use layer::Layer;
pub use lines::points_of_line;
pub use outline::Outline;
pub use overlay::overlay;
pub use shares::{Share, fractions, shares};
pub use tiles::{Attribute, DEEPEST, Drawing, Tile};

/// Why an outline cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the outline of {id} is not a polygon in well-known binary: {detail}")]
    Broken { id: String, detail: String },
    #[error("the line of {id} is no line in well-known binary: {detail}")]
    Line { id: String, detail: String },
    /// What a caller drew is no area; the text is for the caller.
    #[error("the geometry is no area: {detail}")]
    Geometry { detail: String },
}
