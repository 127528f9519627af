//! What became of each file in the plugins folder, and which file speaks for which plugin.

use std::collections::BTreeMap;
use std::time::Duration;

use hardpoint_store::plugin_files::PluginFile;
use hardpoint_store::plugins::{Plugin, State};
use semver::Version;
use tokio::time::Instant;

use super::folder::Signature;

/// What became of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileState {
    /// Not to be loaded as it is, but young: it may still be on its way.
    Copying(String),
    /// Not to be loaded, for this reason.
    Rejected(String),
    /// A version of a plugin; what became of that is the plugin's affair.
    Version {
        /// The plugin's id.
        id: String,
        /// Its version, as the manifest says.
        version: String,
        /// SHA-256 of its bytes.
        digest: String,
    },
}

/// A file as it was seen last.
#[derive(Clone, Debug)]
pub struct SeenFile {
    /// None for what is no file that could be read.
    pub signature: Option<Signature>,
    /// What became of it.
    pub state: FileState,
    /// Since when it has this signature, as far as this process knows.
    since: Instant,
    /// Since when it is missing.
    missing_since: Option<Instant>,
}

impl SeenFile {
    /// Whether the same would be noted of it for later processes.
    pub(super) fn is_noted_like(&self, other: &Self) -> bool {
        self.state == other.state && self.is_as_large_and_old(other)
    }

    /// Whether it was written since. Of what an earlier process noted, other times alone tell nothing: a new image
    /// touches every file.
    pub(super) fn is_written_again(&self, now: &Self) -> bool {
        let was_seen = self.signature.is_some_and(|signature| !signature.is_noted());
        if was_seen {
            return self.signature != now.signature || self.state != now.state;
        }
        let was_bad = !matches!(self.state, FileState::Version { .. });
        self.state != now.state && !(was_bad && self.is_as_large_and_old(now))
    }

    fn is_as_large_and_old(&self, other: &Self) -> bool {
        let noted = |file: &Self| file.signature.map(|signature| (signature.size, signature.mtime));
        noted(self) == noted(other)
    }
}

/// All files of the folder.
#[derive(Clone, Debug, Default)]
pub struct Files {
    seen: BTreeMap<String, SeenFile>,
    settle: Duration,
}

impl Files {
    /// None yet. `settle` is how long a file must be unchanged before it is given up, and missing before
    /// it is gone.
    pub fn new(settle: Duration) -> Self {
        Self { seen: BTreeMap::new(), settle }
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&String, &SeenFile)> {
        self.seen.iter()
    }

    /// What was seen under a name.
    pub fn get(&self, name: &str) -> Option<&SeenFile> {
        self.seen.get(name)
    }

    /// A file that holds the version with this digest.
    pub fn holding(&self, digest: &str) -> Option<(&str, Signature)> {
        let holds = |file: &SeenFile| matches!(&file.state, FileState::Version { digest: held, .. } if held == digest);
        let (name, file) = self.seen.iter().find(|(_, file)| holds(file))?;
        Some((name, file.signature?))
    }

    /// Whether a file with this signature has to be looked at: it is new, changed, or may have been on its way.
    pub fn is_due(&self, name: &str, signature: Signature) -> bool {
        self.seen.get(name).is_none_or(|known| {
            known.signature != Some(signature) || matches!(known.state, FileState::Copying(_))
        })
    }

    /// Whether something is still on its way, so that another look will be needed soon.
    pub fn is_unsettled(&self) -> bool {
        self.seen
            .values()
            .any(|file| matches!(file.state, FileState::Copying(_)) || file.missing_since.is_some())
    }

    /// Notes what a file turned out to be. What cannot be loaded counts as on its way while it is young.
    pub fn note(
        &mut self,
        name: &str,
        signature: Option<Signature>,
        found: Result<FileState, String>,
        now: Instant,
    ) {
        let since = match self.seen.get(name) {
            Some(known) if known.signature == signature => known.since,
            _ => now,
        };
        let state = match found {
            Ok(state) => state,
            Err(reason) if now.duration_since(since) < self.settle => FileState::Copying(reason),
            Err(reason) => FileState::Rejected(reason),
        };
        self.seen.insert(name.to_owned(), SeenFile { signature, state, since, missing_since: None });
    }

    /// A file as an earlier process noted it, with the version that it held; to be looked at all the same.
    pub fn recall(&mut self, noted: PluginFile, held: Option<&Plugin>, now: Instant) {
        let signature = Signature::noted(noted.size, noted.mtime.micros());
        let state = match held {
            Some(held) if noted.state != State::Rejected => FileState::Version {
                id: held.id.clone(),
                version: held.version.clone(),
                digest: held.digest.clone(),
            },
            _ => FileState::Rejected(noted.reason.unwrap_or_default()),
        };
        let seen = SeenFile { signature: Some(signature), state, since: now, missing_since: None };
        self.seen.insert(noted.name, seen);
    }

    /// Forgets what was found bad, so that it is looked at again.
    pub fn forget_rejected(&mut self) {
        self.seen.retain(|_, file| !matches!(file.state, FileState::Rejected(_)));
    }

