//! What models may look at: the names of the features and what each means.

use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

/// One feature of a voter.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(from = "(String, String)")]
pub struct Feature {
    pub name: String,
    pub meaning: String,
}

impl From<(String, String)> for Feature {
    fn from((name, meaning): (String, String)) -> Self {
        Feature { name, meaning }
    }
}

#[derive(Deserialize)]
struct Document {
    features: Vec<Feature>,
}

/// All features, in the order of their columns.
pub fn features() -> &'static [Feature] {
    static FEATURES: OnceLock<Vec<Feature>> = OnceLock::new();
    FEATURES.get_or_init(|| {
        let document: Document =
            toml::from_str(include_str!("../features.toml")).expect("the list of features is checked in");
        document.features
    })
}
