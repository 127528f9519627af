//! New projects, from the templates that the crate carries.

use std::fs;
use std::path::Path;

use hardpoint_domain::id::PluginId;
use hardpoint_domain::manifest::Kind;

use crate::carried::{SDK_JS, SDK_PYTHON, SDK_RECORDING, SDK_RUST, TEMPLATES, WIT};
use crate::error::{Error, at};
use crate::project::{Language, Project, kind as kind_name};

mod vendored;

/// Writes a project for a plugin of this kind and name into `folder`, which is made where it is not there. It
/// builds, tests and packs as it stands.
///
/// # Errors
/// If `name` is no plugin id, `folder` has something in it already, or a file cannot be written.
pub fn new(kind: Kind, name: &str, language: Language, folder: &Path) -> Result<Project, Error> {
    let id = PluginId::parse(name).map_err(|error| Error::Refused(error.to_string()))?;
    if language == Language::Rust {
        check_crate_name(&id)?;
    }
    check_empty(folder)?;
    let names = Names { id: id.as_str(), kind };
    for part in parts(kind, language) {
        let prefix = format!("{part}/");
        for (path, text) in TEMPLATES {
            if let Some(inside) = path.strip_prefix(&prefix) {
                write(folder, &place(inside), &names.fill(text))?;
            }
        }
    }
    write_all(folder, "wit", WIT)?;
    match language {
        Language::Rust => {
            write(folder, "vendor/hardpoint-sdk/Cargo.toml", &vendored::sdk()?)?;
            write_all(folder, "vendor/hardpoint-sdk/src", SDK_RUST)?;
            write(folder, "vendor/hardpoint-recording/Cargo.toml", &vendored::recording()?)?;
            write_all(folder, "vendor/hardpoint-recording/src", SDK_RECORDING)?;
        }
        Language::Python => write_all(folder, "vendor", &carried_under(SDK_PYTHON, "hardpoint/"))?,
        Language::JavaScript => write_all(folder, "vendor", &carried_under(SDK_JS, "hardpoint/"))?,
    }
    Project::open(folder)
}

/// The templates that a project is put together from.
fn parts(kind: Kind, language: Language) -> [String; 3] {
    let kind = kind_name(kind);
    [format!("kind/{kind}"), format!("{language}/common"), format!("{language}/{kind}")]
}

/// What stands for what in the templates.
struct Names<'a> {
    id: &'a str,
    kind: Kind,
}

impl Names<'_> {
    fn fill(&self, text: &str) -> String {
        let trying = if self.kind == Kind::Retriever { READING } else { ANSWERING };
        text.replace("{{trying}}", trying)
            .replace("{{id}}", self.id)
            .replace("{{crate}}", &self.id.replace('-', "_"))
            .replace("{{kind}}", kind_name(self.kind))
    }
}

/// What a README says of trying a plugin out that answers requests.
const ANSWERING: &str = "\
- `hardpoint plugin dev`: builds and runs it whenever you save, in a host of its own, and prints a line that calls it;
  `--settings '{…}'` gives it the settings that it requires.
- `hardpoint plugin test {{id}}.wasm`: replays `recordings/` in the sandbox. Each file there says what is asked, what
  the other side answers, and what must come of it; the tests replay them natively. With `--conformance` it also tries
  what every plugin of its kind must bear.
- `hardpoint plugin record {{id}}.wasm question.json --out recordings/NAME.json`: makes a recording of a live exchange.
  The question is a recording without `exchanges` and `expect`.
- `hardpoint plugin inspect {{id}}.wasm`: what an operator sees of it.";

/// The same of a retriever.
const READING: &str = "\
- `hardpoint plugin dev`: builds and runs it whenever you save, in a host of its own; `--settings '{…}'` gives it the
  settings that it requires.
- `hardpoint plugin call {{id}}.wasm --allow --document FILE --query 'What is …?'`: reads a file in the sandbox, into a
  knowledge base in memory, and shows its pages, its passages and what a search finds there.
- `hardpoint plugin test {{id}}.wasm --conformance`: tries what every retriever must bear, documents and questions of
  every sort.
- `hardpoint plugin inspect {{id}}.wasm`: what an operator sees of it.";

