//! `hardpoint plugin new`, `build` and `pack`: an author's project, from nothing to a packed component.

use std::path::{Path, PathBuf};

use anyhow::anyhow;
use clap::{Args, ValueEnum};
use hardpoint_authoring::toolchain::never_install;
use hardpoint_authoring::{Error, Language, Project, pack_checked};
use hardpoint_domain::manifest::Kind;
use hardpoint_runtime::{Inspection, inspect, read_manifest};
use serde_json::json;

use super::Failure;
use crate::cli::print_json;

/// What a plugin is for.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum KindName {
    Tool,
    Exporter,
    Model,
    Retriever,
}

/// What it is written in.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum LanguageName {
    Rust,
    Python,
    Js,
}

#[derive(Args)]
pub(in crate::cli) struct NewArguments {
    /// What it is for.
    #[arg(value_enum)]
    kind: KindName,
    /// Its id: small letters, digits and hyphens.
    name: String,
    /// What it is written in.
    #[arg(long, value_enum, default_value = "rust")]
    lang: LanguageName,
    /// Where the project goes; a folder called like the plugin where left out.
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
    /// Answer in JSON, for programs.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(in crate::cli) struct BuildArguments {
    /// The project's folder.
    #[arg(default_value = ".")]
    folder: PathBuf,
    /// Also run the author's own tests, first.
    #[arg(long)]
    test: bool,
    /// Where the packed component goes; the project's folder where left out. A host's plugins folder does.
    #[arg(long, value_name = "FOLDER")]
    into: Option<PathBuf>,
    /// Answer in JSON, for programs.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(in crate::cli) struct PackArguments {
    /// The component as a compiler made it.
    component: PathBuf,
    /// Its manifest.
    #[arg(long, value_name = "FILE", default_value = "plugin.toml")]
    manifest: PathBuf,
    /// Where the packed component goes.
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    into: PathBuf,
    /// Answer in JSON, for programs.
    #[arg(long)]
    json: bool,
}

pub(super) fn new(arguments: &NewArguments) -> Result<(), Failure> {
    let kind = match arguments.kind {
        KindName::Tool => Kind::Tool,
        KindName::Exporter => Kind::Exporter,
        KindName::Model => Kind::Model,
        KindName::Retriever => Kind::Retriever,
    };
    let language = match arguments.lang {
        LanguageName::Rust => Language::Rust,
        LanguageName::Python => Language::Python,
        LanguageName::Js => Language::JavaScript,
    };
    let folder = arguments.folder.clone().unwrap_or_else(|| PathBuf::from(&arguments.name));
    let project = hardpoint_authoring::new(kind, &arguments.name, language, &folder).map_err(failure)?;
    let next = next(kind, &folder, &arguments.name);
    if arguments.json {
        let commands: Vec<&String> = next.iter().map(|(command, _)| command).collect();
        return print_json(&json!({
            "folder": project.folder(), "id": arguments.name, "kind": kind, "language": language.as_str(), "next": commands,
        }));
    }
    println!("{} is there. What next:", folder.display());
    let width = next.iter().map(|(command, _)| command.len()).max().unwrap_or_default();
    for (command, words) in &next {
        println!("  {command:<width$}  {words}");
    }
    Ok(())
}

/// The commands that a project is worked on with, and what each is for.
fn next(kind: Kind, folder: &Path, id: &str) -> Vec<(String, &'static str)> {
    let (folder, component) = (folder.display(), folder.join(format!("{id}.wasm")));
    let component = component.display();
    let build = (
        format!("hardpoint plugin build {folder} --test"),
        "its tests, and one file to publish (elsewhere with --into: name that below)",
    );
    let test = match kind {
        Kind::Retriever => (
            format!("hardpoint plugin test {component} --conformance"),
            "tries documents and questions of every sort in the sandbox",
        ),
        _ => (format!("hardpoint plugin test {component}"), "replays its recordings in the sandbox"),
    };
    vec![
        (format!("hardpoint plugin dev {folder}"), "builds and runs it whenever you save"),
        build,
        test,
        (format!("hardpoint plugin inspect {component}"), "what an operator sees of it"),
    ]
}

