//! The plugins folder: what is in it, and the bytes of one file. Everything is opened through a handle of
//! the folder, so that no name and no link leads out of it. Blocking; run it off the async workers.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use cap_std::ambient_authority;
use cap_std::fs::{Dir, Metadata, MetadataExt};

/// What changes when a file does. The change time cannot be set back by whoever copies with the old times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signature {
    /// In bytes.
    pub size: u64,
    /// Microseconds since the Unix epoch.
    pub mtime: i64,
    ctime: (i64, i64),
    inode: u64,
}

impl Signature {
    /// What an earlier process noted of one: not the same as that of any file that is seen.
    pub(super) fn noted(size: u64, mtime: i64) -> Self {
        Self { size, mtime, ctime: (0, 0), inode: 0 }
    }

    /// Whether it was only noted.
    pub(super) fn is_noted(&self) -> bool {
        self.inode == 0
    }

    fn of(metadata: &Metadata) -> Self {
        Self {
            size: metadata.len(),
            mtime: metadata.mtime().saturating_mul(1_000_000).saturating_add(metadata.mtime_nsec() / 1_000),
            ctime: (metadata.ctime(), metadata.ctime_nsec()),
            inode: metadata.ino(),
        }
    }
}

/// An entry of the folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A file that may be a component.
    File(Signature),
    /// Something that cannot be one, and why.
    Odd(String),
}

/// The bytes of a file, or why there are none.
#[derive(Clone, Debug)]
pub enum Content {
    /// All of them; the file did not change meanwhile.
    Whole(Bytes),
    /// The file changed while it was read.
    Changing,
    /// It is gone, or cannot be read.
    Unreadable(String),
}

/// The folder, by its path: opened anew each time, so that one that was replaced is noticed.
#[derive(Clone, Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// The folder at `path`; made if it is not there.
    pub fn at(path: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(path)?;
        Ok(Self(path.to_owned()))
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.0
    }

    fn open(&self) -> io::Result<Dir> {
        Dir::open_ambient_dir(&self.0, ambient_authority())
    }

    /// What is in it, by name. Hidden and unfinished files (`.x`, `x.part`, `x.tmp`, `x~`) are none of our business.
    pub fn entries(&self) -> io::Result<BTreeMap<String, Entry>> {
        let dir = self.open()?;
        let mut found = BTreeMap::new();
        for entry in dir.entries()? {
            let entry = entry?;
            let name = entry.file_name();
            let Some(text) = name.to_str() else {
                let shown = name.to_string_lossy().into_owned();
                found.insert(shown, Entry::Odd("its name is not UTF-8".to_owned()));
                continue;
            };
            if text.starts_with('.') || [".part", ".tmp", "~"].iter().any(|end| text.ends_with(end)) {
                continue;
            }
            found.insert(text.to_owned(), classify(&dir, text));
        }
        Ok(found)
    }

    /// What is there by this name, which is one of [`entries`](Self::entries).
    pub fn entry(&self, name: &str) -> io::Result<Entry> {
        Ok(classify(&self.open()?, name))
    }

    /// Reads a file that had this signature.
    pub fn read(&self, name: &str, expected: Signature) -> Content {
        match self.try_read(name, expected) {
            Ok(Some(bytes)) => Content::Whole(bytes),
            Ok(None) => Content::Changing,
            Err(error) => Content::Unreadable(error.to_string()),
        }
    }

    fn try_read(&self, name: &str, expected: Signature) -> io::Result<Option<Bytes>> {
        let mut file = self.open()?.open(name)?;
        if Signature::of(&file.metadata()?) != expected {
            return Ok(None);
        }
        let mut bytes = Vec::with_capacity(usize::try_from(expected.size).unwrap_or(0));
        // One byte more than there was shows that there is more now.
        Read::by_ref(&mut file).take(expected.size.saturating_add(1)).read_to_end(&mut bytes)?;
        let unchanged = bytes.len() as u64 == expected.size && Signature::of(&file.metadata()?) == expected;
        Ok(unchanged.then(|| bytes.into()))
    }
}

fn classify(dir: &Dir, name: &str) -> Entry {
    // Follows a link within the folder; one that leads out of it is refused.
    let metadata = match dir.metadata(name) {
        Ok(metadata) => metadata,
        Err(error) => return Entry::Odd(format!("it cannot be opened: {error}")),
    };
    if metadata.is_dir() {
        return Entry::Odd("a folder: plugins are files directly in the plugins folder".to_owned());
    }
    if !metadata.is_file() {
        return Entry::Odd("not a regular file".to_owned());
    }
    if !name.ends_with(".wasm") {
        return Entry::Odd("not taken for a component: its name does not end in .wasm".to_owned());
    }
    Entry::File(Signature::of(&metadata))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_regular_files_within_the_folder_are_read() {
        let outside = tempfile::tempdir().unwrap();
        std::fs::write(outside.path().join("secret.wasm"), "secret").unwrap();
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("plugins");
        let folder = Folder::at(&path).unwrap();
        std::fs::write(path.join("good.wasm"), "bytes").unwrap();
        std::fs::write(path.join("notes.txt"), "").unwrap();
        std::fs::write(path.join("half.wasm.part"), "").unwrap();
        std::fs::write(path.join(".hidden.wasm"), "").unwrap();
        std::fs::create_dir(path.join("sub.wasm")).unwrap();
        std::os::unix::fs::symlink(outside.path().join("secret.wasm"), path.join("out.wasm")).unwrap();
        std::os::unix::fs::symlink("good.wasm", path.join("link.wasm")).unwrap();

        let entries = folder.entries().unwrap();
        let names: Vec<&str> = entries.keys().map(String::as_str).collect();
        assert_eq!(names, ["good.wasm", "link.wasm", "notes.txt", "out.wasm", "sub.wasm"]);
        for name in ["good.wasm", "link.wasm"] {
            let Entry::File(signature) = entries[name] else { panic!("{name}: {:?}", entries[name]) };
            let Content::Whole(bytes) = folder.read(name, signature) else { panic!("{name}") };
            assert_eq!(bytes, "bytes");
        }
        for name in ["notes.txt", "out.wasm", "sub.wasm"] {
            assert!(matches!(entries[name], Entry::Odd(_)), "{name}: {:?}", entries[name]);
        }
    }

    #[test]
    fn a_file_that_changes_meanwhile_is_not_taken() {
        let home = tempfile::tempdir().unwrap();
        let folder = Folder::at(home.path()).unwrap();
        let file = home.path().join("a.wasm");
        std::fs::write(&file, "one").unwrap();
        let Entry::File(signature) = folder.entries().unwrap()["a.wasm"] else { panic!() };
        std::fs::write(&file, "three").unwrap();
        assert!(matches!(folder.read("a.wasm", signature), Content::Changing));
        std::fs::remove_file(&file).unwrap();
        assert!(matches!(folder.read("a.wasm", signature), Content::Unreadable(_)));
    }
}
