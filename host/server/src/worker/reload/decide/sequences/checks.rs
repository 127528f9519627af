//! What must be so after every step.

use std::collections::BTreeSet;

use hardpoint_domain::manifest::Manifest;
use hardpoint_store::plugins::{Plugin, Source, State};

use super::World;
use super::life::{Power, powers};
use crate::service::plugins::desk::may_serve;
use crate::service::plugins::is_revoked;
use crate::service::plugins::plan::{Planned, plan};
use crate::worker::reload::decide::{Change, Decision, candidate, needs_a_word, other_bytes, specs};

impl World {
    /// Bytes that were uploaded, or are others than their version had, serve once they were approved.
    pub(super) fn check_approval(&self, next: &Plugin, versions: &[Plugin]) {
        let was_loaded = |row: &Plugin| row.state != State::Rejected || is_revoked(row);
        let others = versions
            .iter()
            .any(|row| row.version == next.version && row.digest != next.digest && was_loaded(row));
        let needs_approval = others || next.source == Source::Upload;
        assert!(!needs_approval || self.approved.contains(&next.digest), "{next:?} beside {versions:?}");
    }

    /// What came otherwise than by the file that went serves on.
    pub(super) async fn check_stays(&self) {
        let Some(stays) = &self.stays else { return };
        let versions = self.versions().await;
        let row = versions.iter().find(|row| row.digest == *stays).unwrap();
        assert!(matches!(row.state, State::Active | State::Paused), "{row:?} had to stay: {versions:?}");
    }

    /// Nothing takes over that was published, approved or gone back to before the version that is active was when it
    /// took over, whether or not it is tried again after a start.
    pub(super) fn check_order(&self, row: &Plugin, change: &Change, versions: &[Plugin]) {
        let active = versions.iter().find(|row| row.state == State::Active);
        if let (Change::Activate, Some(active)) = (change, active) {
            let since = self.took_over[&active.digest];
            assert!(row.updated_at > since, "{row:?} takes over from {active:?}, whose word is of {since:?}");
        }
    }

    /// What may serve does, or another one that came later: nothing waits that has all it needs, and what is active
    /// serves if it may.
    pub(super) async fn check_serves(&self, decision: &Decision) {
        let versions = self.versions().await;
        if versions.iter().any(|row| row.state == State::Paused) {
            return;
        }
        let active = versions.iter().find(|row| row.state == State::Active);
        if let Some(active) = active {
            let arranged = self.desk.arranged().await.unwrap();
            let serves = decision.load.contains(&active.digest);
            assert_eq!(serves, may_serve(&self.desk.config, &arranged, active), "{active:?} {decision:?}");
            assert_eq!(serves, decision.idle.is_none(), "{decision:?}");
        }
        for row in versions.iter().filter(|row| row.state == State::PendingApproval) {
            let others = other_bytes(&versions, &row.version, &row.digest);
            let needs_nobody = !needs_a_word(row) && others.is_none();
            assert!(!(needs_nobody && self.has_all_it_needs(row).await), "{row:?} waits: {versions:?}");
        }
    }

    /// Whether all of a version's bindings have what they need.
    pub(super) async fn has_all_it_needs(&self, row: &Plugin) -> bool {
        let manifest = Manifest::from_toml(&row.manifest).unwrap();
        let planned = plan(&self.desk.config, &self.desk.arranged().await.unwrap(), &manifest);
        !planned.is_empty() && planned.iter().all(Planned::is_ready)
    }

    /// What was gone back to serves, or is the only one that waits, for what is not allowed it or until the plugin
    /// is resumed.
    pub(super) async fn check_back(&self) {
        let Some(back) = &self.back else { return };
        let versions = self.versions().await;
        let row = versions.iter().find(|row| row.digest == *back).unwrap();
        let is_paused = versions.iter().any(|row| row.state == State::Paused);
        let has_all = self.has_all_it_needs(row).await;
        match row.state {
            State::Active | State::Paused => {}
            State::PendingApproval => {
                assert!(is_paused || !has_all, "{row:?} does not serve: {versions:?}");
                assert_eq!(candidate(&versions), Some(row));
            }
            _ => panic!("{row:?} was gone back to: {versions:?}"),
        }
        let others = versions.iter().filter(|other| other.digest != *back);
        let waiting: Vec<_> = others.filter(|row| row.state == State::PendingApproval).collect();
        assert!(waiting.is_empty(), "{waiting:?} wait beside {row:?}");
    }

    /// What is live now, and that none of it is too wide; gives how many powers there are.
    pub(super) async fn check(&self, decision: &Decision) -> usize {
        let versions = self.versions().await;
        let serving: Vec<&Plugin> =
            versions.iter().filter(|row| decision.load.contains(&row.digest)).collect();
        let [serving] = serving[..] else {
            assert!(serving.is_empty(), "{serving:?}");
            return 0;
        };
        assert_eq!(serving.state, State::Active);
        let manifest = Manifest::from_toml(&serving.manifest).unwrap();
        let bytes = self.bytes.iter().find(|bytes| bytes.digest == serving.digest).unwrap();
        let planned = plan(&self.desk.config, &self.desk.arranged().await.unwrap(), &manifest);
        let mut count = 0;
        for spec in specs(&self.desk.config, &manifest, &planned) {
            let (name, settings) = self.bindings.iter().find(|(name, _)| *name == spec.name).unwrap();
            let (has, asked) = (powers(&spec.permissions), bytes.asks(settings));
            let nothing = BTreeSet::new();
            let allowed = self.declared.get(name).or(self.allowed.get(name)).unwrap_or(&nothing);
            let beyond = |side: &BTreeSet<Power>| has.difference(side).cloned().collect::<Vec<_>>();
            assert_eq!(beyond(&asked), [""; 0], "{name} has what {} does not ask for", serving.version);
            assert_eq!(beyond(allowed), [""; 0], "{name} of {} has what nobody allows", serving.version);
            count += has.len();
        }
        count
    }
}
