//! A step taken: what the desk and the hosts make of it, and what the operator said by it.

use hardpoint_domain::manifest::Kind;
use hardpoint_store::Lane;
use hardpoint_store::plugins::{NewPlugin, Source, State};
use serde_json::{Value, json};

use super::life::{BASES, MADE, Published, Step};
use super::{ID, World};
use crate::service::events::Author;
use crate::service::plugins::DeskError;
use crate::service::plugins::bind::NewBinding;
use crate::service::plugins::upload::keep;

impl World {
    /// Does it, if it can be done, and notes what the operator said by it.
    pub(super) async fn take(&mut self, step: &Step) {
        let author = Author::cli();
        let before = self.versions().await;
        let digest = |which: &Option<usize>| which.map(|which| self.bytes[which].digest.clone());
        let binding =
            |which: &Option<usize>| Some(self.bindings.get((*which)?).unwrap_or(&self.bindings[0]).0);
        let goes_on = matches!(
            step,
            Step::Unpublish(_) | Step::Break(_) | Step::Restart(_) | Step::Pause | Step::Resume
        );
        if !goes_on {
            self.back = None;
        }
        self.stays = None;
        match step {
            Step::Publish(which, Published::File(file)) => self.publish(*which, *file).await,
            Step::Publish(which, Published::Upload) => self.upload(*which).await,
            Step::Unpublish(file) => self.unpublish(*file).await,
            Step::Break(which) => self.broken.extend(digest(&Some(*which))),
            Step::Restart(host) => self.restart(*host).await,
            Step::Grant(which, bound) => {
                let (digest, bound) = (digest(which), binding(bound));
                let granted = self.desk.grant(&author, ID, digest.as_deref(), bound).await;
                let Some(granted) = done(granted) else { return };
                let bytes = self.bytes.iter().find(|bytes| bytes.digest == granted.version.digest).unwrap();
                for (name, settings) in &self.bindings {
                    if self.is_there(name) && bound.is_none_or(|bound| bound == *name) {
                        self.allowed.entry(name).or_default().extend(bytes.asks(settings));
                    }
                }
                if !matches!(granted.version.state, State::Active | State::Paused | State::PendingApproval) {
                    self.publishers.remove(&granted.version.digest);
                }
                self.approved.insert(granted.version.digest);
            }
            Step::Revoke(bound) => {
                let bound = binding(bound);
                if done(self.desk.revoke(&author, ID, bound).await).is_some() {
                    self.allowed.retain(|name, _| bound.is_some_and(|bound| bound != *name));
                }
            }
            Step::RollBack(which) => {
                let digest = digest(which);
                let row = self.desk.roll_back(&author, ID, digest.as_deref()).await;
                let Some(back) = done(row) else { return };
                let back = back.version.digest;
                if digest.is_none() {
                    let is_before = |digest: &&String| {
                        let row = before.iter().find(|row| row.digest == **digest);
                        row.is_some_and(|row| row.state == State::Superseded && row.served_at.is_some())
                    };
                    assert_eq!(self.served.iter().rfind(is_before), Some(&back), "the one before");
                }
                self.publishers.remove(&back);
                self.approved.insert(back.clone());
                self.back = Some(back);
            }
            Step::Bind(which) => {
                let settings = json!({ "base": BASES[*which] });
                let Value::Object(members) = settings.clone() else { unreachable!() };
                let new = NewBinding { settings: members, ..NewBinding::default() };
                if done(self.desk.bind(&author, ID, MADE, new).await).is_some() {
                    self.made = true;
                    self.bindings.retain(|(name, _)| *name != MADE);
                    self.bindings.push((MADE, settings));
                }
            }
            Step::Unbind => {
                if done(self.desk.unbind(&author, ID, MADE).await).is_some() {
                    self.made = false;
                    self.allowed.remove(MADE);
                }
            }
            Step::Pause => drop(done(self.desk.pause(&author, ID).await)),
            Step::Resume => {
                if let Some(resumed) = done(self.desk.resume(&author, ID).await) {
                    self.serves(resumed.digest);
                }
            }
            Step::Discard => {
                let gone = done(self.desk.discard(&author, ID, None).await);
                if let Some(gone) = gone.filter(|gone| gone.version.served_at.is_none()) {
                    self.approved.remove(&gone.version.digest);
                }
            }
            Step::Remove => {
                if done(self.desk.remove(&author, ID).await).is_some() {
                    self.allowed.clear();
                    self.approved.clear();
                    self.made = false;
                }
            }
        }
    }

    async fn upload(&mut self, which: usize) {
        let new = self.new_version(which, Source::Upload);
        let (now, digest) = (self.desk.clock.now(), new.digest.clone());
        let written = self
            .desk
            .store
            .write(Lane::Request, move |tx| Box::pin(async move { keep(tx, &new, None, now).await }));
        if written.await.unwrap() {
            self.publishers.remove(&digest);
            self.approved.remove(&digest);
        }
    }

    pub(super) fn new_version(&self, which: usize, source: Source) -> NewPlugin {
        let bytes = self.bytes[which].clone();
        let file_name = Some(if source == Source::Folder { "any.wasm" } else { "upload.wasm" }.to_owned());
        NewPlugin {
            id: ID.to_owned(),
            digest: bytes.digest,
            version: bytes.version.to_owned(),
            kind: Kind::Tool,
            size: 1,
            manifest: bytes.manifest,
            source,
            file_name,
        }
    }
}

/// What came of it; nothing where it made no sense.
fn done<T>(outcome: Result<T, DeskError>) -> Option<T> {
    match outcome {
        Ok(done) => Some(done),
        Err(DeskError::Store(error)) => panic!("{error}"),
        Err(_) => None,
    }
}
