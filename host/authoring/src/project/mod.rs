//! A plugin's project: a folder with a manifest and sources in one of the languages.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use hardpoint_domain::manifest::Manifest;

use crate::error::{Error, at};

mod build;
mod test;
mod world;

pub(crate) use build::kind;

/// The manifest's file.
const MANIFEST: &str = "plugin.toml";

/// The languages that projects are built in. Anything else that makes a component is packed by [`crate::pack`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// By cargo, for wasm32-wasip2.
    Rust,
    /// By componentize-py.
    Python,
    /// By componentize-js.
    JavaScript,
}

impl Language {
    /// Every language.
    pub const ALL: [Self; 3] = [Self::Rust, Self::Python, Self::JavaScript];

    /// As it is written on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::Python => "python",
            Self::JavaScript => "js",
        }
    }

    /// By the files that each language's projects have.
    fn of(folder: &Path) -> Result<Self, Error> {
        let has = |name: &str| folder.join(name).is_file();
        let found: Vec<Self> = [
            (Self::Rust, has("Cargo.toml")),
            (Self::Python, has("pyproject.toml") || has("plugin.py")),
            (Self::JavaScript, has("package.json")),
        ]
        .into_iter()
        .filter_map(|(language, is_it)| is_it.then_some(language))
        .collect();
        match found[..] {
            [one] => Ok(one),
            [] => Err(Error::Refused(format!(
                "{} is no plugin's project: beside {MANIFEST} it has neither Cargo.toml nor pyproject.toml nor \
                 package.json",
                folder.display()
            ))),
            _ => Err(Error::Refused(format!(
                "{} is a project in more than one language: {}",
                folder.display(),
                found.iter().map(|language| language.as_str()).collect::<Vec<_>>().join(", ")
            ))),
        }
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Language {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            "rust" => Ok(Self::Rust),
            "python" => Ok(Self::Python),
            "js" | "javascript" => Ok(Self::JavaScript),
            _ => Err(Error::Refused(format!("`{text}` is no language of templates: rust, python or js"))),
        }
    }
}

/// A project, as its files say.
#[derive(Clone, Debug)]
pub struct Project {
    folder: PathBuf,
    language: Language,
    manifest: Manifest,
}

impl Project {
    /// The project in `folder`.
    ///
    /// # Errors
    /// If it has no manifest, a wrong one, or no sources in a language that is known.
    pub fn open(folder: &Path) -> Result<Self, Error> {
        // Absolute, since programs that are started here run in it and get paths into it.
        let folder = folder.canonicalize().map_err(at(folder))?;
        let path = folder.join(MANIFEST);
        let text = match fs::read_to_string(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(Error::Refused(format!(
                    "{} is no plugin's project: it has no plugin.toml; `hardpoint plugin new` makes one",
                    folder.display()
                )));
            }
            read => read.map_err(at(&path))?,
        };
        let manifest =
            Manifest::from_toml(&text).map_err(|source| Error::Manifest { path: path.clone(), source })?;
        let language = Language::of(&folder)?;
        Ok(Self { folder, language, manifest })
    }

    /// Where it is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What it is written in.
    pub fn language(&self) -> Language {
        self.language
    }

    /// What it says of itself.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Packs a component of this project with its manifest to `<into>/<id>.wasm`; into its own folder where
    /// `into` is left out.
    ///
    /// # Errors
    /// See [`crate::pack`].
    pub fn pack(&self, component: &Path, into: Option<&Path>) -> Result<PathBuf, Error> {
        crate::pack(component, &self.folder.join(MANIFEST), into.unwrap_or(&self.folder))
    }

    /// What is built here goes here, except cargo's.
    fn build_folder(&self) -> Result<PathBuf, Error> {
        let folder = self.folder.join("build");
        fs::create_dir_all(&folder).map_err(at(&folder))?;
        Ok(folder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_why_a_folder_is_no_project() {
        let place = tempfile::tempdir().unwrap();
        let reason = || Project::open(place.path()).unwrap_err().to_string();
        assert!(reason().contains("it has no plugin.toml"), "{}", reason());
        fs::write(place.path().join(MANIFEST), "id = 1").unwrap();
        assert!(reason().contains("plugin.toml is wrong: line 1"), "{}", reason());
        let manifest = "id = \"one\"\nversion = \"0.1.0\"\nkind = \"tool\"\ndescription = \"A tool.\"\n";
        fs::write(place.path().join(MANIFEST), manifest).unwrap();
        assert!(reason().contains("neither Cargo.toml nor"), "{}", reason());
        fs::write(place.path().join("package.json"), "{}").unwrap();
        assert_eq!(Project::open(place.path()).unwrap().language(), Language::JavaScript);
        fs::write(place.path().join("pyproject.toml"), "").unwrap();
        assert!(reason().ends_with("more than one language: python, js"), "{}", reason());
    }

    #[test]
    fn languages_are_read_as_they_are_written() {
        for language in Language::ALL {
            assert_eq!(language.as_str().parse::<Language>().unwrap(), language);
        }
        assert!("go".parse::<Language>().unwrap_err().to_string().contains("rust, python or js"));
    }
}
