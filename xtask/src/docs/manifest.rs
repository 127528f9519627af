//! Every key of a manifest: what the type that reads it says of it, what it may be, and an example.

use std::fmt::Write as _;
use std::fs;

use anyhow::{Context, Result, bail};
use hardpoint_domain::manifest::Manifest;

use crate::places;

/// Manifests that have every key between them. Each is read as a host reads it.
const EXAMPLES: [&str; 3] = [
    r#"
id = "site-search"
version = "1.4.0"
kind = "tool"
description = "Searches the pages of our shop."
instance = "warm"
kv = true
scratch = true

[[http]]
host = "{settings.address}"
methods = ["GET", "POST"]
path = "/search"

[[http]]
host = "*.example.com"
port = 8080
scheme = "http"

[[secret]]
name = "api_key"
audience = "{settings.address}"
optional = true

[limits]
memory_mib = 128
cpu_ms = 1000
wall_ms = 20000
output_kib = 4096
http_calls = 5
concurrency = 32

[settings]
type = "object"
properties.address.type = "string"
"#,
    r#"
id = "my-siem"
version = "0.1.0"
kind = "exporter"
description = "Events for our SIEM."

[limits]
exchange_cpu_ms = 10000

[batch]
max_events = 500
max_bytes = 1000000
"#,
    r#"
id = "handbook"
version = "0.1.0"
kind = "retriever"
description = "Our handbook."
index = true
embed = true
"#,
];

/// A table of the manifest, its type, and where that is.
const TABLES: [(&str, &str, &str); 5] = [
    ("", "Manifest", "manifest.rs"),
    ("[[http]]", "HttpWish", "manifest.rs"),
    ("[[secret]]", "SecretWish", "manifest.rs"),
    ("[limits]", "LimitWishes", "limits.rs"),
    ("[batch]", "BatchWish", "manifest.rs"),
];

/// The reference: one table for each of the manifest's.
pub(super) fn reference() -> Result<String> {
    for example in EXAMPLES {
        Manifest::from_toml(example).context("an example is no manifest")?;
    }
    let mut out = String::new();
    for (table, name, file) in TABLES {
        let path = format!("host/domain/src/{file}");
        let source = fs::read_to_string(places::root().join(&path)).context(path)?;
        let title = if table.is_empty() { "At the top".to_owned() } else { format!("`{table}`") };
        writeln!(
            out,
            "**{title}**\n\n| key | what it says | value | where left out | example |\n|---|---|---|---|---|"
        )?;
        for Field { key, words, kind, has_default } in fields(&source, name)? {
            let example =
                example(table, &key).with_context(|| format!("no example has `{key}` in {table}"))?;
            let (value, otherwise) =
                (value(&kind, &source)?, otherwise(&words, &kind, has_default, table, &source)?);
            writeln!(out, "| `{key}` | {words} | {value} | {otherwise} | `{example}` |")?;
        }
        out.push('\n');
    }
    Ok(out)
}

/// A field of a struct, as its source has it.
struct Field {
    key: String,
    words: String,
    kind: String,
    has_default: bool,
}

/// The fields of a struct, with their doc comments.
fn fields(source: &str, name: &str) -> Result<Vec<Field>> {
    let (mut found, mut words, mut has_default) = (Vec::new(), String::new(), false);
    for line in body(source, &format!("pub struct {name} {{"))?.lines().map(str::trim) {
        if let Some(text) = line.strip_prefix("///") {
            words.push_str(text);
        } else if line.starts_with("#[serde(default") {
            has_default = true;
        } else if let Some((key, kind)) = line.strip_prefix("pub ").and_then(|field| field.split_once(": ")) {
            if words.is_empty() {
                bail!("`{name}.{key}` has no doc comment");
            }
            let words = std::mem::take(&mut words).trim().replace('|', "\\|");
            let (key, kind) = (key.to_owned(), kind.trim_end_matches(',').to_owned());
            found.push(Field { key, words, kind, has_default: std::mem::take(&mut has_default) });
        }
    }
    Ok(found)
}

/// What stands between the braces after `start`.
fn body<'a>(source: &'a str, start: &str) -> Result<&'a str> {
    let (_, rest) = source.split_once(start).with_context(|| format!("there is no `{start}`"))?;
    Ok(rest.split_once("\n}").context("it does not end")?.0)
}

/// What a field of this type may be.
fn value(kind: &str, source: &str) -> Result<String> {
    let inner = kind.strip_prefix("Option<").and_then(|kind| kind.strip_suffix('>')).unwrap_or(kind);
    Ok(match inner {
        "String" => "text".to_owned(),
        "bool" => "`true` or `false`".to_owned(),
        "u16" | "u32" | "u64" => "whole number".to_owned(),
        "Vec<String>" => "list of texts".to_owned(),
        "LimitWishes" | "BatchWish" | "serde_json::Value" => "table".to_owned(),
        tables if tables.starts_with("Vec<") => "tables".to_owned(),
        variants => {
            let names: Vec<String> =
                variants_of(source, variants)?.into_iter().map(|(name, _)| format!("`{name}`")).collect();
            names.join(", ")
        }
    })
}

/// What stands for a field that is left out: what its words say, else what its type has.
fn otherwise(words: &str, kind: &str, has_default: bool, table: &str, source: &str) -> Result<String> {
    if !has_default && !kind.starts_with("Option<") {
        return Ok("must be there".to_owned());
    }
    if let Some((before, _)) = words.split_once(" where left out") {
        let clause = before.rsplit(['.', ';']).next().unwrap_or(before);
        return Ok(clause.trim().to_owned());
    }
    Ok(match kind {
        "bool" => "`false`".to_owned(),
        _ if table == "[limits]" || kind == "LimitWishes" => "its kind's, see [Limits](#limits)".to_owned(),
        _ if kind.starts_with("Option<") || kind.starts_with("Vec<") => "none".to_owned(),
        variants => {
            let default = variants_of(source, variants)?.into_iter().find(|(_, is_default)| *is_default);
            format!("`{}`", default.with_context(|| format!("`{variants}` has no default"))?.0)
        }
    })
}

/// The variants of an enum as a manifest writes them, and which is the default.
fn variants_of(source: &str, name: &str) -> Result<Vec<(String, bool)>> {
    let (mut found, mut is_default) = (Vec::new(), false);
    for line in body(source, &format!("pub enum {name} {{"))?.lines().map(str::trim) {
        if line == "#[default]" {
            is_default = true;
        } else if let Some(variant) = line.strip_suffix(',').filter(|line| !line.starts_with("//")) {
            found.push((variant.to_lowercase(), std::mem::take(&mut is_default)));
        }
    }
    Ok(found)
}

/// The line of the first example that has a key, or the head of a table of that name.
fn example(table: &str, key: &str) -> Option<String> {
    let heads = [format!("[[{key}]]"), format!("[{key}]")];
    for text in EXAMPLES {
        let mut within = "";
        for line in text.lines() {
            if line.starts_with('[') {
                within = line;
            }
            let is_it = line.split_once(" = ").is_some_and(|(name, _)| name == key);
            if within == table && is_it || table.is_empty() && heads.iter().any(|head| head == line) {
                return Some(line.to_owned());
            }
        }
    }
    None
}