/// Where a template's file goes. Some names mean something to git or cargo where the templates are kept, so
/// they end in `.in` there.
fn place(inside: &str) -> String {
    match inside.strip_suffix(".in") {
        Some("gitignore") => ".gitignore".to_owned(),
        Some(name) => name.to_owned(),
        None => inside.to_owned(),
    }
}

/// A crate cannot be called by a word of the language, or by one that cargo keeps for itself.
fn check_crate_name(id: &PluginId) -> Result<(), Error> {
    const TAKEN: [&str; 53] = [
        "abstract",
        "alloc",
        "as",
        "async",
        "await",
        "become",
        "box",
        "break",
        "build",
        "const",
        "continue",
        "core",
        "crate",
        "deps",
        "do",
        "dyn",
        "else",
        "enum",
        "examples",
        "extern",
        "false",
        "final",
        "fn",
        "for",
        "gen",
        "if",
        "impl",
        "in",
        "incremental",
        "let",
        "loop",
        "macro",
        "match",
        "mod",
        "move",
        "mut",
        "override",
        "priv",
        "proc-macro",
        "pub",
        "ref",
        "return",
        "static",
        "std",
        "struct",
        "super",
        "test",
        "trait",
        "true",
        "type",
        "use",
        "where",
        "while",
    ];
    let is_ours = id.as_str() == "hardpoint-sdk";
    if TAKEN.contains(&id.as_str()) || is_ours {
        return Err(Error::Refused(format!(
            "`{id}` cannot be the name of a crate: it is taken; choose another"
        )));
    }
    Ok(())
}

fn check_empty(folder: &Path) -> Result<(), Error> {
    if folder.exists() && !folder.is_dir() {
        return Err(Error::Refused(format!("{} is there already and is no folder", folder.display())));
    }
    let has_something = folder.is_dir() && fs::read_dir(folder).map_err(at(folder))?.next().is_some();
    if has_something {
        return Err(Error::Refused(format!(
            "{} is not empty: a new project is written into a new or empty folder",
            folder.display()
        )));
    }
    Ok(())
}

/// Those files of an SDK that projects vendor; its own tests stay behind.
fn carried_under(
    files: &'static [(&'static str, &'static str)],
    prefix: &str,
) -> Vec<(&'static str, &'static str)> {
    files.iter().filter(|(path, _)| path.starts_with(prefix)).copied().collect()
}

fn write_all(folder: &Path, under: &str, files: &[(&str, &str)]) -> Result<(), Error> {
    files.iter().try_for_each(|(path, text)| write(folder, &format!("{under}/{path}"), text))
}

fn write(folder: &Path, inside: &str, text: &str) -> Result<(), Error> {
    let file = folder.join(inside);
    if let Some(parent) = file.parent() {
        fs::create_dir_all(parent).map_err(at(parent))?;
    }
    fs::write(&file, text).map_err(at(&file))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_why_not() {
        let place = tempfile::tempdir().unwrap();
        let reason = |name: &str, folder: &Path| {
            new(Kind::Tool, name, Language::Rust, folder).unwrap_err().to_string()
        };
        let free = place.path().join("free");
        assert!(reason("Word_Stats", &free).contains("is no plugin id"));
        assert!(reason("match", &free).contains("cannot be the name of a crate"));
        assert!(!free.exists(), "a refusal leaves nothing behind");
        fs::write(place.path().join("notes"), "").unwrap();
        assert!(reason("one", place.path()).ends_with("a new project is written into a new or empty folder"));
        assert!(reason("one", &place.path().join("notes")).ends_with("is no folder"));
    }

    #[test]
    fn every_file_of_the_templates_is_used_and_filled() {
        let mut used = std::collections::BTreeSet::new();
        for kind in [Kind::Tool, Kind::Exporter, Kind::Model, Kind::Retriever] {
            for language in Language::ALL {
                used.extend(parts(kind, language));
            }
        }
        for (path, text) in TEMPLATES {
            assert!(used.iter().any(|part| path.starts_with(&format!("{part}/"))), "{path} is in no project");
            let filled = Names { id: "a-b", kind: Kind::Tool }.fill(text);
            assert!(!filled.contains("{{"), "{path} has a placeholder that nothing fills");
        }
    }
}
