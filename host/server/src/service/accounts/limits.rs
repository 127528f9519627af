//! What is let in of an organisation: by its plan, and its own limits.

use hardpoint_domain::event::Target;
use hardpoint_domain::plan::Rates;
use hardpoint_store::{Lane, organizations};
use serde_json::json;

use super::{Accounts, Happened, Principal, no_organization};
use crate::error::ApiError;

/// The highest limit that can be set: what nobody reaches.
const HIGHEST: u64 = 1_000_000_000;

/// The limits of an organisation.
#[derive(Clone, Debug)]
pub struct Limits {
    /// `org_…`.
    pub organization_id: String,
    /// The id of its plan.
    pub plan: String,
    /// What its plan lets in.
    pub of_plan: Rates,
    /// Its own, in the place of its plan's.
    pub own: Rates,
}

impl Limits {
    /// Those that hold.
    pub fn held(&self) -> Rates {
        self.own.over(&self.of_plan)
    }
}

impl Accounts {
    /// The limits of an organisation: the one that is named, else the caller's own.
    ///
    /// # Errors
    /// 404 where there is none that is the caller's to see.
    pub async fn limits(&self, by: &Principal, named: Option<&str>) -> Result<Limits, ApiError> {
        let found = self.organization(by, named).await?;
        let own = organizations::rates(&mut self.store.read().await?, &found.id).await?;
        Ok(self.limits_of(found, own.unwrap_or_default()))
    }

    /// Gives an organisation limits of its own, in the place of those that it had; for operators.
    ///
    /// # Errors
    /// 400 for a limit that cannot be; 404 for no such organisation.
    pub async fn set_limits(&self, by: &Principal, id: &str, own: Rates) -> Result<Limits, ApiError> {
        check(&own)?;
        let found = self.organization(by, Some(id)).await?;
        let target = Target::new("organization", &found.id);
        let happened = Happened::new(self.clock.now(), "organization.limits_changed", target, shown(&own));
        let mut event = self.event(by, &found.id, happened);
        let (organization, rates) = (found.id.clone(), own.clone());
        let write = self.store.write(Lane::Request, move |tx| {
            Box::pin(async move {
                organizations::hold(tx, &organization).await?;
                let Some(before) = organizations::rates(tx, &organization).await? else { return Ok(false) };
                if before != rates {
                    organizations::set_rates(tx, &organization, &rates).await?;
                    event.before = Some(shown(&before));
                    tx.append(&event, &[]).await?;
                }
                Ok(true)
            })
        });
        if write.await? { Ok(self.limits_of(found, own)) } else { Err(no_organization(id)) }
    }

    fn limits_of(&self, organization: organizations::Organization, own: Rates) -> Limits {
        let of_plan = self.plans.plan(&organization.plan).rates;
        Limits { organization_id: organization.id, plan: organization.plan, of_plan, own }
    }
}

/// As events tell them: those that there are, by the names that they have in answers.
fn shown(rates: &Rates) -> serde_json::Value {
    let set = rates.named().into_iter().filter_map(|(name, most)| Some((name.to_owned(), json!(most?))));
    serde_json::Value::Object(set.collect())
}

fn check(rates: &Rates) -> Result<(), ApiError> {
    for (name, most) in rates.named() {
        if most.is_some_and(|most| !(1..=HIGHEST).contains(&most)) {
            let message = format!("The '{name}' field must be from 1 to {HIGHEST}, or null for the plan's.");
            return Err(ApiError::bad_field(name, "range", message));
        }
    }
    Ok(())
}
