//! Making, changing and removing standing destinations. Options are checked against the exporter they are for, and
//! secrets among them are sealed, each for the address that it was given for.

use std::sync::Arc;

use hardpoint_domain::destination::Progress;
use hardpoint_domain::id;
use hardpoint_domain::manifest::Kind;
use hardpoint_domain::time::Timestamp;
use hardpoint_domain::webhook::is_pattern;
use hardpoint_runtime::Binding;
use hardpoint_store::destinations::{Destination, State};
use hardpoint_store::secrets::{self, Secret as Sealed};
use hardpoint_store::{Lane, StoreError, Tx, chain, destinations, organizations, workspaces};
use serde_json::{Map, Value, json};

use super::{Destinations, Standing, about, find, is_live};
use crate::caller::Caller;
use crate::error::ApiError;
use crate::service::accounts::{Principal, no_organization, shown, text};
use crate::service::events::{Author, with_masked_urls};
use crate::service::exporters::{Resolved, options};
use crate::service::vault;
use crate::state::App;

const LONGEST_NAME: usize = 100;
/// Kinds that a destination may name.
const MOST_KINDS: usize = 100;
/// Destinations that an organisation may have.
const MOST: i64 = 50;
/// The longest options, as JSON.
const LONGEST_OPTIONS: usize = 64 << 10;

/// Secrets that came with a request: names and values.
type Given = Vec<(String, String)>;

/// What a new destination is to be.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Unique for its organisation.
    pub name: String,
    /// An enabled exporter.
    pub exporter: String,
    /// Whose events; of an operator who names none, everybody's.
    pub organization_id: Option<String>,
    /// Only this workspace's.
    pub workspace_id: Option<String>,
    /// Only of these kinds, `plugin.approved` or `plugin.*`; all where there are none.
    pub kinds: Vec<String>,
    /// The exporter's own options, laid over its settings.
    pub options: Map<String, Value>,
}

/// What is to change of a destination; the rest stays as it is.
#[derive(Clone, Debug, Default)]
pub struct Change {
    /// Another name.
    pub name: Option<String>,
    /// Other kinds.
    pub kinds: Option<Vec<String>>,
    /// Other options in the place of all of them. Secrets that are left out stay, for the address that they are for;
    /// one that is null goes.
    pub options: Option<Map<String, Value>>,
}

/// Makes a destination, for what happens from now on.
///
/// # Errors
/// 400 names the field; 403 for a test key; 404 for an organisation or a workspace that is not theirs; 409 for a name
/// that is taken, where there are as many as there may be, or a secret where there is no master key; 422 for an
/// exporter that is not there, or an address that it may not send to.
pub async fn create(app: &App, caller: &Caller, wanted: Wanted) -> Result<Standing, ApiError> {
    let by = Principal::from(caller.clone());
    is_live(&by)?;
    check(&wanted.name, &wanted.kinds)?;
    let mut new = begun(app, caller, &by, &wanted).await?;
    let binding = exporter(app, &new)?;
    let (kept, given) = split(&binding, wanted.options)?;
    let resolved = options::resolve(&binding, merged(&kept, &given))?;
    leads_somewhere(&binding, &resolved)?;
    new.options = Value::Object(kept);
    let sealed = seal_all(app, &by, &new, &given, &resolved)?;
    let event = about(
        &Author::from(caller),
        &new,
        "siem_destination.created",
        described(&new),
        app.clock.now(),
        &*app.rng,
    );
    let id = new.id.clone();
    let write = app.store.write(Lane::Request, move |tx| {
        Box::pin(async move {
            // They are counted by one at a time.
            organizations::hold(tx, &new.owner_id).await?;
            if destinations::count_of_owner(tx, &new.owner_id).await? >= MOST {
                return Ok(Err(too_many()));
            }
            destinations::insert(tx, &new).await?;
            for secret in &sealed {
                secrets::put(tx, secret).await?;
            }
            tx.append(&event, &[]).await?;
            Ok(Ok(()))
        })
    });
    write.await.map_err(taken)??;
    Destinations::of(app).get(&by, &id).await
}

