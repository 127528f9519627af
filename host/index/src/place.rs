//! Where a host keeps its derived data: a folder for each knowledge base, and in it the full text and a file for
//! each set of vectors. Names are made of ids here, so no name leads elsewhere.

use std::io;
use std::path::{Path, PathBuf};

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::IndexError;
use crate::fulltext::FullText;
use crate::vectors::{Pin, Vectors};

const TEXT: &str = "text";
/// How the names of files with vectors begin.
const VECTORS: &str = "vectors-";

/// The folder with a folder for each knowledge base.
#[derive(Debug)]
pub struct Place {
    path: PathBuf,
    folder: Dir,
}

impl Place {
    /// Opens the folder, and makes it where it is missing.
    ///
    /// # Errors
    /// If it cannot be made or opened.
    pub fn open(path: &Path) -> Result<Self, IndexError> {
        Dir::create_ambient_dir_all(path, ambient_authority())?;
        let folder = Dir::open_ambient_dir(path, ambient_authority())?;
        Ok(Self { path: path.to_owned(), folder })
    }

    /// The knowledge bases that have something here. Those that the store does not know any more are to be
    /// forgotten.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn knowledge_bases(&self) -> Result<Vec<Uuid>, IndexError> {
        let mut found = Vec::new();
        for entry in self.folder.entries()? {
            found.extend(entry?.file_name().to_str().and_then(|name| Uuid::try_parse(name).ok()));
        }
        Ok(found)
    }

    /// The full text of a knowledge base; empty where there was none.
    ///
    /// # Errors
    /// [`IndexError::Damaged`] if it has to be made anew: [`Place::forget_full_text`], open it again, apply
    /// everything.
    pub fn full_text(&self, knowledge_base: Uuid) -> Result<FullText, IndexError> {
        FullText::open(&self.path_of(knowledge_base).join(TEXT))
    }

    /// The vectors of a knowledge base by one embedder, as they were last saved; none yet where they never were.
    ///
    /// # Errors
    /// [`IndexError::Damaged`] if they have to be made anew: begin with [`Vectors::new`], apply everything, save.
    pub fn vectors(&self, knowledge_base: Uuid, pin: Pin) -> Result<Vectors, IndexError> {
        let file = self.path_of(knowledge_base).join(name_of(&pin));
        Ok(Vectors::load(&file, pin.clone())?.unwrap_or_else(|| Vectors::new(pin)))
    }

    /// Keeps vectors for the next start, in place of those by the same embedder.
    ///
    /// # Errors
    /// If they cannot be written; what was there is still there.
    pub fn save_vectors(&self, knowledge_base: Uuid, vectors: &Vectors) -> Result<(), IndexError> {
        self.folder.create_dir_all(knowledge_base.to_string())?;
        vectors.save(&self.path_of(knowledge_base).join(name_of(vectors.pin())))
    }

    /// Removes the full text of a knowledge base. Nobody may have it open.
    ///
    /// # Errors
    /// If it cannot be removed.
    pub fn forget_full_text(&self, knowledge_base: Uuid) -> Result<(), IndexError> {
        gone(self.folder.remove_dir_all(Path::new(&knowledge_base.to_string()).join(TEXT)))
    }

    /// Removes the saved vectors of a knowledge base by one embedder.
    ///
    /// # Errors
    /// If they cannot be removed.
    pub fn forget_vectors(&self, knowledge_base: Uuid, pin: &Pin) -> Result<(), IndexError> {
        gone(self.folder.remove_file(Path::new(&knowledge_base.to_string()).join(name_of(pin))))
    }

    /// Removes the saved vectors of a knowledge base by all embedders but these.
    ///
    /// # Errors
    /// If they cannot be removed.
    pub fn forget_other_vectors(&self, knowledge_base: Uuid, wanted: &[Pin]) -> Result<(), IndexError> {
        let wanted: Vec<String> = wanted.iter().map(name_of).collect();
        let folder = PathBuf::from(knowledge_base.to_string());
        let entries = match self.folder.read_dir(&folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            entries => entries?,
        };
        for entry in entries {
            let name = entry?.file_name();
            let is_other = |name: &str| name.starts_with(VECTORS) && !wanted.iter().any(|it| it == name);
            if name.to_str().is_some_and(is_other) {
                gone(self.folder.remove_file(folder.join(&name)))?;
            }
        }
        Ok(())
    }

    /// Removes everything of a knowledge base. Nobody may have it open.
    ///
    /// # Errors
    /// If it cannot be removed.
    pub fn forget(&self, knowledge_base: Uuid) -> Result<(), IndexError> {
        gone(self.folder.remove_dir_all(knowledge_base.to_string()))
    }

    fn path_of(&self, knowledge_base: Uuid) -> PathBuf {
        self.path.join(knowledge_base.to_string())
    }
}

/// A file name for any model's id.
fn name_of(pin: &Pin) -> String {
    let digest = Sha256::digest(format!("{}\0{}", pin.model, pin.dimension));
    let shown: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    format!("{VECTORS}{shown}")
}

/// What is not there has been removed.
fn gone(removed: io::Result<()>) -> Result<(), IndexError> {
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use serde_json::Map;

    use super::*;
    use crate::change::{Change, Filter, Passage};
    use crate::vectors::{Rounded, VectorChange};

    fn pin(model: &str) -> Pin {
        Pin { model: model.to_owned(), dimension: 2 }
    }

    /// A knowledge base with one passage, and its vectors by two embedders.
    fn fill(place: &Place, knowledge_base: Uuid, word: &str) {
        let (chunk, document) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let passage = Passage { chunk, document, text: word.to_owned(), metadata: Map::new() };
        place.full_text(knowledge_base).unwrap().apply([Change::Add(passage)], 3).unwrap();
        for model in ["a", "../b/\0"] {
            let mut vectors = place.vectors(knowledge_base, pin(model)).unwrap();
            let vector = Rounded::of(&[1.0, 2.0]).unwrap();
            vectors.apply([VectorChange::Set { chunk, document, vector }], 3).unwrap();
            place.save_vectors(knowledge_base, &vectors).unwrap();
        }
    }

    #[test]
    fn each_knowledge_base_has_its_own_and_leaves_nothing() {
        let root = tempfile::tempdir().unwrap();
        let place = Place::open(&root.path().join("search")).unwrap();
        let (one, two) = (Uuid::from_u128(17), Uuid::from_u128(18));
        fill(&place, one, "wing");
        fill(&place, two, "tail");
        let found = |knowledge_base, word: &str| {
            let index = place.full_text(knowledge_base).unwrap();
            index.search(word, &Filter::default(), 9).unwrap().len()
        };
        assert_eq!((found(one, "wing"), found(one, "tail"), found(two, "tail")), (1, 0, 1));

        place.forget_full_text(one).unwrap();
        place.forget_vectors(one, &pin("a")).unwrap();
        assert_eq!((found(one, "wing"), place.full_text(one).unwrap().reached()), (0, 0));
        let lengths = ["a", "../b/\0"].map(|model| place.vectors(one, pin(model)).unwrap().len());
        assert_eq!(lengths, [0, 1]);

        place.forget(one).unwrap();
        place.forget(one).unwrap();
        assert_eq!(place.knowledge_bases().unwrap(), [two]);
        let names: Vec<_> = fs::read_dir(root.path().join("search")).unwrap().collect();
        assert_eq!(names.len(), 1, "{names:?}");
        assert_eq!((found(two, "tail"), place.vectors(two, pin("a")).unwrap().reached()), (1, 3));
    }
}
