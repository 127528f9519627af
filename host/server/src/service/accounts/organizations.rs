//! Organisations.

use hardpoint_domain::event::Target;
use hardpoint_domain::{id, plan};
use hardpoint_store::organizations::{self, Organization};
use hardpoint_store::{Lane, Window};
use serde_json::json;

use super::{Accounts, Happened, Principal, no_organization, text};
use crate::error::ApiError;

const LONGEST_NAME: usize = 100;

impl Accounts {
    /// Makes an organisation, for operators.
    ///
    /// # Errors
    /// 400 for a name that is none; 422 for no such plan.
    pub async fn create_organization(
        &self,
        by: &Principal,
        name: &str,
        plan: &str,
    ) -> Result<Organization, ApiError> {
        text::name("name", name, LONGEST_NAME)?;
        let now = self.clock.now();
        let organization = Organization {
            id: id::prefixed("org", now, &*self.rng),
            name: name.to_owned(),
            plan: known_plan(plan)?.to_owned(),
            created_at: now,
        };
        let after = json!({ "name": organization.name, "plan": organization.plan });
        let happened = Happened::new(now, "organization.created", target(&organization.id), after);
        let (event, new) = (self.event(by, &organization.id, happened), organization.clone());
        let write = self.store.write(Lane::Request, move |tx| {
            Box::pin(async move {
                organizations::create(tx, &new).await?;
                tx.append(&event, &[]).await
            })
        });
        write.await?;
        Ok(organization)
    }

    /// All organisations, newest first, and how many there are; for operators.
    ///
    /// # Errors
    /// The store's.
    pub async fn organizations(&self, window: Window) -> Result<(Vec<Organization>, i64), ApiError> {
        let mut conn = self.store.read().await?;
        let found = organizations::list(&mut conn, window).await?;
        Ok((found, organizations::count(&mut conn).await?))
    }

    /// An organisation: the one that is named, else the caller's own.
    ///
    /// # Errors
    /// 404 where there is none that is the caller's to see.
    pub async fn organization(&self, by: &Principal, named: Option<&str>) -> Result<Organization, ApiError> {
        let id = by.organization(named)?;
        let found = match id::looks_like("org", &id) {
            true => organizations::get(&mut self.store.read().await?, &id).await?,
            false => None,
        };
        found.ok_or_else(|| no_organization(&id))
    }

    /// The id of an organisation that is the caller's to see and exists. Their own always does.
    pub(crate) async fn existing(&self, by: &Principal, named: Option<&str>) -> Result<String, ApiError> {
        match (by, named) {
            (Principal::Caller(caller), None) => Ok(caller.organization_id.clone()),
            (Principal::Caller(caller), Some(named)) if named == caller.organization_id => {
                Ok(named.to_owned())
            }
            _ => Ok(self.organization(by, named).await?.id),
        }
    }

    /// Puts an organisation on another plan, for the command line.
    ///
    /// # Errors
    /// 404 for no such organisation; 422 for no such plan.
    pub async fn set_plan(&self, by: &Principal, id: &str, plan: &str) -> Result<Organization, ApiError> {
        let plan = known_plan(plan)?;
        let before = self.organization(by, Some(id)).await?;
        let after = json!({ "plan": plan });
        let mut happened =
            Happened::new(self.clock.now(), "organization.plan_changed", target(&before.id), after);
        happened.before = json!({ "plan": before.plan });
        let (event, id) = (self.event(by, &before.id, happened), before.id.clone());
        let write = self.store.write(Lane::Request, move |tx| {
            Box::pin(async move {
                organizations::set_plan(tx, &id, plan).await?;
                tx.append(&event, &[]).await
            })
        });
        write.await?;
        Ok(Organization { plan: plan.to_owned(), ..before })
    }
}

fn known_plan(name: &str) -> Result<&'static str, ApiError> {
    plan::named(name).ok_or_else(|| {
        let message = format!("There is no such plan; there are {}.", plan::IDS.join(", "));
        ApiError::impossible("plan", "unknown", message)
    })
}

fn target(id: &str) -> Target {
    Target::new("organization", id)
}
