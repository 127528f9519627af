//! Whom plugins are open to: for single organisations, and for all others.

use hardpoint_store::{Lane, StoreError, enablement};
use serde::Serialize;
use serde_json::{Value, json};
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
        Ok(self.openness_of(id).await?)
    }

    async fn openness_of(&self, id: &str) -> Result<Openness, StoreError> {
        if let Some(reach) = self.config.declared.get(id).and_then(|declared| declared.reach.as_ref()) {
            let named = reach.except.iter().map(|organization| OrganizationSwitch {
                organization_id: organization.clone(),
                enabled: !reach.others,
            });
            return Ok(Openness { others: reach.others, organizations: named.collect(), declared: true });
        }
        let mut conn = self.store.read().await?;
        let said = enablement::openness(&mut conn).await?;
        let switches = enablement::list(&mut conn).await?.into_iter();
        let organizations = switches.filter(|switch| switch.plugin_id == id).map(|switch| {
            OrganizationSwitch { organization_id: switch.organization_id, enabled: switch.enabled }
        });
        Ok(Openness {
            others: said.iter().find(|said| said.plugin_id == id).is_none_or(|said| said.enabled),
            organizations: organizations.collect(),
            declared: false,
        })
    }

    /// Opens or closes a plugin for one organisation or for those that have no switch of their own; with no
    /// value, an organisation's own switch is taken away.
    ///
    /// # Errors
    /// There is no such plugin or organisation, or the configuration says whom it is open to.
    pub async fn enable(
        &self,
        author: &Author,
        id: &str,
        whom: For,
        enabled: Option<bool>,
    ) -> Result<Openness, DeskError> {
        self.version(id, None).await?;
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
                let organization = match (&named, enabled) {
                    (For::Others, enabled) => {
                        enablement::put_openness(tx, &plugin, enabled.unwrap_or(true)).await?;
                        None
                    }
                    (For::Organization(organization), Some(enabled)) => {
                        enablement::put(tx, organization, &plugin, enabled).await?;
                        Some(organization)
                    }
                    (For::Organization(organization), None) => {
                        enablement::clear(tx, organization, &plugin).await?;
                        Some(organization)
                    }
                };
                let kind = match enabled {
                    Some(true) => "plugin.enabled",
                    Some(false) => "plugin.disabled",
                    None => "plugin.enablement_cleared",
                };
                let after = json!({ "for": organization.map_or("others", String::as_str) });
                let mut event = author.event(now, &*rng, kind, events::plugin(&plugin), Value::Null);
                event.after = Some(after);
                tx.append(&event, &[]).await
            })
        });
        match write.await {
            Err(StoreError::Dangling) => {
                let For::Organization(organization) = whom else {
                    return Err(StoreError::Dangling.into());
                };
                Err(DeskError::Invalid {
                    field: "organization_id".to_owned(),
                    reason: format!("there is no organisation `{organization}`"),
                })
            }
            Err(error) => Err(error.into()),
            Ok(()) => Ok(self.openness_of(id).await?),
        }
    }
}
