//! What an organisation's plan includes a number of: seats and API keys.

use std::sync::Arc;

use hardpoint_domain::access::Role;
use hardpoint_domain::catalogue::{Catalogue, Counted, Upgrade};
use hardpoint_domain::time::Timestamp;
use hardpoint_store::{StoreError, Tx, keys, organizations, users};

use super::{Accounts, Principal};

/// What somebody's additions are held against; nothing where they are operators, or at the command line.
pub(super) struct Allowance(Option<Arc<Catalogue>>);

impl Accounts {
    pub(super) fn allowance(&self, by: &Principal) -> Allowance {
        let is_operator = by.powers().role == Role::Operator;
        Allowance((!is_operator).then(|| Arc::clone(&self.plans)))
    }
}

impl Allowance {
    /// Whether an organisation's plan has room for one more, in the transaction that adds it: who adds another one
    /// at the same time waits until it is over. Nothing is written where there is no room.
    pub(super) async fn room(
        &self,
        tx: &mut Tx,
        organization_id: &str,
        counted: Counted,
        now: Timestamp,
    ) -> Result<Result<(), Upgrade>, StoreError> {
        self.room_beside(tx, organization_id, counted, 0, now).await
    }

    /// The same, where so many of those that there are do not count: they are on their way out.
    pub(super) async fn room_beside(
        &self,
        tx: &mut Tx,
        organization_id: &str,
        counted: Counted,
        leaving: u64,
        now: Timestamp,
    ) -> Result<Result<(), Upgrade>, StoreError> {
        let Some(plans) = &self.0 else { return Ok(Ok(())) };
        organizations::hold(tx, organization_id).await?;
        let Some(organization) = organizations::get(tx, organization_id).await? else {
            return Err(StoreError::Dangling);
        };
        let current = match counted {
            Counted::Seats => users::count_seats(tx, organization_id).await?,
            Counted::ApiKeys => keys::count_good(tx, organization_id, now).await?,
        };
        let current = u64::try_from(current).unwrap_or(0).saturating_sub(leaving);
        Ok(plans.allow(&organization.plan, counted, current))
    }
}
