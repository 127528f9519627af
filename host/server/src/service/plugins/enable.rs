//! Whom plugins are open to: for single organisations, and for all others.

use hardpoint_store::{Lane, StoreError, Tx, begin_change, enablement};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::{Desk, DeskError};
use crate::service::events::{self, Author};

/// Whom a plugin is open to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Openness {
    /// Whether organisations for which nothing is said may use it.
    pub others: bool,
    /// What is said of single organisations, by id.
    pub organizations: Vec<OrganizationSwitch>,
    /// Whether hardpoint.toml says it, so that no command can change it.
    pub declared: bool,
}

/// What is said of one organisation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct OrganizationSwitch {
    /// `org_…`.
    pub organization_id: String,
    /// Whether it may use the plugin.
    pub enabled: bool,
}

/// For whom a switch is set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum For {
    /// All that have none of their own.
    Others,
    /// One organisation; with no value, what holds for the others holds for it.
    Organization(String),
}

impl Desk {
    /// Whom a plugin is open to.
    ///
    /// # Errors
    /// There is no such plugin.
    pub async fn openness(&self, id: &str) -> Result<Openness, DeskError> {
        self.version(id, None).await?;
        Ok(self.arranged().await?.openness(&self.config, id))
    }

    /// Opens or closes a plugin for one organisation or for those that have no switch of their own; with no
    /// value, an organisation's own switch is taken away.
    ///
    /// # Errors
    /// There is no such plugin or organisation, or the configuration says whom it is open to, or that it does
    /// not serve at all.
    pub async fn enable(
        &self,
        author: &Author,
        id: &str,
        whom: For,
        enabled: Option<bool>,
    ) -> Result<Openness, DeskError> {
        self.version(id, None).await?;
        if enabled == Some(true) {
            self.check_on(id)?;
        }
        if self.config.declared.get(id).is_some_and(|declared| declared.reach.is_some()) {
            let reason = format!(
                "whom `{id}` is open to stands in hardpoint.toml under [plugins.{id}]; change `organizations` there"
            );
            return Err(DeskError::State(reason));
        }
        let (now, rng, author, plugin) = (self.clock.now(), self.rng.clone(), author.clone(), id.to_owned());
        let named = whom.clone();
        let write = self.store.write(Lane::Request, move |tx| {
            Box::pin(async move {
                begin_change(tx).await?;
                let before = said(tx, &plugin, &named).await?;
                if before == enabled {
                    return Ok(());
                }
                set(tx, &plugin, &named, enabled).await?;
                let kind = match enabled {
                    Some(true) => "plugin.enabled",
                    Some(false) => "plugin.disabled",
                    None => "plugin.enablement_cleared",
                };
                let shown = |enabled: Option<bool>| json!({ "for": named.name(), "enabled": enabled });
                let mut event = author.event(now, &*rng, kind, events::plugin(&plugin), shown(enabled));
                event.before = Some(shown(before));
                tx.append(&event, &[]).await
            })
        });
        match write.await {
            Err(StoreError::Dangling) => {
                let reason = format!("there is no organisation `{}`", whom.name());
                Err(DeskError::Invalid { field: "organization_id".to_owned(), reason })
            }
            Err(error) => Err(error.into()),
            Ok(()) => self.openness(id).await,
        }
    }
}

impl For {
    /// The organisation's id, or `others`.
    fn name(&self) -> &str {
        match self {
            Self::Others => "others",
            Self::Organization(organization) => organization,
        }
    }
}

/// What was said so far; nothing where nothing was.
async fn said(tx: &mut Tx, plugin: &str, whom: &For) -> Result<Option<bool>, StoreError> {
    match whom {
        For::Others => {
            let said = enablement::openness(tx).await?;
            Ok(said.into_iter().find(|said| said.plugin_id == plugin).map(|said| said.enabled))
        }
        For::Organization(organization) => enablement::get(tx, organization, plugin).await,
    }
}

async fn set(tx: &mut Tx, plugin: &str, whom: &For, enabled: Option<bool>) -> Result<(), StoreError> {
    match (whom, enabled) {
        (For::Others, enabled) => enablement::put_openness(tx, plugin, enabled.unwrap_or(true)).await,
        (For::Organization(organization), Some(enabled)) => {
            enablement::put(tx, organization, plugin, enabled).await
        }
        (For::Organization(organization), None) => {
            enablement::clear(tx, organization, plugin).await.map(drop)
        }
    }
}
