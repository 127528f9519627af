//! From what is desired to what is live.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use hardpoint_runtime::{BindingSpec, Generation, Opening};
use hardpoint_store::plugins::{self, Plugin, State};
use hardpoint_store::{Lane, StoreError, revision};
use tokio::task::JoinError;

use super::Keeper;
use super::carry_out::carry_out;
use super::decide::{Change, Decision, Loaded, decide};
use super::whereabouts::Unloaded;
use crate::service::effective::Effective;
use crate::service::plugins::arranged::Arranged;

/// A change can make another one due (a candidate that is rejected lets an older one in), but not for ever.
const ROUNDS: usize = 8;

/// The desired state at one revision.
struct Desired {
    versions: BTreeMap<String, Vec<Plugin>>,
    arranged: Arranged,
    revision: i64,
}

impl Keeper {
    /// Whether the store has changed since it was last read.
    pub(super) async fn is_stale(&mut self) -> bool {
        let asked = async { revision(&mut self.app.store.read().await?).await };
        match asked.await {
            Ok(now) => self.revision != Some(now),
            Err(error) => {
                self.store_trouble("asking for the store's revision", &error);
                false
            }
        }
    }

    /// Makes live what is desired, as far as it can be now; the rest follows when its loads are done.
    pub(super) async fn reconcile(&mut self) {
        for _ in 0..ROUNDS {
            let desired = match self.desired().await {
                Ok(desired) => desired,
                Err(error) => return self.store_trouble("reading the desired plugins", &error),
            };
            self.revision = Some(desired.revision);
            let config = self.app.effective().config.clone();
            let (mut changes, mut decisions) = (Vec::new(), Vec::new());
            for versions in desired.versions.values() {
                let loaded = |digest: &str| self.loaded.get(digest).cloned().unwrap_or(Loaded::NotYet);
                let decision = decide(&config, versions, &desired.arranged, &loaded);
                for (digest, change) in &decision.changes {
                    let row = find(versions, digest).filter(|row| change.is_worth_writing(row));
                    changes.extend(row.map(|row| (row.clone(), change.clone())));
                }
                decisions.push((versions, decision));
            }
            if changes.is_empty() {
                let turned = self.turned(&decisions);
                self.load_and_publish(decisions, desired.arranged.openings(&config));
                return self.tell_idle(turned).await;
            }
            for (row, change) in changes {
                if let Err(error) = self.write(row, change).await {
                    return self.store_trouble("changing a plugin's state", &error);
                }
            }
        }
        // Two hosts that disagree, most likely; the next tick goes on.
        self.dirty = true;
    }

    async fn desired(&self) -> Result<Desired, StoreError> {
        let mut conn = self.app.store.read().await?;
        // The revision first: what is read after it is at least as new.
        let revision = revision(&mut conn).await?;
        let mut versions: BTreeMap<String, Vec<Plugin>> = BTreeMap::new();
        for row in plugins::list(&mut conn).await? {
            versions.entry(row.id.clone()).or_default().push(row);
        }
        let arranged = Arranged::read(&mut conn).await?;
        self.app.adopt(Effective::read(&mut conn, &self.app.config).await?);
        Ok(Desired { versions, arranged, revision })
    }

    async fn write(&self, row: Plugin, change: Change) -> Result<(), StoreError> {
        let (now, rng) = (self.app.clock.now(), self.app.rng.clone());
        let config = self.app.effective().config.clone();
        let (decided_on, wanted) = (row.clone(), change.clone());
        let write = self.app.store.write(Lane::Request, move |tx| {
            Box::pin(async move { carry_out(tx, &config, &decided_on, &wanted, now, &*rng).await })
        });
        if !write.await? {
            tracing::debug!(plugin = row.id, version = row.version, "changed meanwhile: to be decided anew");
            return Ok(());
        }
        let (state, reason) = (change.state(), change.reason());
        tracing::info!(plugin = row.id, version = row.version, state = state.as_str(), reason, "plugin");
        if state == State::Active {
            self.app.metrics.plugin_load("activated");
        }
        Ok(())
    }

    fn load_and_publish(&mut self, decisions: Vec<(&Vec<Plugin>, Decision)>, openings: Vec<Opening>) {
        let mut wanted = HashSet::new();
        let (mut generations, mut bindings) = (Vec::new(), Vec::new());
        for (versions, decision) in decisions {
            for digest in decision.load {
                wanted.insert(digest.clone());
                if let Some(row) = find(versions, &digest)
                    && !self.loaded.contains_key(&digest)
                {
                    self.load(row);
                }
            }
            wanted.extend(
                versions.iter().filter(|row| row.state == State::Active).map(|row| row.digest.clone()),
            );
            if let Some((generation, specs)) = decision.serve {
                wanted.insert(generation.inspection().digest.clone());
                generations.push(generation);
                bindings.push(specs);
            }
        }
        self.loaded.retain(|digest, _| wanted.contains(digest));
        let published = Published {
            generations: generations.iter().map(|generation| generation.number()).collect(),
            bindings: bindings.into_iter().flatten().collect(),
            openings,
        };
        if self.published.as_ref() != Some(&published) {
            tracing::debug!(plugins = generations.len(), "catalogue published");
            let Published { bindings, openings, .. } = published.clone();
            self.app.runtime.publish_to(openings, generations, bindings);
            self.published = Some(published);
        }
    }

    /// Begins to load a version's bytes, beside everything else.
    fn load(&mut self, row: &Plugin) {
        self.loaded.insert(row.digest.clone(), Loaded::NotYet);
        let (whereabouts, runtime, digest) =
            (self.whereabouts(row), self.app.runtime.clone(), row.digest.clone());
        let places = self.places.clone();
        self.loads.spawn(async move {
            let loading = async {
                let _place = places.acquire().await.map_err(Unloaded::failed)?;
                let bytes = whereabouts.bytes(&digest).await.map_err(Unloaded::Missing)?;
                runtime.load(bytes).await.map_err(Unloaded::failed)
            };
            let loaded = loading.await;
            (digest, loaded)
        });
    }

    /// Takes the outcome of a load.
    pub(super) fn note_load(
        &mut self,
        outcome: Result<(String, Result<Arc<Generation>, Unloaded>), JoinError>,
    ) {
        match outcome {
            Ok((digest, Ok(generation))) => {
                tracing::info!(digest, plugin = ?generation, "loaded");
                self.loaded.insert(digest, Loaded::Ready(generation));
            }
            Ok((digest, Err(Unloaded::Failed(reason)))) => {
                tracing::warn!(digest, reason, "not loaded");
                self.app.metrics.plugin_load("failed");
                self.loaded.insert(digest, Loaded::Failed(reason));
            }
            Ok((digest, Err(Unloaded::Missing(lack)))) => {
                tracing::warn!(digest, reason = lack.reason, "not loaded yet");
                self.loaded.insert(digest, Loaded::Missing(lack));
            }
            // A panic on the way: whichever it was is begun again.
            Err(error) => {
                tracing::error!(%error, "loading a plugin failed");
                self.loaded.retain(|_, loaded| !matches!(loaded, Loaded::NotYet));
                self.dirty = true;
            }
        }
    }
}

/// What was made live, to see whether it is to be something else.
#[derive(Clone, PartialEq)]
pub(super) struct Published {
    generations: Vec<u64>,
    bindings: Vec<BindingSpec>,
    openings: Vec<Opening>,
}

fn find<'a>(versions: &'a [Plugin], digest: &str) -> Option<&'a Plugin> {
    versions.iter().find(|row| row.digest == digest)
}
