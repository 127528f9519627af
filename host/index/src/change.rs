//! What an index is told, and what it is asked.

use std::collections::HashSet;

use serde_json::{Map, Value};
use uuid::Uuid;

/// A passage as it is found: by its words.
#[derive(Clone, Debug, PartialEq)]
pub struct Passage {
    /// The chunk's id, unique in its knowledge base.
    pub chunk: Uuid,
    /// The document that it is of.
    pub document: Uuid,
    /// What is searched: title and headings in front, a blank line, then the passage. Words before the first blank line
    /// count twice, unless that is a long paragraph.
    pub text: String,
    /// What filters may ask to be equal.
    pub metadata: Map<String, Value>,
}

/// A change of a knowledge base's texts.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// A passage was published. One that is there already under this id would be found twice: a document that
    /// changes is removed first.
    Add(Passage),
    /// A document is gone, with all of its passages that were added before.
    Remove(Uuid),
}

/// Which passages a search may see: those that meet every condition.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filter {
    /// Only of these documents, where given.
    pub documents: Option<HashSet<Uuid>>,
    /// Members of the metadata that must be there and equal. Numbers are equal by value.
    pub metadata: Map<String, Value>,
}

impl Filter {
    /// Whether every passage meets it.
    pub fn is_open(&self) -> bool {
        self.documents.is_none() && self.metadata.is_empty()
    }
}

/// A passage that was found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Found {
    /// The chunk's id.
    pub chunk: Uuid,
    /// The document that it is of.
    pub document: Uuid,
    /// BM25 for full text, from 0 up; the cosine for vectors, -1 to 1.
    pub score: f32,
}

/// At most so many passages are found at once, whatever is asked.
pub const MOST_FOUND: usize = 1_000;
