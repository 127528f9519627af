//! The folders of two hosts, as each host looks through its own.

use std::collections::HashSet;

use hardpoint_store::Lane;
use hardpoint_store::plugins::{Plugin, Source, State};

use super::life::HOSTS;
use super::{ID, World};
use crate::worker::reload::publish::{Arrival, Place, take_away, take_in};
use crate::worker::reload::scan::try_again;

impl World {
    pub(super) async fn publish(&mut self, which: usize, file: usize) {
        self.writes += 1;
        self.files[file] = Some((self.bytes[which].digest.clone(), self.writes));
        self.look(file % HOSTS.len(), Some(file)).await;
    }

    /// What is here otherwise stays as it is, but for what waits.
    pub(super) async fn unpublish(&mut self, file: usize) {
        let host = file % HOSTS.len();
        if self.files[file].take().is_none() {
            return;
        }
        let mut others = self.versions().await;
        others.retain(|row| self.publishers.get(&row.digest) != Some(&host));
        let serves = |row: &&Plugin| matches!(row.state, State::Active | State::Paused);
        self.stays = others.iter().find(serves).map(|row| row.digest.clone());
        self.look(host, None).await;
        let after = self.versions().await;
        for row in others.iter().filter(|row| row.state != State::PendingApproval) {
            let is_back = self.publishers.get(&row.digest) == Some(&host);
            assert!(is_back || after.contains(row), "{row:?} was none of {}'s: {after:?}", HOSTS[host]);
        }
    }

    /// The file of a host with the highest version speaks, or the one of these that was written last.
    fn speaker(&self, host: usize) -> Option<(usize, String)> {
        let files = self.files.iter().enumerate().filter(|(file, _)| file % HOSTS.len() == host);
        let held = files.filter_map(|(file, held)| Some((file, held.as_ref()?)));
        let version =
            |digest: &String| self.bytes.iter().find(|bytes| bytes.digest == *digest).unwrap().version;
        let (file, (digest, _)) = held.max_by_key(|(_, (digest, write))| (version(digest), *write))?;
        Some((file, digest.clone()))
    }

    /// As a host does it that looks through its folder after one of its files was written, or went.
    async fn look(&mut self, host: usize, written: Option<usize>) {
        let (before, now) = (self.speaking[host].take(), self.desk.clock.now());
        let (speaks, rng) = (self.speaker(host), self.rng.clone());
        self.speaking[host] = speaks.clone();
        let Some((file, digest)) = speaks else {
            if before.is_some() {
                let written = self.desk.store.write(Lane::Request, move |tx| {
                    Box::pin(async move { take_away(tx, ID, "any.wasm", HOSTS[host], now, &*rng).await })
                });
                written.await.unwrap();
            }
            return;
        };
        if before == self.speaking[host] && written != Some(file) {
            return;
        }
        let is_renamed = before.as_ref().is_some_and(|(spoke, held)| *spoke != file && *held == digest);
        let place = Place {
            host: HOSTS[host].to_owned(),
            before: before.map(|(_, digest)| digest),
            is_written: written == Some(file) && !is_renamed,
            is_shared: true,
            may_lag: false,
        };
        let which = self.bytes.iter().position(|bytes| bytes.digest == digest).unwrap();
        let new = self.new_version(which, Source::Folder);
        let written = self.desk.store.write(Lane::Request, move |tx| {
            Box::pin(async move { take_in(tx, &new, &place, now, &*rng).await })
        });
        if written.await.unwrap() != Arrival::Copy {
            self.publishers.insert(digest, host);
        }
    }

    pub(super) async fn restart(&mut self, host: usize) {
        self.broken.clear();
        let spoken_for: HashSet<String> =
            self.speaking[host].iter().map(|(_, digest)| digest.clone()).collect();
        let written = self
            .desk
            .store
            .write(Lane::Request, move |tx| Box::pin(async move { try_again(tx, None, &spoken_for).await }));
        written.await.unwrap();
    }
}
