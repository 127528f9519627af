//! What somebody decides about a knowledge base.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::id::BindingName;

/// The longest name, in characters.
pub const LONGEST_NAME: usize = 200;
/// The longest description and the longest fallback text, in characters.
pub const LONGEST_TEXT: usize = 4_000;
/// The longest id of an embedding model, in bytes.
pub const LONGEST_MODEL: usize = 200;
/// The most dimensions of a vector.
pub const MOST_DIMENSIONS: u32 = 4_096;
/// The fewest and the most tokens of a chunk.
pub const CHUNK_TOKENS: std::ops::RangeInclusive<u32> = 32..=2_048;
/// The most workspaces that one knowledge base is shared with.
pub const MOST_WORKSPACES: usize = 1_000;

/// What is wrong with a setting.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {message}")]
pub struct Wrong {
    /// The member that it is about, as requests name it.
    pub field: &'static str,
    /// For people.
    pub message: String,
}

/// The model that makes vectors of a knowledge base's chunks, pinned: vectors of another one mean something else.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Embedder {
    /// The model's id: `all-MiniLM-L6-v2`, or that of an embedding model in `/models`.
    pub model: String,
    /// How many numbers a vector has.
    pub dimensions: u32,
}

/// How documents are cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Chunking {
    /// About so many tokens of the embedder in a chunk.
    pub tokens: u32,
    /// About so many of them are the end of the chunk before.
    pub overlap: u32,
}

impl Default for Chunking {
    fn default() -> Self {
        Self { tokens: 200, overlap: 30 }
    }
}

/// Who of an organisation sees a knowledge base.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sharing {
    /// Everybody.
    #[default]
    Organization,
    /// Who is in one of these workspaces, and who is bound to none.
    Workspaces(BTreeSet<String>),
}

impl Sharing {
    /// Whether who is bound to this workspace, or to none, sees it.
    pub fn admits(&self, workspace_id: Option<&str>) -> bool {
        match (self, workspace_id) {
            (Self::Organization, _) | (_, None) => true,
            (Self::Workspaces(shared), Some(id)) => shared.contains(id),
        }
    }
}

/// What can be changed of a knowledge base at any time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// For people; not empty.
    pub name: String,
    /// For people; may be empty.
    pub description: String,
    /// The binding of a retriever.
    pub retriever: BindingName,
    /// How documents are cut from now on; what is indexed stays as it was cut.
    pub chunking: Chunking,
    /// The least `similarity_score` of a source, where a request names none; 0 to 1.
    pub similarity_threshold: f64,
    /// What is answered where no source reaches it; the host's own words where left out.
    pub fallback: Option<String>,
    /// Who sees it.
    pub sharing: Sharing,
}

impl Settings {
    /// Settings with nothing decided but the name and the retriever.
    pub fn new(name: impl Into<String>, retriever: BindingName) -> Self {
        Self {
            name: name.into(),
            description: String::new(),
            retriever,
            chunking: Chunking::default(),
            similarity_threshold: super::score::RELEVANT,
            fallback: None,
            sharing: Sharing::Organization,
        }
    }

    /// Everything that is wrong, in the order of the members.
    ///
    /// # Errors
    /// One [`Wrong`] for each member at fault.
    pub fn check(&self) -> Result<(), Vec<Wrong>> {
        let mut found = Vec::new();
        let mut ask = |fits: bool, field: &'static str, message: String| {
            if !fits {
                found.push(Wrong { field, message });
            }
        };
        let is_named = !self.name.trim().is_empty();
        ask(is_named && fits(&self.name, LONGEST_NAME, false), "name", line(LONGEST_NAME));
        ask(fits(&self.description, LONGEST_TEXT, true), "description", text(LONGEST_TEXT));
        let Chunking { tokens, overlap } = self.chunking;
        let (least, most) = (CHUNK_TOKENS.start(), CHUNK_TOKENS.end());
        ask(CHUNK_TOKENS.contains(&tokens), "chunking.tokens", format!("from {least} to {most}"));
        ask(overlap <= tokens / 2, "chunking.overlap", "at most half of the chunk's tokens".to_owned());
        let threshold = self.similarity_threshold;
        ask((0.0..=1.0).contains(&threshold), "similarity_threshold", "from 0 to 1".to_owned());
        let fallback = self.fallback.as_deref();
        let is_said = fallback.is_none_or(|said| !said.trim().is_empty() && fits(said, LONGEST_TEXT, true));
        ask(is_said, "fallback", format!("{}, and not empty", text(LONGEST_TEXT)));
        if let Sharing::Workspaces(shared) = &self.sharing {
            let few = (1..=MOST_WORKSPACES).contains(&shared.len());
            ask(few, "sharing.workspaces", format!("from 1 to {MOST_WORKSPACES} workspaces"));
        }
        if found.is_empty() { Ok(()) } else { Err(found) }
    }
}

