//! Knowledge bases of the caller's organisation. Whoever is bound to a workspace sees those that are shared with it, and
//! changes those that are shared with it alone.

use std::collections::BTreeSet;

use hardpoint_domain::access::Excess;
use hardpoint_domain::id::{self, BindingName};
use hardpoint_domain::knowledge::settings::{Chunking, Embedder, Settings, Sharing, Wrong};
use hardpoint_domain::manifest::Kind;
use hardpoint_domain::time::Timestamp;
use hardpoint_store::knowledge::bases::{self, Contents, KnowledgeBase, NewKnowledgeBase};
use hardpoint_store::knowledge::generations;
use hardpoint_store::plugins::State;
use hardpoint_store::{Lane, StoreError, Tx, Window, organizations, plugins, workspaces};
use serde_json::Value;

use super::{embedder, told};
use crate::caller::Caller;
use crate::error::ApiError;
use crate::service::accounts::shown;
use crate::service::events::Author;
use crate::service::plugins::arranged::Arranged;
use crate::state::App;

/// The retriever of knowledge bases that name none. It is shipped: where it is not here yet, documents wait for it.
pub const RETRIEVER: &str = "hybrid";
/// The name of an organisation's default knowledge base.
const DEFAULT_NAME: &str = "Default";
/// Knowledge bases that an organisation may have.
const MOST: i64 = 1_000;

/// A knowledge base and how much is in it.
#[derive(Clone, Debug)]
pub struct Stocked {
    /// The knowledge base.
    pub base: KnowledgeBase,
    /// What is in it.
    pub contents: Contents,
}

/// What a knowledge base is to be. What is left out stays as it is, or is as usual.
#[derive(Clone, Debug, Default)]
pub struct Change {
    /// For people.
    pub name: Option<String>,
    /// For people; may be empty.
    pub description: Option<String>,
    /// The binding of a retriever.
    pub retriever: Option<String>,
    /// Whose vectors; inside, none for full text alone.
    pub embedder: Option<Option<WantedEmbedder>>,
    /// About so many tokens of the embedder in a chunk.
    pub chunk_tokens: Option<u32>,
    /// About so many of them are the end of the chunk before.
    pub chunk_overlap: Option<u32>,
    /// The least score of a source, from 0 to 1.
    pub similarity_threshold: Option<f64>,
    /// What is answered where nothing reaches it; inside, none for the host's own words.
    pub fallback: Option<Option<String>>,
    /// The workspaces that see it; inside, none for the whole organisation.
    pub workspaces: Option<Option<Vec<String>>>,
}

/// An embedder as somebody names it.
#[derive(Clone, Debug)]
pub struct WantedEmbedder {
    /// The model's id.
    pub model: String,
    /// Of its vectors; that of the model where left out.
    pub dimensions: Option<u32>,
}

/// What a change in a transaction comes to.
type Changed<T> = Result<T, ApiError>;

/// The organisation's knowledge bases that the caller sees, newest first, and how many there are.
///
/// # Errors
/// The store's.
pub async fn list(app: &App, caller: &Caller, window: Window) -> Result<(Vec<Stocked>, i64), ApiError> {
    let (organization, workspace) = (&*caller.organization_id, caller.workspace_id.as_deref());
    let mut conn = app.store.read().await?;
    let mut found = Vec::new();
    for base in bases::list(&mut conn, organization, workspace, window).await? {
        let contents = bases::contents(&mut conn, &base.id).await?;
        found.push(Stocked { base, contents });
    }
    Ok((found, bases::count(&mut conn, organization, workspace).await?))
}

/// A knowledge base that is the caller's to see, with what is in it.
///
/// # Errors
/// 404 where there is none.
pub async fn get(app: &App, caller: &Caller, id: &str) -> Result<Stocked, ApiError> {
    let base = find(app, caller, id).await?;
    let contents = bases::contents(&mut app.store.read().await?, &base.id).await?;
    Ok(Stocked { base, contents })
}

/// A knowledge base that is the caller's to see, by `kb-…` or the bare UUID.
///
/// # Errors
/// 404 where there is none.
pub async fn find(app: &App, caller: &Caller, id: &str) -> Result<KnowledgeBase, ApiError> {
    let Some(known) = id::of_either_form("kb", id) else { return Err(no_base(id)) };
    let found = bases::get(&mut app.store.read().await?, &caller.organization_id, &known).await?;
    found.filter(|base| sees(caller, base)).ok_or_else(|| no_base(id))
}