    /// Notes which names are there, and gives those that have been missing for long enough to be gone.
    pub fn missing<'a>(&mut self, present: impl Fn(&str) -> bool + 'a, now: Instant) -> Vec<String> {
        let mut gone = Vec::new();
        for (name, file) in &mut self.seen {
            if present(name) {
                file.missing_since = None;
            } else if now.duration_since(*file.missing_since.get_or_insert(now)) >= self.settle {
                gone.push(name.clone());
            }
        }
        for name in &gone {
            self.seen.remove(name);
        }
        gone
    }

    /// The file that speaks for each plugin: of two, the one with the higher version, else the newer one.
    pub fn winners(&self) -> BTreeMap<String, (String, String)> {
        let mut winners: BTreeMap<String, (String, String)> = BTreeMap::new();
        for (name, file) in &self.seen {
            let FileState::Version { id, digest, .. } = &file.state else { continue };
            let beaten = winners.get(id).is_some_and(|(rival, _)| self.rank(rival) >= self.rank(name));
            if !beaten {
                winners.insert(id.clone(), (name.clone(), digest.clone()));
            }
        }
        winners
    }

    /// Whether this file would speak for its plugin if the one of these that does were not missing, perhaps for good.
    pub(super) fn waits_for_missing(
        &self,
        name: &str,
        speaking: &BTreeMap<String, (String, String)>,
    ) -> bool {
        let Some(FileState::Version { id, .. }) = self.get(name).map(|file| &file.state) else {
            return false;
        };
        let speaker = speaking.get(id).and_then(|(speaker, _)| self.get(speaker));
        speaker.is_some_and(|speaker| speaker.missing_since.is_some())
    }

    fn rank(&self, name: &str) -> Option<(Option<Version>, i64)> {
        let file = self.seen.get(name)?;
        let FileState::Version { version, .. } = &file.state else { return None };
        Some((Version::parse(version).ok(), file.signature?.mtime))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worker::reload::folder::{Entry, Folder};

    fn version(id: &str, version: &str) -> Result<FileState, String> {
        let digest = format!("{id}-{version}");
        Ok(FileState::Version { id: id.to_owned(), version: version.to_owned(), digest })
    }

    fn signature(text: &str) -> Signature {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join("a.wasm"), text).unwrap();
        let Entry::File(signature) = Folder::at(home.path()).unwrap().entries().unwrap()["a.wasm"] else {
            panic!()
        };
        signature
    }

    #[tokio::test(start_paused = true)]
    async fn a_bad_file_is_on_its_way_until_it_has_settled() {
        let mut files = Files::new(Duration::from_secs(2));
        let (half, more) = (signature("ha"), signature("half"));
        let state = |files: &Files| files.seen["a.wasm"].state.clone();
        files.note("a.wasm", Some(half), Err("cut short".into()), Instant::now());
        assert_eq!(state(&files), FileState::Copying("cut short".into()));
        assert!(files.is_due("a.wasm", half), "looked at again though unchanged");
        tokio::time::advance(Duration::from_millis(1_900)).await;
        files.note("a.wasm", Some(more), Err("cut short".into()), Instant::now());
        tokio::time::advance(Duration::from_millis(1_900)).await;
        files.note("a.wasm", Some(more), Err("cut short".into()), Instant::now());
        assert_eq!(state(&files), FileState::Copying("cut short".into()), "it changed in between");
        tokio::time::advance(Duration::from_millis(100)).await;
        files.note("a.wasm", Some(more), Err("cut short".into()), Instant::now());
        assert_eq!(state(&files), FileState::Rejected("cut short".into()));
        assert!(!files.is_due("a.wasm", more), "not tried again until it changes");
        assert!(files.is_due("a.wasm", half));
    }

    #[tokio::test(start_paused = true)]
    async fn a_file_that_is_replaced_is_not_gone() {
        let mut files = Files::new(Duration::from_secs(2));
        files.note("a.wasm", Some(signature("a")), version("a", "1.0.0"), Instant::now());
        assert!(files.missing(|_| false, Instant::now()).is_empty());
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(files.missing(|_| true, Instant::now()).is_empty());
        tokio::time::advance(Duration::from_secs(5)).await;
        assert!(files.missing(|_| false, Instant::now()).is_empty(), "missing anew");
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(files.missing(|_| false, Instant::now()), ["a.wasm"]);
    }

    #[tokio::test]
    async fn the_higher_version_speaks_for_a_plugin() {
        let mut files = Files::new(Duration::ZERO);
        let (one, two) = (signature("1"), signature("2"));
        files.note("x.wasm", Some(one), version("a", "1.10.0"), Instant::now());
        files.note("y.wasm", Some(two), version("a", "1.9.0"), Instant::now());
        files.note("z.wasm", Some(two), version("b", "0.1.0"), Instant::now());
        let winners = files.winners();
        assert_eq!(winners["a"].0, "x.wasm");
        assert_eq!(winners["b"].0, "z.wasm");
        files.note("x.wasm", Some(two), version("a", "1.9.0"), Instant::now());
        files.note("y.wasm", Some(one), version("a", "1.9.0"), Instant::now());
        let newer = if two.mtime >= one.mtime { "x.wasm" } else { "y.wasm" };
        assert_eq!(files.winners()["a"].0, newer);
    }
}
