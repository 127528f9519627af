//! From a project's sources to a component.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use hardpoint_domain::manifest::Kind;

use super::world::{self, WORLD};
use super::{Language, Project};
use crate::error::{Error, at};
use crate::process::{run_quietly, show_and_run, show_and_run_explained};
use crate::toolchain::{Install, JavaScript, Python, Rust};

/// Where the interfaces are in a project.
const WIT: &str = "wit";

impl Project {
    /// Builds the component, without its manifest yet. What the language's tools say goes to standard error.
    ///
    /// # Errors
    /// If there is no toolchain and none can be set up, or the sources do not build.
    pub fn build(&self, install: Install<'_>) -> Result<PathBuf, Error> {
        match self.language {
            Language::Rust => self.build_rust(&Rust::find(&self.folder, None, install)?),
            Language::Python => self.build_python(&Python::prepare(install)?),
            Language::JavaScript => self.build_javascript(&JavaScript::prepare(install)?),
        }
    }

    fn build_rust(&self, rust: &Rust) -> Result<PathBuf, Error> {
        let built = rust.build(&[])?;
        let mut own = built.into_iter().filter(|(member, _)| *member == self.folder);
        match (own.next(), own.next()) {
            (Some((_, component)), None) => Ok(component),
            (None, _) => Err(Error::Refused(format!(
                "{} makes no component: its [lib] needs `crate-type = [\"cdylib\", \"rlib\"]`",
                self.folder.join("Cargo.toml").display()
            ))),
            (Some(_), Some(_)) => Err(Error::Refused(format!(
                "{} makes more than one .wasm file; a plugin is one library",
                self.folder.join("Cargo.toml").display()
            ))),
        }
    }

    /// The author's module is `plugin`; the vendored SDK brings the one that exports it, for each kind.
    fn build_python(&self, python: &Python) -> Result<PathBuf, Error> {
        self.source("plugin.py")?;
        let out = self.build_folder()?;
        let wit = world::write(&self.manifest, &self.folder.join(WIT), &out)?;
        let app = format!("export_{}", kind(self.manifest.kind));
        let vendor = self.folder.join("vendor");
        let component = out.join("component.wasm");
        let paths: [&Path; 3] = [&self.folder, &vendor, &vendor.join("hardpoint/export")];
        let mut componentize = python.componentize(&wit, WORLD, &app, &paths, &component);
        show_and_run_explained(componentize.current_dir(&self.folder), || {
            Python::syntax_error(&self.folder, &self.files_ending("py").ok()?)
        })?;
        Ok(component)
    }

    fn build_javascript(&self, javascript: &JavaScript) -> Result<PathBuf, Error> {
        let source = self.source("plugin.js")?;
        self.check_syntax()?;
        let out = self.build_folder()?;
        let wit = world::write(&self.manifest, &self.folder.join(WIT), &out)?;
        let component = out.join("component.wasm");
        show_and_run(javascript.componentize(&source, &wit, WORLD, &component).current_dir(&self.folder))?;
        Ok(component)
    }

    /// Has node read the project's own modules: componentize-js names neither file nor line of what it cannot read.
    fn check_syntax(&self) -> Result<(), Error> {
        // Without it node would take them for scripts, where componentize-js does not.
        let package = fs::read_to_string(self.folder.join("package.json")).unwrap_or_default();
        let package: serde_json::Value = serde_json::from_str(&package).unwrap_or_default();
        let mut files = self.files_ending("mjs")?;
        if package["type"] == "module" {
            files.extend(self.files_ending("js")?);
        }
        files.iter().try_for_each(|file| {
            run_quietly(Command::new("node").arg("--check").arg(file).current_dir(&self.folder))
        })
    }

    /// Names of the files beside the manifest that end so, in order.
    fn files_ending(&self, ending: &str) -> Result<Vec<String>, Error> {
        let entries = fs::read_dir(&self.folder).map_err(at(&self.folder))?;
        let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
        let is_meant = |name: &String| Path::new(name).extension().and_then(OsStr::to_str) == Some(ending);
        let mut names: Vec<String> = names.filter(is_meant).collect();
        names.sort();
        Ok(names)
    }

    /// The file that a build begins with.
    fn source(&self, name: &str) -> Result<PathBuf, Error> {
        let file = self.folder.join(name);
        if file.is_file() {
            return Ok(file);
        }
        Err(Error::Refused(format!("{} has no {name}, which is what is built", self.folder.display())))
    }
}

/// As it is written in manifests and in the names of files.
pub(crate) fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Model => "model",
        Kind::Exporter => "exporter",
        Kind::Tool => "tool",
        Kind::Retriever => "retriever",
    }
}