pub(super) fn build(arguments: &BuildArguments) -> Result<(), Failure> {
    let project = Project::open(&arguments.folder).map_err(failure)?;
    check(&arguments.folder.join("plugin.toml"))?;
    if arguments.test {
        project.test().map_err(failure)?;
    }
    let component = project.build(&never_install).map_err(failure)?;
    let into = arguments.into.as_deref().unwrap_or(project.folder());
    let before = arguments.into.as_deref().and_then(|into| held(&into.join(file_name(&project))));
    let packed = pack_checked(&component, &project.folder().join("plugin.toml"), into, of_its_world);
    let packed = packed.map_err(failure)?;
    let note = before.and_then(|before| other_bytes(&before, &held(&packed)?));
    tell(&packed, note, arguments.json)
}

fn file_name(project: &Project) -> String {
    format!("{}.wasm", project.manifest().id)
}

/// What a file holds, if it is a plugin.
fn held(file: &Path) -> Option<Inspection> {
    inspect(&std::fs::read(file).ok()?).ok()
}

/// What is said where other bytes took the place of a version's: no host lets them serve by themselves.
fn other_bytes(before: &Inspection, after: &Inspection) -> Option<String> {
    let (id, version) = (&after.manifest.id, &after.manifest.version);
    (before.manifest.version == *version && before.digest != after.digest).then(|| {
        format!(
            "it held other bytes of version {version}. A host that serves those goes on with them until \
             `hardpoint plugin grant {id}` there, or until `version` in plugin.toml is another"
        )
    })
}

pub(super) fn pack(arguments: &PackArguments) -> Result<(), Failure> {
    check(&arguments.manifest)?;
    let packed = pack_checked(&arguments.component, &arguments.manifest, &arguments.into, of_its_world);
    tell(&packed.map_err(failure)?, None, arguments.json)
}

/// What a host would refuse is not packed.
fn of_its_world(packed: &[u8]) -> Result<(), String> {
    inspect(packed).map(drop).map_err(|error| error.to_string())
}

/// As a host will: packing knows less of schemas. A file that cannot be read is for packing to name.
fn check(manifest: &Path) -> Result<(), Failure> {
    let Ok(text) = std::fs::read_to_string(manifest) else { return Ok(()) };
    let wrong = |source| failure(Error::Manifest { path: manifest.to_owned(), source });
    read_manifest(&text).map(drop).map_err(wrong)
}

fn tell(packed: &Path, note: Option<String>, as_json: bool) -> Result<(), Failure> {
    if as_json {
        return print_json(&match note {
            Some(note) => json!({ "file": packed, "note": note }),
            None => json!({ "file": packed }),
        });
    }
    println!("{}", packed.display());
    if let Some(note) = note {
        // Beside the path, which a script may read.
        eprintln!("note: {note}");
    }
    Ok(())
}

pub(super) fn failure(error: Error) -> Failure {
    match error {
        Error::Refused(reason) => Failure::Misuse(reason),
        // Its text names its cause already, which would follow again.
        error => Failure::Other(anyhow!("{error}")),
    }
}

#[cfg(test)]
mod tests {
    use hardpoint_domain::manifest::Manifest;

    use super::*;

    #[test]
    fn other_bytes_of_a_version_are_told() {
        let held = |version: &str, digest: &str| {
            let text = format!(
                "id = \"one\"\nversion = \"{version}\"\nkind = \"tool\"\ndescription = \"A tool.\"\n"
            );
            Inspection {
                digest: digest.to_owned(),
                size: 1,
                manifest: Manifest::from_toml(&text).unwrap(),
                manifest_text: text,
                imports: Vec::new(),
                exports: Vec::new(),
            }
        };
        let told = other_bytes(&held("0.1.0", "a"), &held("0.1.0", "b")).unwrap();
        assert!(told.contains("version 0.1.0") && told.contains("hardpoint plugin grant one"), "{told}");
        assert_eq!(other_bytes(&held("0.1.0", "a"), &held("0.1.0", "a")), None);
        assert_eq!(other_bytes(&held("0.1.0", "a"), &held("0.2.0", "b")), None);
    }
}