impl Embedder {
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self) -> Result<(), Wrong> {
        let is_id = (1..=LONGEST_MODEL).contains(&self.model.len()) && !self.model.contains(char::is_control);
        if !is_id {
            let message = format!("the id of a model, at most {LONGEST_MODEL} bytes");
            return Err(Wrong { field: "embedder.model", message });
        }
        if !(1..=MOST_DIMENSIONS).contains(&self.dimensions) {
            let message = format!("from 1 to {MOST_DIMENSIONS}");
            return Err(Wrong { field: "embedder.dimensions", message });
        }
        Ok(())
    }
}

fn fits(text: &str, longest: usize, several_lines: bool) -> bool {
    let is_plain = |c: char| !c.is_control() || (several_lines && matches!(c, '\n' | '\r' | '\t'));
    text.chars().count() <= longest && text.chars().all(is_plain)
}

fn line(longest: usize) -> String {
    format!("a line of 1 to {longest} characters")
}

fn text(longest: usize) -> String {
    format!("at most {longest} characters, no control characters but line breaks and tabs")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Settings {
        Settings::new("Handbook", BindingName::parse("hybrid").unwrap())
    }

    /// The members at fault after a change.
    fn wrong(change: impl FnOnce(&mut Settings)) -> Vec<&'static str> {
        let mut changed = settings();
        change(&mut changed);
        changed.check().err().unwrap_or_default().iter().map(|wrong| wrong.field).collect()
    }

    #[test]
    fn what_is_left_out_is_good() {
        assert_eq!(settings().check(), Ok(()));
        assert_eq!((settings().chunking.tokens, settings().similarity_threshold), (200, 0.7));
    }

    #[test]
    fn every_wrong_member_is_named() {
        assert_eq!(wrong(|it| it.name = " \u{a0} ".to_owned()), ["name"]);
        assert_eq!(wrong(|it| it.name = "a\nb".to_owned()), ["name"]);
        assert_eq!(wrong(|it| it.name = "ü".repeat(200)), [""; 0]);
        assert_eq!(wrong(|it| it.name = "ü".repeat(201)), ["name"]);
        assert_eq!(wrong(|it| it.description = "a\nb\tc".to_owned()), [""; 0]);
        assert_eq!(wrong(|it| it.description = "a\0b".to_owned()), ["description"]);
        assert_eq!(wrong(|it| it.chunking.tokens = 31), ["chunking.tokens", "chunking.overlap"]);
        assert_eq!(wrong(|it| it.chunking.tokens = u32::MAX), ["chunking.tokens"]);
        assert_eq!(wrong(|it| it.chunking.overlap = 100), [""; 0]);
        assert_eq!(wrong(|it| it.chunking.overlap = 101), ["chunking.overlap"]);
        for threshold in [-0.01, 1.01, f64::NAN, f64::INFINITY] {
            assert_eq!(wrong(|it| it.similarity_threshold = threshold), ["similarity_threshold"]);
        }
        assert_eq!(wrong(|it| it.fallback = Some("  ".to_owned())), ["fallback"]);
        assert_eq!(wrong(|it| it.sharing = Sharing::Workspaces(BTreeSet::new())), ["sharing.workspaces"]);
        let two = wrong(|it| {
            it.name.clear();
            it.similarity_threshold = 2.0;
        });
        assert_eq!(two, ["name", "similarity_threshold"]);
    }

    #[test]
    fn an_embedder_has_an_id_and_dimensions() {
        let embedder = |model: &str, dimensions| Embedder { model: model.to_owned(), dimensions }.check();
        assert_eq!(embedder("all-MiniLM-L6-v2", 384), Ok(()));
        assert_eq!(embedder("", 384).unwrap_err().field, "embedder.model");
        assert_eq!(embedder("a\nb", 384).unwrap_err().field, "embedder.model");
        for dimensions in [0, 4_097] {
            assert_eq!(embedder("a", dimensions).unwrap_err().field, "embedder.dimensions");
        }
    }

    #[test]
    fn who_sees_it() {
        let some = Sharing::Workspaces(["ws_1".to_owned()].into());
        let asked = [None, Some("ws_1"), Some("ws_2")];
        assert_eq!(asked.map(|id| Sharing::Organization.admits(id)), [true, true, true]);
        assert_eq!(asked.map(|id| some.admits(id)), [true, true, false]);
    }

    #[test]
    fn it_is_read_back_as_it_was_kept() {
        let mut kept = settings();
        kept.sharing = Sharing::Workspaces(["ws_1".to_owned()].into());
        kept.similarity_threshold = 0.1;
        let text = serde_json::to_string(&kept).unwrap();
        assert_eq!(serde_json::from_str::<Settings>(&text).unwrap(), kept);
    }
}
