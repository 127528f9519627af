//! What comes next for a version after a command, in a sentence: that it serves, or what that waits for.

use super::Failure;
use crate::service::plugins::Desk;
use crate::service::plugins::view::{PluginView, VersionView};

/// How a plugin stands after a command.
pub(super) struct Outlook(PluginView);

impl Outlook {
    /// Of a plugin that is there.
    pub(super) async fn of(desk: &Desk, id: &str) -> Result<Self, Failure> {
        match Self::find(desk, id).await? {
            Some(outlook) => Ok(outlook),
            None => Err(desk.no_plugin(id).await.into()),
        }
    }

    /// None where nothing of it serves, waits or was refused: at most versions are left that served before.
    pub(super) async fn find(desk: &Desk, id: &str) -> Result<Option<Self>, Failure> {
        Ok(desk.plugin(id, None).await?.map(Self))
    }

    /// One of its versions.
    pub(super) fn version(&self, digest: &str) -> Option<&VersionView> {
        self.0.versions.iter().find(|version| version.digest == digest)
    }

    /// What comes next for a version.
    pub(super) fn sentence(&self, digest: &str) -> String {
        let Some(VersionView { state, reason, .. }) = self.version(digest) else { return String::new() };
        match (state.as_str(), reason) {
            ("active", _) => "A running server follows within a second.".to_owned(),
            ("loading", _) => {
                "It serves as soon as a running host has compiled it and tried it out.".to_owned()
            }
            (_, Some(reason)) => format!("It does not serve yet: {reason}."),
            (state, None) => format!("It does not serve yet: its state is {state}."),
        }
    }

    /// What becomes of the version that was there before, as long as this one is not served.
    pub(super) fn meanwhile(&self, digest: &str) -> Option<String> {
        let other = self.serving().filter(|other| other.digest != digest)?;
        let is_same = self.version(digest).is_some_and(|version| version.version == other.version);
        let bytes = if is_same { format!(" as it was, {}", other.digest) } else { String::new() };
        Some(format!("Until then {} {} serves on{bytes}.", self.0.id, other.version))
    }

    /// The version that serves.
    pub(super) fn serving(&self) -> Option<&VersionView> {
        self.0.versions.iter().find(|version| version.state == "active")
    }

    /// What is left after another version went.
    pub(super) fn left(&self) -> String {
        let PluginView { id, version, state, reason, .. } = &self.0;
        match (state.as_str(), reason) {
            ("active", _) => format!("{id} {version} serves on."),
            (state, Some(reason)) => format!("{id} {version} does not serve: {state}, {reason}."),
            (state, None) => format!("{id} {version} does not serve: {state}."),
        }
    }

    /// The version that waits beside the present one, and for what.
    pub(super) fn candidate(&self) -> Option<String> {
        let candidate = self.0.candidate.as_ref()?;
        let reason = candidate.reason.as_ref().map(|reason| format!(", {reason}")).unwrap_or_default();
        Some(format!("Version {} is there too: {}{reason}.", candidate.version, candidate.state))
    }

    /// All that is known of it.
    pub(super) fn view(&self) -> &PluginView {
        &self.0
    }
}
