//! The tools that are measured: the templates' own, and one in each language that does nothing. They are
//! built by the commands that authors use, and kept for the next run.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use hardpoint_domain::manifest;
use tempfile::TempDir;

/// What a tool is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    Rust,
    Python,
    JavaScript,
}

impl Language {
    pub const ALL: [Self; 3] = [Self::Rust, Self::Python, Self::JavaScript];

    /// As the command line has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::Python => "python",
            Self::JavaScript => "js",
        }
    }
}

/// What it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Nothing: what is left is the price of a call.
    Nothing,
    /// The template's: statistics of a text.
    Statistics,
}

impl Work {
    pub const ALL: [Self; 2] = [Self::Nothing, Self::Statistics];

    pub fn name(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Statistics => "statistics",
        }
    }

    /// What a call brings.
    pub fn body(self) -> String {
        match self {
            Self::Nothing => r#"{"arguments":{}}"#.to_owned(),
            Self::Statistics => {
                let text =
                    "The tower stands by the river. It was built in 1382 to guard the bridge! ".repeat(14);
                serde_json::json!({ "arguments": { "text": text } }).to_string()
            }
        }
    }
}

/// The component, from where an earlier run left it, else built now.
pub fn built(language: Language, work: Work) -> Result<Vec<u8>> {
    let kept =
        PathBuf::from(std::env::var_os("HARDPOINT_BENCH_TOOLS").context("HARDPOINT_BENCH_TOOLS is not set")?);
    fs::create_dir_all(&kept)?;
    let place = TempDir::with_prefix("hardpoint-bench-tool-")?;
    let project = place.path().join("tool");
    hardpoint(&["new", "tool", "bench-tool", "--lang", language.name(), "--folder"], &project)?;
    if work == Work::Nothing {
        write_nothing(language, &project)?;
    }
    let known =
        kept.join(format!("{}-{}-{:016x}.wasm", language.name(), work.name(), fingerprint(&project)?));
    if !known.exists() {
        eprintln!("building {} tool that does {}", language.name(), work.name());
        hardpoint(&["build"], &project)?;
        // By another name first: a copy that was cut short would be taken for whole the next time.
        fs::copy(project.join("bench-tool.wasm"), known.with_extension("part"))?;
        fs::rename(known.with_extension("part"), &known)?;
    }
    Ok(fs::read(known)?)
}

/// The same component under another id or version: other bytes, another digest.
pub fn named(component: &[u8], id: &str, version: &str, instance: &str) -> Vec<u8> {
    let text = format!(
        "id = \"{id}\"\nversion = \"{version}\"\nkind = \"tool\"\ndescription = \"A tool of a benchmark.\"\n\
         instance = \"{instance}\"\n"
    );
    manifest::embed(&manifest::strip(component), &text)
}

fn hardpoint(arguments: &[&str], folder: &Path) -> Result<()> {
    let binary = std::env::var_os("HARDPOINT_BIN").context("HARDPOINT_BIN is not set")?;
    let mut command = Command::new(binary);
    command.arg("plugin").args(arguments).arg(folder).stdout(Stdio::null());
    let status = command.status()?;
    ensure!(status.success(), "`hardpoint plugin {}` failed: {status}", arguments.join(" "));
    Ok(())
}

/// In the place of the template's code: the same SDK, and no work.
fn write_nothing(language: Language, project: &Path) -> Result<()> {
    let (file, code) = match language {
        Language::Rust => ("src/lib.rs", NOTHING_RUST),
        Language::Python => ("plugin.py", NOTHING_PYTHON),
        Language::JavaScript => ("plugin.js", NOTHING_JS),
    };
    Ok(fs::write(project.join(file), code)?)
}

const NOTHING_RUST: &str = r#"//! A tool that does nothing.

use hardpoint_sdk::NoSettings;
use hardpoint_sdk::tool::{Tool, ToolError};
use schemars::JsonSchema;
use serde::Deserialize;

pub enum Nothing {}

#[derive(Deserialize, JsonSchema)]
pub struct Arguments {}

impl Tool for Nothing {
    type Settings = NoSettings;
    type Arguments = Arguments;

    fn description(_: &NoSettings) -> String {
        "Does nothing.".into()
    }

    fn call(_: Arguments, _: NoSettings) -> Result<String, ToolError> {
        Ok("{}".into())
    }
}

hardpoint_sdk::export!(tool: Nothing);
"#;

const NOTHING_PYTHON: &str = r#"from hardpoint.tool import Tool


class Nothing(Tool):
    description = "Does nothing."

    def call(self, arguments, settings):
        return "{}"


plugin = Nothing()
"#;

const NOTHING_JS: &str = r"import { defineTool } from './vendor/hardpoint/tool.js';

export const tool = defineTool({
  description: 'Does nothing.',
  call: () => '{}',
});
";

/// Of all files that a project consists of: a template or an SDK that changed is built anew.
fn fingerprint(project: &Path) -> Result<u64> {
    let mut hasher = DefaultHasher::new();
    let mut folders = vec![project.to_owned()];
    while let Some(folder) = folders.pop() {
        let mut entries = fs::read_dir(&folder)?.collect::<Result<Vec<_>, _>>()?;
        entries.sort_by_key(fs::DirEntry::path);
        for entry in entries {
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
            } else {
                entry.path().strip_prefix(project)?.hash(&mut hasher);
                fs::read(entry.path())?.hash(&mut hasher);
            }
        }
    }
    Ok(hasher.finish())
}
