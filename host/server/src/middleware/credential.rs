//! From a credential to an [`Identity`]: checksum first, then a cache of one second, then the store.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use hardpoint_domain::key::{KeyError, KeyText, SessionToken};
use hardpoint_domain::plan::Rates;
use hardpoint_domain::time::Timestamp;
use hardpoint_store::users::State;
use hardpoint_store::{Conn, keys, logins, members};
use http::{HeaderMap, header};

use crate::caller::{Identity, SessionUser};
use crate::error::ApiError;
use crate::service::limits::Quota;
use crate::state::App;

/// How long an answer of the store is believed. A revoked key, and a session that was ended or whose user may do
/// less, is refused everywhere after this time, and at once on the host that did it.
const BELIEVED: Duration = Duration::from_secs(1);

/// More keys than this within one second are not kept.
const CAPACITY: usize = 50_000;

/// Keys that were found good within the last second, by the hash of their text. What is not good is not
/// kept: a wrong checksum costs no look-up, and keys with a right one cannot be guessed.
#[derive(Default)]
pub struct KeyCache {
    known: RwLock<HashMap<[u8; 32], Known>>,
}

/// A key or a session that was found good.
struct Known {
    since: Timestamp,
    /// When it must be asked for again: after [`BELIEVED`], or when it ends.
    until: Timestamp,
    identity: Arc<Identity>,
}

impl Known {
    fn holds(&self, now: Timestamp) -> bool {
        (self.since..self.until).contains(&now)
    }
}

impl KeyCache {
    fn find(&self, hash: &[u8; 32], now: Timestamp) -> Option<Arc<Identity>> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.get(hash).filter(|known| known.holds(now)).map(|known| known.identity.clone())
    }

    fn keep(&self, hash: [u8; 32], now: Timestamp, found: Known) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= CAPACITY {
            known.retain(|_, known| known.holds(now));
        }
        if known.len() < CAPACITY {
            known.insert(hash, found);
        }
    }

    /// Forgets everything: after a key was revoked, or somebody came to be less, on this host.
    pub fn clear(&self) {
        self.known.write().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// Who the request's credential stands for; a 401 where there is none or it is not good.
pub async fn identify(app: &App, headers: &HeaderMap) -> Result<Arc<Identity>, ApiError> {
    let text = presented(headers).ok_or_else(ApiError::unauthenticated)?;
    let is_session = SessionToken::is_meant(text);
    let (hash, now) = (hash(text, is_session).map_err(|_| ApiError::unauthenticated())?, app.clock.now());
    if let Some(identity) = app.keys.find(&hash, now) {
        return Ok(identity);
    }
    let mut conn = app.store.read().await?;
    let found = match is_session {
        true => look_up_session(app, &mut conn, &hash, now).await?,
        false => look_up_key(app, &mut conn, &hash, now).await?,
    };
    drop(conn);
    let identity = found.identity.clone();
    if !is_session {
        // Asked for once a second at most, so that noting it here costs requests nothing.
        app.last_used.note(&identity.key_id, now);
    }
    app.keys.keep(hash, now, found);
    Ok(identity)
}

fn hash(text: &str, is_session: bool) -> Result<[u8; 32], KeyError> {
    match is_session {
        true => Ok(SessionToken::parse(text)?.hash()),
        false => Ok(KeyText::parse(text)?.hash()),
    }
}

/// Somebody who logged in may do what they may do now, in their organisation.
async fn look_up_session(
    app: &App,
    conn: &mut Conn,
    hash: &[u8; 32],
    now: Timestamp,
) -> Result<Known, ApiError> {
    let found = logins::find(conn, hash).await?.ok_or_else(ApiError::unauthenticated)?;
    let (user, end) = (found.user, found.session_end);
    if end <= now || user.state == State::Deactivated {
        return Err(ApiError::unauthenticated());
    }
    let shared = found.rates.over(&app.effective().config.rates(&found.plan));
    let workspaces = members::roles_of(conn, &user.id).await?;
    let identity = Identity {
        quota: Quota::new(&user.organization_id, &shared, &user.id, &Rates::default()),
        key_id: found.session_id,
        label: None,
        organization_id: user.organization_id,
        workspace_id: None,
        role: user.role,
        workspaces,
        scopes: Vec::new(),
        livemode: true,
        terms: app.effective().config.terms(&found.plan),
        plan: found.plan,
        own_rates: Rates::default(),
        user: Some(SessionUser { id: user.id, email: user.email }),
    };
    Ok(Known { since: now, until: end.min(now.plus(BELIEVED)), identity: Arc::new(identity) })
}

async fn look_up_key(app: &App, conn: &mut Conn, hash: &[u8; 32], now: Timestamp) -> Result<Known, ApiError> {
    let found = keys::find_by_hash(conn, hash).await?.ok_or_else(ApiError::unauthenticated)?;
    let shared = found.rates.over(&app.effective().config.rates(&found.plan));
    let key = found.key;
    if key.archived_at.is_some() || key.expires_at.is_some_and(|end| end <= now) {
        return Err(ApiError::unauthenticated());
    }
    let until = now.plus(BELIEVED);
    let until = key.expires_at.map_or(until, |end| end.min(until));
    let limit = |most: Option<i64>| most.and_then(|most| u64::try_from(most).ok());
    let own = Rates {
        requests_per_minute: limit(key.rate_limit_per_minute),
        requests_per_hour: limit(key.rate_limit_per_hour),
        ..Rates::default()
    };
    let identity = Identity {
        quota: Quota::new(&key.organization_id, &shared, &key.id, &own),
        key_id: key.id,
        label: (!key.label.is_empty()).then_some(key.label),
        organization_id: key.organization_id,
        terms: app.effective().config.terms(&found.plan),
        plan: found.plan,
        workspace_id: key.workspace_id,
        role: key.role,
        workspaces: Vec::new(),
        scopes: key.scopes,
        livemode: key.livemode,
        own_rates: own,
        user: None,
    };
    Ok(Known { since: now, until, identity: Arc::new(identity) })
}

/// The credential's text. `Authorization` with another scheme than `Bearer` counts as none.
fn presented(headers: &HeaderMap) -> Option<&str> {
    if let Some(value) = headers.get(header::AUTHORIZATION) {
        let (scheme, text) = value.to_str().ok()?.split_once(' ')?;
        return scheme.eq_ignore_ascii_case("bearer").then(|| text.trim());
    }
    headers.get("x-api-key")?.to_str().ok().map(str::trim)
}
