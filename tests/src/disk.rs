//! A disk that loses power or becomes full, under the database's files of a host; full, under its blobs and search data too.
//!
//! The host runs with a library before the system's own (`disk/shim.c`), which keeps a journal of what was written and
//! what was synced. A power cut is a `kill -9` and then [`Disk::lose_power`]: the files are put back to what was synced,
//! and of the rest nothing is left, or some of it, as disks do: any sectors of any writes.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::host::Options;

/// What a disk writes whole.
const SECTOR: usize = 512;
const HEAD: usize = 24;

/// What is left of what was not synced.
#[derive(Clone, Copy, Debug)]
pub enum Left {
    /// Nothing.
    Nothing,
    /// Half of the sectors, chosen by this seed.
    Some(u64),
}

/// A disk. What is on it is known by the names of its files.
pub struct Disk {
    folder: TempDir,
    synced: BTreeMap<String, Vec<u8>>,
}

/// A change that was not synced when the journal ends.
enum Change {
    Write(usize, Vec<u8>),
    Truncate(usize),
    Unlink,
}

impl Disk {
    /// An empty one. Compiles the library.
    pub fn new() -> Self {
        let folder = TempDir::with_prefix("hardpoint-disk-").expect("a temporary folder");
        let source = folder.path().join("shim.c");
        fs::write(&source, include_str!("disk/shim.c")).expect("the source written");
        let built = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-o"])
            .args([&folder.path().join("shim.so"), &source])
            .status()
            .expect("a C compiler");
        assert!(built.success(), "the library was not built");
        Self { folder, synced: BTreeMap::new() }
    }

    /// A host on it, its commands too.
    pub fn under(&self, options: Options) -> Options {
        let path = |name: &str| self.path(name).display().to_string();
        options
            .env("LD_PRELOAD", &path("shim.so"))
            .env("HARDPOINT_DISK_JOURNAL", &path("journal"))
            .env("HARDPOINT_DISK_FULL", &path("full"))
    }

    /// From now on nothing can be written.
    pub fn fill(&self) {
        fs::write(self.path("full"), "").expect("a mark");
    }

    /// There is room again.
    pub fn make_room(&self) {
        fs::remove_file(self.path("full")).expect("a mark");
    }

    /// Puts the files in `data` back to what is there after a power cut. Nobody may be at them. Says how many changes
    /// had not been synced.
    pub fn lose_power(&mut self, data: &Path, left: Left) -> usize {
        let mut sectors = Sectors(left);
        let mut lost = 0;
        for (name, changes) in self.read_journal() {
            lost += changes.len();
            let file = self.synced.get(&name).cloned();
            match remains(file, changes, &mut sectors) {
                Some(file) => self.synced.insert(name, file),
                None => self.synced.remove(&name),
            };
        }
        fs::write(self.path("journal"), "").expect("the journal emptied");
        for entry in fs::read_dir(data).expect("the data folder").flatten() {
            if entry.file_name().to_string_lossy().starts_with("hardpoint.db") {
                fs::remove_file(entry.path()).expect("a file removed");
            }
        }
        for (name, file) in &self.synced {
            fs::write(data.join(name), file).expect("a file written");
        }
        lost
    }

    /// Whether the journal tells of everything that is in the file: with all of it, the file is as it is.
    pub fn knows(&self, data: &Path, name: &str) -> bool {
        let mut known = Self { folder: TempDir::new().expect("a folder"), synced: self.synced.clone() };
        fs::copy(self.path("journal"), known.path("journal")).expect("the journal copied");
        let open = known.read_journal().remove(name).unwrap_or_default();
        let mut file = known.synced.get(name).cloned();
        open.into_iter().for_each(|change| change.happen(&mut file));
        file.as_deref() == fs::read(data.join(name)).ok().as_deref()
    }

    /// Carries out what was synced, and gives what was not, by the name of the file.
    fn read_journal(&mut self) -> BTreeMap<String, Vec<Change>> {
        let journal = fs::read(self.path("journal")).expect("a journal");
        let mut rest = &journal[..];
        let mut open = BTreeMap::<String, Vec<Change>>::new();
        while rest.len() >= HEAD {
            let number = |at: usize, length: usize| {
                rest[at..at + length].iter().rev().fold(0, |sum, byte| (sum << 8) | usize::from(*byte))
            };
            let (what, name, place, data) = (rest[0], number(4, 4), number(8, 8), number(16, 8));
            if rest.len() < HEAD + name + data {
                break; // It was killed over it.
            }
            let (name, after) = rest[HEAD..].split_at(name);
            let (data, after) = after.split_at(data);
            rest = after;
            let name = String::from_utf8_lossy(name).into_owned();
            if what == b'd' {
                open.iter_mut().for_each(|(name, changes)| self.sync_removal(name, changes));
                continue;
            }
            let changes = open.entry(name.clone()).or_default();
            match what {
                b'w' => changes.push(Change::Write(place, data.to_vec())),
                b't' => changes.push(Change::Truncate(place)),
                b'u' => changes.push(Change::Unlink),
                _ => {
                    let mut file = self.synced.remove(&name);
                    changes.drain(..).for_each(|change| change.happen(&mut file));
                    // Syncing a new file keeps its name too.
                    self.synced.insert(name, file.unwrap_or_default());
                }
            }
        }
        open
    }

    /// Syncing a folder keeps what was removed from it removed.
    fn sync_removal(&mut self, name: &str, changes: &mut Vec<Change>) {
        if let Some(last) = changes.iter().rposition(|change| matches!(change, Change::Unlink)) {
            changes.drain(..=last);
            self.synced.remove(name);
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

impl Default for Disk {
    fn default() -> Self {
        Self::new()
    }
}

impl Change {
    fn happen(self, file: &mut Option<Vec<u8>>) {
        match self {
            Self::Write(place, data) => {
                let file = file.get_or_insert_default();
                file.resize(file.len().max(place + data.len()), 0);
                file[place..place + data.len()].copy_from_slice(&data);
            }
            Self::Truncate(length) => file.get_or_insert_default().resize(length, 0),
            Self::Unlink => *file = None,
        }
    }
}

/// What is left of a file, with those of the changes that came through. What came after a removal that did not is of
/// another file of that name, and gone with it.
fn remains(mut file: Option<Vec<u8>>, changes: Vec<Change>, sectors: &mut Sectors) -> Option<Vec<u8>> {
    for change in changes {
        match change {
            Change::Write(place, data) => {
                for (at, sector) in data.chunks(SECTOR).enumerate() {
                    if sectors.is_next_kept() {
                        Change::Write(place + at * SECTOR, sector.to_vec()).happen(&mut file);
                    }
                }
            }
            Change::Unlink if !sectors.is_next_kept() => break,
            Change::Truncate(_) if !sectors.is_next_kept() => {}
            change => change.happen(&mut file),
        }
    }
    file
}

/// Which sectors come through.
struct Sectors(Left);

impl Sectors {
    fn is_next_kept(&mut self) -> bool {
        let Left::Some(state) = &mut self.0 else { return false };
        // SplitMix64.
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) & 1 == 1
    }
}
