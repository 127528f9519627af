//! What a plugin's bindings were allowed, and a version that becomes active does not ask for, is taken back: an older
//! version or a binding that comes again would have it without anybody's leave.

use std::collections::BTreeMap;

use hardpoint_domain::grant::Permissions;
use hardpoint_domain::manifest::Manifest;
use hardpoint_store::plugins::Plugin;
use hardpoint_store::{StoreError, Tx, grants};

use super::arranged::Arranged;
use super::desk::{as_text, stored, union};
use super::plan::{Readiness, plan};
use crate::config::Config;

/// What is taken back, in plain words by binding.
pub type TakenBack = BTreeMap<String, Vec<String>>;

/// A grant that is wider than what is asked for.
struct TooWide {
    row: grants::Grant,
    allowed: Permissions,
    /// What is left of it.
    narrowed: Permissions,
}

/// Takes back what this version, which becomes active or goes on, does not ask for, nor any of those that are `next`,
/// and what bindings were allowed that there are no more. Gives what was taken back, for the event.
///
/// # Errors
/// The store's.
pub(crate) async fn narrow(
    tx: &mut Tx,
    config: &Config,
    active: &Plugin,
    next: &[&Plugin],
) -> Result<TakenBack, StoreError> {
    let mut taken_back = TakenBack::new();
    for TooWide { row, allowed, narrowed } in too_wide(tx, config, active, next).await? {
        taken_back.insert(row.binding.clone(), allowed.missing_from(&narrowed));
        if narrowed.is_empty() {
            grants::revoke(tx, &row.binding).await?;
        } else {
            grants::put(tx, &grants::Grant { permissions: as_text(&narrowed)?, ..row }).await?;
        }
    }
    Ok(taken_back)
}

/// What would be taken back if this version became active now.
///
/// # Errors
/// The store's.
pub(super) async fn would_narrow(
    tx: &mut Tx,
    config: &Config,
    coming: &Plugin,
) -> Result<TakenBack, StoreError> {
    let grants = too_wide(tx, config, coming, &[]).await?.into_iter();
    Ok(grants.map(|grant| (grant.row.binding, grant.allowed.missing_from(&grant.narrowed))).collect())
}

async fn too_wide(
    tx: &mut Tx,
    config: &Config,
    version: &Plugin,
    next: &[&Plugin],
) -> Result<Vec<TooWide>, StoreError> {
    // One whose manifest is not understood does not become active.
    let Ok(manifest) = Manifest::from_toml(&version.manifest) else { return Ok(Vec::new()) };
    let ungranted = Arranged::read(tx).await?.without_grants();
    let mut planned = plan(config, &ungranted, &manifest);
    for next in next.iter().filter_map(|next| Manifest::from_toml(&next.manifest).ok()) {
        planned.extend(plan(config, &ungranted, &next));
    }
    let judged = |row: grants::Grant| {
        let allowed = stored(&row, &version.id)?;
        let of_it = || planned.iter().filter(|planned| planned.name == row.binding);
        if of_it().any(|planned| planned.declared || matches!(planned.readiness, Readiness::Unfit(_))) {
            return None;
        }
        let asked = of_it().map(|planned| planned.asked.intersect(&allowed));
        let narrowed = asked.reduce(|one, other| union(&one, &other)).unwrap_or_default();
        (narrowed != allowed).then_some(TooWide { row, allowed, narrowed })
    };
    Ok(grants::list(tx).await?.into_iter().filter_map(judged).collect())
}
