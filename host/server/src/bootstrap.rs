//! The first operator key: without one nobody could let anybody in.

use std::sync::Arc;

use anyhow::{Context, bail};
use hardpoint_domain::event::Target;
use hardpoint_domain::id;
use hardpoint_domain::key::{KeyText, Mode};
use hardpoint_domain::time::{Clock, Rng};
use hardpoint_store::keys::{self, Key, NewKey, Role};
use hardpoint_store::organizations::{self, Organization};
use hardpoint_store::{Lane, Store};
use serde_json::json;

use crate::service::events::Author;

/// The environment variable that names the first key, for automation.
pub const VARIABLE: &str = "HARDPOINT_BOOTSTRAP_KEY";

/// Makes the first operator key where there is no key at all: `given`, or a new one, which is returned to
/// be shown once.
///
/// # Errors
/// If `given` is no key, or the store fails.
pub async fn first_key(
    store: &Store,
    clock: &Arc<dyn Clock>,
    rng: &Arc<dyn Rng>,
    given: Option<&str>,
) -> anyhow::Result<Option<KeyText>> {
    let given = match given {
        Some(text) => match KeyText::parse(text.trim()) {
            Ok(key) => Some(key),
            Err(error) => bail!("{VARIABLE}: {error}; make one with `hardpoint key text`"),
        },
        None => None,
    };
    let mut conn = store.read().await?;
    if keys::count(&mut conn).await? > 0 {
        if let Some(given) = &given
            && keys::find_by_hash(&mut conn, &given.hash()).await?.is_none()
        {
            tracing::warn!("{VARIABLE} is ignored: there are other keys already");
        }
        return Ok(None);
    }
    drop(conn);
    let text = given.clone().unwrap_or_else(|| KeyText::generate(Mode::Live, &**rng));
    let now = clock.now();
    let organization = Organization {
        id: id::prefixed("org", now, &**rng),
        name: "Operators".to_owned(),
        plan: "enterprise".to_owned(),
        created_at: now,
    };
    let key = Key {
        id: id::prefixed("key", now, &**rng),
        organization_id: organization.id.clone(),
        workspace_id: None,
        label: "First operator key".to_owned(),
        role: Role::Operator,
        hint: text.hint(),
        scopes: Vec::new(),
        livemode: text.mode() == Mode::Live,
        rate_limit_per_minute: None,
        rate_limit_per_hour: None,
        expires_at: None,
        archived_at: None,
        created_at: now,
        last_used_at: None,
    };
    let target = Target { kind: "key".to_owned(), id: key.id.clone() };
    let after = json!({ "label": key.label, "role": "operator", "hint": key.hint });
    let event = Author::system().event(now, &**rng, "key.created", target, after);
    let new = NewKey { key, hash: text.hash() };
    let write = store.write(Lane::Request, move |tx| {
        Box::pin(async move {
            organizations::create(tx, &organization).await?;
            keys::insert(tx, &new).await?;
            tx.append(&event, &[]).await
        })
    });
    write.await.context("the first key cannot be kept")?;
    Ok(given.is_none().then_some(text))
}