async fn begun(app: &App, caller: &Caller, by: &Principal, wanted: &Wanted) -> Result<Destination, ApiError> {
    let organization_id = by.whose(wanted.organization_id.as_deref())?;
    let bound = caller.workspace_id.as_deref();
    let workspace_id = wanted.workspace_id.as_deref().or(bound).map(str::to_owned);
    let mut conn = app.store.read().await?;
    if let Some(id) = &organization_id
        && organizations::get(&mut conn, id).await?.is_none()
    {
        return Err(no_organization(id));
    }
    if let Some(workspace) = &workspace_id {
        let owner = organization_id.as_deref().unwrap_or(&caller.organization_id);
        let is_seen = bound.is_none_or(|bound| bound == workspace) && id::looks_like("ws", workspace);
        if !is_seen || workspaces::get(&mut conn, owner, workspace).await?.is_none() {
            let workspace = shown(workspace);
            return Err(ApiError::not_found(format_args!("workspace `{workspace}`")));
        }
    }
    let (now, end) = (app.clock.now(), chain::head(&mut conn).await?.seq);
    Ok(Destination {
        id: id::prefixed("dst", now, &*app.rng),
        owner_id: organization_id.clone().unwrap_or_else(|| caller.organization_id.clone()),
        name: wanted.name.clone(),
        organization_id,
        workspace_id,
        kinds: wanted.kinds.clone(),
        exporter: wanted.exporter.clone(),
        options: Value::Null,
        state: State::Active,
        reason: None,
        cursor: end,
        kept: Progress::from(end).text(),
        saved: None,
        failures: 0,
        due_at: Timestamp::from_micros(0),
        last_error: None,
        last_error_at: None,
        delivered: 0,
        delivered_at: None,
        created_by: Author::from(caller).name(),
        created_at: now,
        updated_at: now,
    })
}

/// Changes a destination. Where it goes on is not changed by that.
///
/// # Errors
/// As [`create`], and 404 where there is none.
pub async fn update(app: &App, caller: &Caller, id: &str, change: Change) -> Result<Standing, ApiError> {
    let by = Principal::from(caller.clone());
    is_live(&by)?;
    // What somebody else changed meanwhile is decided upon again, and not undone.
    loop {
        let decided = decided(app, &by, id, change.clone()).await?;
        if written(app, caller, decided).await? {
            return Destinations::of(app).get(&by, id).await;
        }
    }
}

/// What a change comes to, for a destination as it was.
struct Decided {
    before: Destination,
    after: Destination,
    sealed: Vec<Sealed>,
    /// Secrets that go, by name.
    gone: Vec<String>,
}

async fn decided(app: &App, by: &Principal, id: &str, change: Change) -> Result<Decided, ApiError> {
    let mut conn = app.store.read().await?;
    let before = find(&mut conn, by, id).await?;
    let mut stored = secrets::list(&mut conn, &before.id).await?;
    drop(conn);
    let mut after = Destination {
        name: change.name.unwrap_or_else(|| before.name.clone()),
        kinds: change.kinds.unwrap_or_else(|| before.kinds.clone()),
        updated_at: app.clock.now(),
        ..before.clone()
    };
    check(&after.name, &after.kinds)?;
    let Some(options) = change.options else {
        return Ok(Decided { before, after, sealed: Vec::new(), gone: Vec::new() });
    };
    let binding = exporter(app, &before)?;
    let is_null = |name: &String| options.get(name).is_some_and(Value::is_null);
    let secret_options = binding.generation().manifest().secret_options();
    let gone: Vec<String> = secret_options.into_iter().filter(is_null).collect();
    stored.retain(|secret| !gone.contains(&secret.name));
    let (kept, given) = split(&binding, options)?;
    after.options = Value::Object(kept);
    let resolved = resolved(app, &binding, &after, &given, &stored)?;
    leads_somewhere(&binding, &resolved)?;
    let sealed = seal_all(app, by, &after, &given, &resolved)?;
    Ok(Decided { before, after, sealed, gone })
}

