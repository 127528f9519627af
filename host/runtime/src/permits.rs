//! Room for calls: caps per plugin and per organisation. A call waits briefly for room, then is refused.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hardpoint_domain::failure::{Failure, FailureKind};
use hardpoint_domain::limits::Limits;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How long a call waits for room.
const PATIENCE: Duration = Duration::from_millis(250);

/// The places of one plugin; shared by its generations and bindings.
#[derive(Debug)]
pub(crate) struct Places {
    caps: (u32, u32),
    /// For calls and exchanges; of a retriever, for ingestions.
    pub(crate) calls: Permits,
    /// For a retriever's searches and removals: nobody waits with a question for documents that are read.
    pub(crate) searches: Permits,
}

impl Places {
    pub(crate) fn new(limits: &Limits) -> Self {
        let searching = limits.searching();
        Self {
            caps: caps(limits),
            calls: Permits::new(limits.concurrency, limits.concurrency_per_org),
            searches: Permits::new(searching.concurrency, searching.concurrency_per_org),
        }
    }

    /// Whether they are as many as these limits say.
    pub(crate) fn fit(&self, limits: &Limits) -> bool {
        self.caps == caps(limits)
    }
}

fn caps(limits: &Limits) -> (u32, u32) {
    (limits.concurrency, limits.concurrency_per_org)
}

/// Caps of all together and of one organisation.
#[derive(Debug)]
pub(crate) struct Permits {
    all: Arc<Semaphore>,
    per_org: u32,
    orgs: Mutex<HashMap<String, Arc<Semaphore>>>,
}

/// Held for the time of a call.
#[derive(Debug)]
pub(crate) struct Permit {
    _all: OwnedSemaphorePermit,
    _org: OwnedSemaphorePermit,
}

impl Permits {
    pub(crate) fn new(all: u32, per_org: u32) -> Self {
        Self { all: Arc::new(Semaphore::new(all as usize)), per_org, orgs: Mutex::new(HashMap::new()) }
    }

    /// Takes a place for `organization`, waiting briefly if there is none.
    pub(crate) async fn acquire(&self, organization: &str) -> Result<Permit, Failure> {
        let org = self.of(organization);
        if let (Ok(org_permit), Ok(all)) =
            (Arc::clone(&org).try_acquire_owned(), Arc::clone(&self.all).try_acquire_owned())
        {
            return Ok(Permit { _all: all, _org: org_permit });
        }
        let both = async {
            // The organisation's own place first, so that one with many calls does not hold the
            // plugin's places while it waits for itself.
            let org_permit = org.acquire_owned().await;
            let all = Arc::clone(&self.all).acquire_owned().await;
            org_permit.and_then(|org_permit| all.map(|all| Permit { _all: all, _org: org_permit }))
        };
        match tokio::time::timeout(PATIENCE, both).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) | Err(_) => Err(full()),
        }
    }

    fn of(&self, organization: &str) -> Arc<Semaphore> {
        let mut orgs = self.orgs.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(found) = orgs.get(organization) {
            return Arc::clone(found);
        }
        if orgs.len() >= 1_024 {
            let all_free = self.per_org as usize;
            orgs.retain(|_, semaphore| semaphore.available_permits() < all_free);
        }
        let created = Arc::new(Semaphore::new(self.per_org as usize));
        orgs.insert(organization.to_owned(), Arc::clone(&created));
        created
    }
}

fn full() -> Failure {
    let mut failure = Failure::new(FailureKind::Busy, "too many calls of this plugin are under way");
    failure.retry_after = Some(Duration::from_secs(1));
    failure
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_organisation_cannot_take_every_place() {
        let permits = Permits::new(3, 2);
        let first = permits.acquire("org_a").await.unwrap();
        let _second = permits.acquire("org_a").await.unwrap();
        assert_eq!(permits.acquire("org_a").await.unwrap_err().kind, FailureKind::Busy);
        let _other = permits.acquire("org_b").await.unwrap();
        assert_eq!(permits.acquire("org_c").await.unwrap_err().kind, FailureKind::Busy);
        drop(first);
        permits.acquire("org_c").await.unwrap();
    }
}