/// Makes a knowledge base.
///
/// # Errors
/// 400 names the field; 403 for a workspace that is not the caller's, and for a test key where the retriever may reach
/// others; 409 where there are as many as there may be; 422 for a retriever, an embedder or a workspace that there is not.
pub async fn create(app: &App, caller: &Caller, wanted: Change) -> Result<Stocked, ApiError> {
    let retriever = retriever(app, caller, wanted.retriever.as_deref().unwrap_or(RETRIEVER)).await?;
    let mut usual = Settings::new(String::new(), retriever);
    usual.sharing = caller.workspace_id.clone().map_or(Sharing::Organization, only);
    let settings = settled(&usual, &wanted)?;
    check_sharing(app, caller, &settings.sharing).await?;
    searches_inside(app, caller, &settings.retriever)?;
    let embedder = match wanted.embedder {
        None => app.knowledge.local_embedder(),
        Some(named) => named.map(|named| embedder::named(app, caller, &named)).transpose()?,
    };
    embedder.iter().try_for_each(|embedder| embeds_inside(app, caller, embedder))?;
    let new = new(app, caller, settings, embedder, false);
    let base = add(app, caller, new).await?;
    Ok(Stocked { base, contents: Contents::default() })
}

/// Where the uploads of an organisation go that name no knowledge base. It is made when it is first asked for.
///
/// # Errors
/// 409 where there are as many knowledge bases as there may be; 422 where the retriever is not open to the organisation.
pub async fn default(app: &App, caller: &Caller) -> Result<KnowledgeBase, ApiError> {
    let there = bases::default_of(&mut app.store.read().await?, &caller.organization_id).await?;
    if let Some(there) = there {
        return Ok(there);
    }
    let settings = Settings::new(DEFAULT_NAME, retriever(app, caller, RETRIEVER).await?);
    searches_inside(app, caller, &settings.retriever)?;
    let new = new(app, caller, settings, app.knowledge.local_embedder(), true);
    add(app, caller, new).await
}

/// Changes a knowledge base. Another embedder is at work from when all vectors are made anew.
///
/// # Errors
/// As [`create`] and [`get`]; 403 too for who is bound to a workspace and others see it as well; 422 too for the default
/// one that only some are to see, and for an embedder that is to be taken away.
pub async fn update(app: &App, caller: &Caller, id: &str, change: Change) -> Result<Stocked, ApiError> {
    let before = find(app, caller, id).await?;
    may_change(caller, &before)?;
    if let Some(name) = &change.retriever
        && name != before.settings.retriever.as_str()
    {
        retriever(app, caller, name).await?;
    }
    let after = settled(&before.settings, &change)?;
    if after.sharing != before.settings.sharing {
        check_sharing(app, caller, &after.sharing).await?;
    }
    stays_inside(app, caller, &before)?;
    searches_inside(app, caller, &after.retriever)?;
    let embedder = change.embedder.as_ref().and_then(Option::as_ref);
    let embedder = embedder.map(|named| embedder::named(app, caller, named)).transpose()?;
    embedder.iter().try_for_each(|embedder| embeds_inside(app, caller, embedder))?;
    let written = write_change(app, caller, before.id, change, embedder).await?;
    app.knowledge.ring();
    get(app, caller, &written.id).await
}

async fn write_change(
    app: &App,
    caller: &Caller,
    id: String,
    change: Change,
    embedder: Option<Embedder>,
) -> Result<KnowledgeBase, ApiError> {
    let (author, caller, now, rng) = (Author::from(caller), caller.clone(), app.clock.now(), app.rng.clone());
    let write = app.store.write(Lane::Request, move |tx| {
        Box::pin(async move {
            let organization = &*caller.organization_id;
            // Changes come one after the other.
            organizations::hold(tx, organization).await?;
            let Some(before) = bases::get(tx, organization, &id).await? else { return Ok(Err(no_base(&id))) };
            let after = match changed(&caller, &before, &change, now) {
                Ok(after) => after,
                Err(error) => return Ok(Err(error)),
            };
            bases::update(tx, &after).await?;
            if let Some(embedder) = &embedder {
                generations::begin(tx, &id, embedder, now).await?;
            }
            let after = bases::get(tx, organization, &id).await?.unwrap_or(after);
            let told = (told::base(&before), told::base(&after));
            let event = told::of_base(&author, &after, "knowledge_base.updated", told, (now, &*rng));
            tx.append(&event, &[]).await?;
            Ok(Ok(after))
        })
    });
    write.await?
}

/// A knowledge base as it is after a change.
fn changed(
    caller: &Caller,
    before: &KnowledgeBase,
    change: &Change,
    now: Timestamp,
) -> Changed<KnowledgeBase> {
    may_change(caller, before)?;
    let settings = settled(&before.settings, change)?;
    if before.is_default && settings.sharing != Sharing::Organization {
        let message =
            "The default knowledge base is the whole organisation's: uploads that name none go there.";
        return Err(ApiError::impossible("sharing.workspaces", "default", message));
    }
    if matches!(change.embedder, Some(None)) && before.generations().next().is_some() {
        let message = "An embedder is not taken away once vectors are made by it. Name another one.";
        return Err(ApiError::impossible("embedder", "present", message));
    }
    Ok(KnowledgeBase { settings, updated_at: now, ..before.clone() })
}

