//! Posts that are to be gone: what was deleted where it was posted is deleted here, whether the post has landed before or
//! comes after. A type whose events have a network, a post_id and an operation is one of posts.

use std::path::{Path, PathBuf};

use bellwether_schema::events::EventType;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use crate::Error;
use crate::reading::{Event, Value};
use crate::runs::Runs;
use crate::vault::{Person, Vault};

/// Where the fields of a post are among those of its type.
#[derive(Debug, Clone, Copy)]
pub struct Post {
    network: usize,
    post_id: usize,
    operation: usize,
    author: Option<usize>,
}

/// One thing that is to be gone: a post, or all of an author's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Deletion {
    network: String,
    /// None: all of the author's.
    post_id: Option<String>,
    /// Pseudonym of the author, where the deletion names one: then only that author's rows are looked at.
    author: Option<String>,
}

/// What is gone, and what of it may still lie in the table.
pub struct Deletions {
    gone: Runs<0>,
    waiting: Vec<Deletion>,
    path: PathBuf,
}

impl Post {
    pub fn of(event_type: &EventType) -> Option<Post> {
        let place = |name: &str| event_type.fields.iter().position(|field| field.name == name);
        let (network, post_id, operation) = (place("network")?, place("post_id")?, place("operation")?);
        Some(Post { network, post_id, operation, author: place("author") })
    }
}

fn text<'a>(event: &'a Event, at: usize) -> Option<&'a str> {
    match &event.values[at] {
        Value::Text(text) => Some(text),
        _ => None,
    }
}

impl Deletions {
    pub fn open(folder: &Path) -> Result<Deletions, Error> {
        let (gone, _) = Runs::open(&folder.join("gone"))?;
        let path = folder.join("deleting.json");
        let waiting = match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).unwrap_or_default(),
            Err(_) => Vec::new(),
        };
        Ok(Deletions { gone, waiting, path })
    }

    /// The deletion that an event is; none where it is none.
    pub fn read(post: Post, event: &Event, author: Person) -> Option<Deletion> {
        let operation = text(event, post.operation)?;
        let named = post.author.is_some_and(|at| text(event, at).is_some());
        let author = named.then(|| author.to_string());
        let network = text(event, post.network)?.to_string();
        match operation {
            "delete" => {
                Some(Deletion { network, post_id: Some(text(event, post.post_id)?.to_string()), author })
            }
            "delete_author" if named => Some(Deletion { network, post_id: None, author }),
            _ => None,
        }
    }

    /// Whether an event is of a post that is gone.
    pub fn is_gone(&self, vault: &Vault, post: Post, event: &Event) -> Result<bool, Error> {
        let (Some(network), Some(post_id)) = (text(event, post.network), text(event, post.post_id)) else {
            return Ok(false);
        };
        Ok(self.gone.get(key(vault, network, post_id))?.is_some())
    }

    /// Notes deletions for good, before the events that told them are committed.
    pub fn note(&mut self, vault: &Vault, deletions: Vec<Deletion>) -> Result<(), Error> {
        if deletions.is_empty() {
            return Ok(());
        }
        for deletion in &deletions {
            if let Some(post_id) = &deletion.post_id {
                self.gone.insert(key(vault, &deletion.network, post_id), []);
            }
        }
        self.gone.spill(0)?;
        for deletion in deletions {
            if !self.waiting.contains(&deletion) {
                self.waiting.push(deletion);
            }
        }
        self.write()
    }

    fn write(&self) -> Result<(), Error> {
        let fail = |cause| Error::File { operation: "write", path: self.path.clone(), cause };
        let bytes = serde_json::to_vec(&self.waiting).map_err(|cause| fail(cause.into()))?;
        let partial = self.path.with_extension("partial");
        std::fs::write(&partial, bytes)
            .and_then(|()| std::fs::File::open(&partial)?.sync_all())
            .map_err(fail)?;
        std::fs::rename(&partial, &self.path).map_err(fail)
    }

    /// What may still lie in the table.
    pub fn waiting(&self) -> &[Deletion] {
        &self.waiting
    }

    /// It is gone from the table.
    pub fn done(&mut self) -> Result<(), Error> {
        self.waiting.clear();
        self.write()
    }
}

fn key(vault: &Vault, network: &str, post_id: &str) -> u128 {
    vault.person("post", &[network.as_bytes(), b"/", post_id.as_bytes()]).0
}

impl Deletion {
    /// The author whose rows alone can be meant.
    pub fn author(&self) -> Option<Person> {
        Person::parse(self.author.as_ref()?)
    }

    /// The post that is meant; none where all of an author's are.
    pub fn post_id(&self) -> Option<&str> {
        self.post_id.as_deref()
    }

    /// Whether a landed event is what this deletes.
    pub fn means(&self, event: &Map<String, Json>) -> bool {
        let data = event.get("data").unwrap_or(&Json::Null);
        let text = |name: &str| data.get(name).and_then(Json::as_str);
        let is_deletion = text("operation").is_some_and(|operation| operation.starts_with("delete"));
        let same = text("network") == Some(&self.network);
        same && !is_deletion && self.post_id.as_deref().is_none_or(|post_id| text("post_id") == Some(post_id))
    }
}
