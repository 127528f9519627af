//! A tool that counts what is in a text.

use std::collections::HashMap;

use hardpoint_sdk::tool::{Tool, ToolError, json};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The plugin.
pub enum WordStatistics {}

/// What a call brings. The schema that models see is made of this: doc comments become descriptions.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Arguments {
    /// The text.
    text: String,
    /// How many of the most common words to list, at most 100.
    #[serde(default = "five")]
    #[schemars(range(min = 0, max = 100))]
    top: usize,
}

fn five() -> usize {
    5
}

/// What the operator set; `plugin.toml` has its schema.
#[derive(Deserialize)]
pub struct Settings {
    #[serde(default)]
    ignored: Vec<String>,
}

#[derive(Serialize)]
struct Statistics {
    words: usize,
    sentences: usize,
    characters: usize,
    most_common: Vec<Counted>,
}

#[derive(Serialize)]
struct Counted {
    word: String,
    count: usize,
}

impl Tool for WordStatistics {
    type Settings = Settings;
    type Arguments = Arguments;

    fn description(_: &Settings) -> String {
        "Counts the words, sentences and characters of a text and lists its most common words. Use it instead \
         of counting yourself."
            .into()
    }

    fn call(arguments: Arguments, settings: Settings) -> Result<String, ToolError> {
        if arguments.top > 100 {
            return Err(ToolError::InvalidArguments("top: at most 100".into()));
        }
        let words = words(&arguments.text);
        json(&Statistics {
            words: words.len(),
            sentences: sentences(&arguments.text),
            characters: arguments.text.chars().count(),
            most_common: most_common(&words, arguments.top, &settings.ignored),
        })
    }
}

hardpoint_sdk::export!(tool: WordStatistics);

/// In lower case, without the punctuation around them.
fn words(text: &str) -> Vec<String> {
    text.split_whitespace()
        .map(|word| word.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase())
        .filter(|word| !word.is_empty())
        .collect()
}

/// Runs of `.`, `!` or `?` end sentences; so does the end of the text.
fn sentences(text: &str) -> usize {
    text.split(['.', '!', '?']).filter(|piece| piece.contains(char::is_alphanumeric)).count()
}

/// The most common first; of equally common ones the first by alphabet.
fn most_common(words: &[String], top: usize, ignored: &[String]) -> Vec<Counted> {
    let mut counts = HashMap::new();
    for word in words.iter().filter(|word| !ignored.contains(word)) {
        *counts.entry(word).or_insert(0) += 1;
    }
    let mut counted: Vec<_> =
        counts.into_iter().map(|(word, count)| Counted { word: word.clone(), count }).collect();
    counted.sort_by(|one, other| other.count.cmp(&one.count).then_with(|| one.word.cmp(&other.word)));
    counted.truncate(top);
    counted
}