/// Removes a knowledge base with all that is in it.
///
/// # Errors
/// 403 for who is bound to a workspace and others see it as well, and for a test key where the retriever may reach others;
/// 404 where there is none.
pub async fn remove(app: &App, caller: &Caller, id: &str) -> Result<(), ApiError> {
    let base = find(app, caller, id).await?;
    may_change(caller, &base)?;
    stays_inside(app, caller, &base)?;
    let now = app.clock.now();
    let told = (told::base(&base), Value::Null);
    let event = told::of_base(&Author::from(caller), &base, "knowledge_base.deleted", told, (now, &*app.rng));
    let write = app.store.write(Lane::Request, move |tx| {
        Box::pin(async move {
            if bases::remove(tx, &base.organization_id, &base.id, now).await?.is_none() {
                return Ok(Err(no_base(&base.id)));
            }
            tx.append(&event, &[]).await?;
            Ok(Ok(()))
        })
    });
    write.await??;
    app.knowledge.ring();
    Ok(())
}

/// Whether a knowledge base is the caller's to see.
pub(super) fn sees(caller: &Caller, base: &KnowledgeBase) -> bool {
    base.settings.sharing.admits(caller.workspace_id.as_deref())
}

/// Test keys never have an outside service called: only what stays on this host is done for them.
///
/// # Errors
/// 403 for a test key where the retriever may go out, or cannot be asked, and where vectors are made elsewhere.
pub(super) fn stays_inside(app: &App, caller: &Caller, base: &KnowledgeBase) -> Result<(), ApiError> {
    searches_inside(app, caller, &base.settings.retriever)?;
    base.generations().try_for_each(|generation| embeds_inside(app, caller, &generation.embedder))
}

fn embeds_inside(app: &App, caller: &Caller, embedder: &Embedder) -> Result<(), ApiError> {
    if caller.livemode || !embedder::goes_out(app, embedder) {
        return Ok(());
    }
    Err(ApiError::test_key("changes nothing in a knowledge base whose vectors are made elsewhere"))
}

fn searches_inside(app: &App, caller: &Caller, retriever: &BindingName) -> Result<(), ApiError> {
    let catalogue = app.runtime.snapshot();
    let binding = catalogue.binding_for(&caller.organization_id, retriever.as_str());
    let is_inside = binding.is_some_and(|binding| binding.permissions().http.is_empty());
    if caller.livemode || is_inside {
        return Ok(());
    }
    Err(ApiError::test_key("changes nothing in a knowledge base whose retriever may reach others"))
}

pub(super) fn no_base(id: &str) -> ApiError {
    ApiError::not_found(format_args!("knowledge base `{}`", shown(id)))
}

fn only(workspace: String) -> Sharing {
    Sharing::Workspaces(BTreeSet::from([workspace]))
}

/// Whoever is bound to a workspace changes what is that one's alone.
fn may_change(caller: &Caller, base: &KnowledgeBase) -> Result<(), ApiError> {
    may_share(caller, &base.settings.sharing)
}

fn may_share(caller: &Caller, sharing: &Sharing) -> Result<(), ApiError> {
    match &caller.workspace_id {
        Some(own) if *sharing != only(own.clone()) => Err(Excess::Workspace.into()),
        _ => Ok(()),
    }
}

async fn check_sharing(app: &App, caller: &Caller, sharing: &Sharing) -> Result<(), ApiError> {
    may_share(caller, sharing)?;
    let Sharing::Workspaces(ids) = sharing else { return Ok(()) };
    let mut conn = app.store.read().await?;
    for id in ids {
        let known = match id::looks_like("ws", id) {
            true => workspaces::get(&mut conn, &caller.organization_id, id).await?,
            false => None,
        };
        if known.is_none() {
            let message = format!("There is no workspace `{}`.", shown(id));
            return Err(ApiError::impossible("sharing.workspaces", "exists", message));
        }
    }
    Ok(())
}