/// Writes what was decided; false where the destination is not any more what that was decided for.
async fn written(app: &App, caller: &Caller, decided: Decided) -> Result<bool, ApiError> {
    let Decided { before, mut after, sealed, gone } = decided;
    let (author, kind) = (Author::from(caller), "siem_destination.updated");
    let mut now = described(&after);
    if after.options != before.options || !sealed.is_empty() || !gone.is_empty() {
        now["options_changed"] = true.into();
    }
    let mut event = about(&author, &after, kind, now, after.updated_at, &*app.rng);
    event.before = Some(described(&before));
    let write = app.store.write(Lane::Request, move |tx| {
        Box::pin(async move {
            let Some(held) = destinations::hold(tx, &after.id).await? else { return Ok(true) };
            let is_same = held.updated_at == before.updated_at && held.options == before.options;
            if !is_same || described(&held) != described(&before) {
                return Ok(false);
            }
            // What an exporter keeps is of the place that it sent to.
            after.saved = held.saved.filter(|_| after.options == before.options && sealed.is_empty());
            destinations::update(tx, &after).await?;
            for name in &gone {
                secrets::delete(tx, &after.id, name).await?;
            }
            for secret in &sealed {
                secrets::put(tx, secret).await?;
            }
            tx.append(&event, &[]).await?;
            Ok(true)
        })
    });
    write.await.map_err(taken)
}

/// Removes a destination, with its dead letters and secrets.
///
/// # Errors
/// 403 for a test key; 404 where there is none.
pub async fn remove(app: &App, caller: &Caller, id: &str) -> Result<(), ApiError> {
    let by = Principal::from(caller.clone());
    is_live(&by)?;
    let theirs = find(&mut app.store.read().await?, &by, id).await?;
    let author = Author::from(caller);
    let (kind, now) = ("siem_destination.deleted", app.clock.now());
    let mut event = about(&author, &theirs, kind, Value::Null, now, &*app.rng);
    let write = app.store.write(Lane::Request, move |tx| {
        Box::pin(async move {
            let Some(held) = destinations::hold(tx, &theirs.id).await? else { return Ok(()) };
            event.before = Some(described(&held));
            forget_secrets(tx, &held.id).await?;
            destinations::delete(tx, &held.id).await?;
            tx.append(&event, &[]).await
        })
    });
    Ok(write.await?)
}

async fn forget_secrets(tx: &mut Tx, id: &str) -> Result<(), StoreError> {
    for secret in secrets::list(tx, id).await? {
        secrets::delete(tx, id, &secret.name).await?;
    }
    Ok(())
}

/// The live binding that a destination is for.
pub(super) fn exporter(app: &App, destination: &Destination) -> Result<Arc<Binding>, ApiError> {
    let (catalogue, name) = (app.runtime.snapshot(), &destination.exporter);
    let found = catalogue.binding_for(&destination.owner_id, name).cloned();
    found.filter(|binding| binding.kind() == Kind::Exporter).ok_or_else(|| {
        let name = shown(name);
        let message = format!(
            "There is no exporter `{name}` that serves. It may still be loading or wait for an operator's approval: \
             GET /plugins says which."
        );
        ApiError::impossible("exporter", "enabled", message)
    })
}

/// The secrets of options apart from the others.
fn split(
    binding: &Binding,
    mut options: Map<String, Value>,
) -> Result<(Map<String, Value>, Given), ApiError> {
    let given = options::take_secrets(binding.generation().manifest(), &mut options)?;
    if Value::Object(options.clone()).to_string().len() > LONGEST_OPTIONS {
        let message = format!("The 'options' field takes at most {LONGEST_OPTIONS} bytes of JSON.");
        return Err(ApiError::bad_field("options", "max_length", message));
    }
    Ok((options, given))
}