/// Settings after a change, checked by themselves.
fn settled(before: &Settings, change: &Change) -> Changed<Settings> {
    let mut after = before.clone();
    let Change { name, description, retriever, similarity_threshold, .. } = change.clone();
    after.name = name.unwrap_or(after.name);
    after.description = description.unwrap_or(after.description);
    if let Some(name) = retriever {
        after.retriever = BindingName::parse(&name).map_err(|_| no_retriever(&name, &[]))?;
    }
    after.similarity_threshold = similarity_threshold.unwrap_or(after.similarity_threshold);
    after.chunking = chunking(after.chunking, change);
    if let Some(fallback) = &change.fallback {
        after.fallback.clone_from(fallback);
    }
    if let Some(workspaces) = &change.workspaces {
        let some = |ids: &Vec<String>| Sharing::Workspaces(ids.iter().cloned().collect());
        after.sharing = workspaces.as_ref().map_or(Sharing::Organization, some);
    }
    after.check().map_err(|wrong| wrong.first().map_or_else(|| ApiError::bad_request(""), misfit))?;
    Ok(after)
}

/// An overlap that nobody named is never what makes a chunk's size impossible.
fn chunking(before: Chunking, change: &Change) -> Chunking {
    let tokens = change.chunk_tokens.unwrap_or(before.tokens);
    Chunking { tokens, overlap: change.chunk_overlap.unwrap_or(before.overlap.min(tokens / 2)) }
}

fn misfit(wrong: &Wrong) -> ApiError {
    let Wrong { field, message } = wrong;
    ApiError::bad_field(*field, "range", format!("The '{field}' field must be {message}."))
}

/// A retriever that the organisation may use: live, or known and not live at the moment.
async fn retriever(app: &App, caller: &Caller, name: &str) -> Result<BindingName, ApiError> {
    let (catalogue, organization) = (app.runtime.snapshot(), &*caller.organization_id);
    let is_open = match catalogue.binding(name) {
        Some(live) => live.kind() == Kind::Retriever && live.admits(organization),
        None => catalogue.admits(organization, name) && is_known(app, name).await?,
    };
    let open = catalogue.bindings_of(Kind::Retriever).filter(|binding| binding.admits(organization));
    let refused = || no_retriever(name, &open.map(|binding| binding.name()).collect::<Vec<_>>());
    match BindingName::parse(name) {
        Ok(parsed) if is_open => Ok(parsed),
        _ => Err(refused()),
    }
}

/// Whether a name stands for a retriever that does not serve at the moment.
async fn is_known(app: &App, name: &str) -> Result<bool, StoreError> {
    if name == RETRIEVER {
        return Ok(true);
    }
    let mut conn = app.store.read().await?;
    let arranged = Arranged::read(&mut conn).await?;
    let effective = app.effective();
    let plugin = arranged.binding(&effective.config, name).map_or(name, |binding| binding.plugin.as_str());
    let rows = plugins::list(&mut conn).await?;
    Ok(rows.iter().any(|row| row.id == plugin && row.kind == Kind::Retriever && row.state != State::Removed))
}

fn no_retriever(name: &str, open: &[&str]) -> ApiError {
    let there = if open.is_empty() { String::new() } else { format!("; there are {}", open.join(", ")) };
    let message = format!("There is no retriever `{}`{there}.", shown(name));
    ApiError::impossible("retriever", "exists", message)
}

fn new(
    app: &App,
    caller: &Caller,
    settings: Settings,
    embedder: Option<Embedder>,
    is_default: bool,
) -> NewKnowledgeBase {
    let now = app.clock.now();
    NewKnowledgeBase {
        id: id::hyphenated("kb", now, &*app.rng),
        organization_id: caller.organization_id.clone(),
        is_default,
        settings,
        embedder,
        created_by: Author::from(caller).name(),
        now,
    }
}

/// Keeps a new knowledge base, with its event; or finds the default one that somebody else just made.
async fn add(app: &App, caller: &Caller, new: NewKnowledgeBase) -> Result<KnowledgeBase, ApiError> {
    let (author, rng) = (Author::from(caller), app.rng.clone());
    let write = app.store.write(Lane::Request, move |tx| {
        Box::pin(async move {
            let organization = &new.organization_id;
            // They are counted by one at a time.
            organizations::hold(tx, organization).await?;
            if new.is_default
                && let Some(there) = bases::default_of(tx, organization).await?
            {
                return Ok(Ok(there));
            }
            if bases::count(tx, organization, None).await? >= MOST {
                let message = format!("There are {MOST} knowledge bases already. Delete one first.");
                return Ok(Err(ApiError::conflict(message)));
            }
            let made = made(tx, &new).await?;
            let told = (Value::Null, told::base(&made));
            let event = told::of_base(&author, &made, "knowledge_base.created", told, (new.now, &*rng));
            tx.append(&event, &[]).await?;
            Ok(Ok(made))
        })
    });
    write.await?
}

async fn made(tx: &mut Tx, new: &NewKnowledgeBase) -> Result<KnowledgeBase, StoreError> {
    bases::create(tx, new).await?;
    let made = bases::get(tx, &new.organization_id, &new.id).await?;
    made.ok_or_else(|| StoreError::Corrupt(format!("{} was made and is not there", new.id)))
}