/// An export without an address fails at once, where somebody sees it; a destination would fail for as long as it stands.
fn leads_somewhere(binding: &Binding, resolved: &Resolved) -> Result<(), ApiError> {
    let Some(option) = binding.generation().manifest().unaddressed(&resolved.settings) else { return Ok(()) };
    let message = format!(
        "The option '{option}' is required: it says where to, and neither 'options' nor the configuration of the \
         exporter `{}` has it.",
        binding.name()
    );
    Err(ApiError::impossible(option, "required", message))
}

fn merged(kept: &Map<String, Value>, secrets: &[(String, String)]) -> Map<String, Value> {
    let mut options = kept.clone();
    options.extend(secrets.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str()))));
    options
}

/// What a destination's exporter gets and may do, with the secrets that were just given and those that were kept. A
/// kept one goes only to the address that it was given for.
pub(super) fn resolved(
    app: &App,
    binding: &Arc<Binding>,
    destination: &Destination,
    given: &[(String, String)],
    stored: &[Sealed],
) -> Result<Resolved, ApiError> {
    let is_given = |name: &str| given.iter().any(|(given, _)| given == name);
    let kept: Vec<&Sealed> = stored.iter().filter(|secret| !is_given(&secret.name)).collect();
    let mut values = given.to_vec();
    for secret in &kept {
        let value = vault::open(&app.config.keyring, secret).map_err(|error| {
            ApiError::conflict(format!("The secret '{}' cannot be opened: {error}.", secret.name))
        })?;
        values.push((secret.name.clone(), value.reveal().to_owned()));
    }
    let options = destination.options.as_object().cloned().unwrap_or_default();
    let resolved = options::resolve(binding, merged(&options, &values))?;
    for secret in kept {
        let (name, meant) = (&secret.name, secret.audience.as_deref().unwrap_or_default());
        let now = resolved.secrets.iter().find(|(found, _)| found == name);
        if now.is_none_or(|(_, now)| now.audience().to_string() != meant) {
            let message =
                format!("The kept '{name}' is for {meant} only; with another address send it again.");
            return Err(ApiError::impossible(name.clone(), "required", message));
        }
    }
    Ok(resolved)
}

fn seal_all(
    app: &App,
    by: &Principal,
    destination: &Destination,
    given: &[(String, String)],
    resolved: &Resolved,
) -> Result<Vec<Sealed>, ApiError> {
    let now: Timestamp = app.clock.now();
    let seal = |(name, value): &(String, String)| {
        let found = resolved.secrets.iter().find(|(found, _)| found == name);
        let audience = found.map(|(_, secret)| secret.audience().to_string());
        let by = by.author().name();
        let place = (destination.id.as_str(), name.as_str(), audience);
        vault::seal(&app.config.keyring, &*app.rng, place, value, (by, now))
    };
    given.iter().map(seal).collect()
}

fn check(name: &str, kinds: &[String]) -> Result<(), ApiError> {
    text::name("name", name, LONGEST_NAME)?;
    if kinds.len() > MOST_KINDS {
        let message = format!("The 'events' field takes at most {MOST_KINDS} kinds.");
        return Err(ApiError::bad_field("events", "max_items", message));
    }
    let Some(at) = kinds.iter().position(|kind| !is_pattern(kind)) else { return Ok(()) };
    let message = format!(
        "The 'events[{at}]' field must be the kind of events, or the beginning of several: `plugin.approved`, \
         `plugin.*`."
    );
    Err(ApiError::bad_field(format!("events[{at}]"), "event", message))
}

fn too_many() -> ApiError {
    ApiError::conflict(format!("There are {MOST} destinations already. Delete one first."))
}

/// For an event: no secret is among the options, but the path of an address often is as good as one.
fn described(destination: &Destination) -> Value {
    json!({
        "name": destination.name,
        "exporter": destination.exporter,
        "events": destination.kinds,
        "workspace_id": destination.workspace_id,
        "options": with_masked_urls(&destination.options),
    })
}

fn taken(error: StoreError) -> ApiError {
    match error {
        StoreError::Duplicate { .. } => {
            ApiError::conflict("There is a destination of this name already.").with_detail("field", "name")
        }
        error => error.into(),
    }
}
