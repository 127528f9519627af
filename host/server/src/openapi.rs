//! OpenAPI 3.1 of exactly what is served; a test compares it with the router.

use utoipa::openapi::path::{Operation, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{ContentBuilder, OpenApi as Document, Paths, Ref, ResponseBuilder};
use utoipa::{Modify, OpenApi};

use crate::api::{
    admin_auth, analytics, api_key_history, api_keys, audit_integrity, audit_logs, billing, chat,
    completions, configs, diagnostics, docs, document_events, documents, embeddings, events, health,
    knowledge, limits, me, models, org, payments, plugin_bindings, plugin_reach, plugin_switches, plugins,
    retention, search, siem, siem_dead_letters, sources, tiers, tools, usage, users, webhook_deliveries,
    webhook_endpoints, workspace_members, workspaces,
};
use crate::error::Shape;
use crate::error::schema::{ErrorBody, FlatErrorBody};
use crate::service::idempotency::HEADER;

/// Where the API is described as being; it is the same under `/v1`.
pub const BASE: &str = "/api/v1";

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Hardpoint",
        description = "A host for AI APIs whose tools, exporters and model adapters are sandboxed plugins. The same API is mounted at `/api/v1` and `/v1`, and at the root for `/knowledge-bases` and `/sources`."
    ),
    paths(
        completions::create,
        search::search,
        chat::create,
        chat::list,
        chat::get,
        chat::remove,
        analytics::get,
        embeddings::create,
        models::list,
        models::get,
        tools::list,
        tools::call,
        admin_auth::request_pin,
        admin_auth::verify_pin,
        admin_auth::log_out,
        me::get,
        billing::get,
        billing::set_budget,
        billing::add_credits,
        billing::rates,
        billing::quote,
        billing::approve,
        billing::approvals,
        payments::checkout,
        payments::portal,
        payments::webhook,
        usage::get,
        limits::get,
        limits::of_organization,
        limits::set_of_organization,
        org::get,
        tiers::list,
        org::list,
        org::create,
        workspaces::list,
        workspaces::create,
        workspaces::get,
        workspaces::update,
        workspaces::remove,
        workspace_members::list,
        workspace_members::put,
        workspace_members::remove,
        users::list,
        users::invite,
        users::get,
        users::update,
        users::activate,
        users::deactivate,
        api_keys::list,
        api_keys::create,
        api_keys::get,
        api_keys::remove,
        api_keys::archive,
        api_keys::rotate,
        api_key_history::calls,
        api_key_history::usage,
        knowledge::list,
        knowledge::create,
        knowledge::get,
        knowledge::update,
        knowledge::remove,
        documents::upload_into,
        documents::list_in,
        documents::get_in,
        documents::remove_in,
        documents::reindex_in,
        document_events::follow,
        documents::upload,
        documents::quick_upload,
        documents::list,
        documents::get,
        documents::remove,
        documents::content,
        documents::reindex,
        sources::get,
        sources::remove,
        plugins::list,
        plugins::upload,
        plugins::reload,
        plugins::get,
        plugins::remove,
        plugins::approve,
        plugins::revoke,
        plugin_switches::pause,
        plugin_switches::resume,
        plugin_switches::roll_back,
        plugin_switches::discard,
        plugin_bindings::put,
        plugin_bindings::remove,
        plugin_reach::list,
        plugin_reach::put_others,
        plugin_reach::put,
        plugin_reach::clear,
        plugins::reload_one,
        plugins::logs,
        audit_logs::list,
        audit_logs::list_by_its_other_name,
        audit_integrity::get,
        events::list,
        events::export,
        audit_logs::export,
        webhook_endpoints::list,
        webhook_endpoints::create,
        webhook_endpoints::get,
        webhook_endpoints::update,
        webhook_endpoints::remove,
        webhook_endpoints::rotate_secret,
        webhook_deliveries::list,
        webhook_deliveries::get,
        webhook_deliveries::replay,
        webhook_deliveries::replay_since,
        webhook_deliveries::test,
        diagnostics::request,
        diagnostics::deliveries,
        siem::list,
        siem::create,
        siem::get,
        siem::update,
        siem::remove,
        siem::pause,
        siem::resume,
        siem::test,
        siem::replay,
        siem_dead_letters::list,
        siem_dead_letters::replay,
        retention::get,
        retention::put,
        configs::get,
        configs::update,
        docs::openapi,
    ),
    components(schemas(ErrorBody, FlatErrorBody)),
    security(("key" = []), ("key_header" = [])),
    tags(
        (name = "completions", description = "Conversations with models, as OpenAI's clients know them"),
        (name = "models", description = "What can be asked"),
        (name = "tools", description = "Tools that plugins offer"),
        (name = "login", description = "Sessions of people, by a PIN that is sent by mail"),
        (name = "organisations", description = "Who is calling, organisations and their workspaces"),
        (name = "billing", description = "Credits, what things cost, budgets, usage and limits"),
        (name = "API keys", description = "Keys, what they may do, and what was done with them"),
        (name = "knowledge", description = "Documents, and the knowledge bases that they are searched in"),
        (name = "plugins", description = "For operators: what is loaded and what it may do"),
        (name = "audit logs", description = "What happened, and where it is sent"),
        (name = "webhooks", description = "Where an organisation's events are told, and what became of it"),
        (name = "diagnostics", description = "What became of one request, and of deliveries"),
        (name = "operation", description = "Whether it runs, and how it is described"),
    ),
    modifiers(&Credentials, &Common)
)]
struct Api;

/// What is served at the root, beside the API.
#[derive(OpenApi)]
#[openapi(paths(health::live, health::ready, health::metrics))]
struct Site;

struct Credentials;

impl Modify for Credentials {
    fn modify(&self, document: &mut Document) {
        use utoipa::openapi::security::{ApiKey, ApiKeyValue};
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("key", SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)));
        let header = ApiKey::Header(ApiKeyValue::new("X-API-Key"));
        components.add_security_scheme("key_header", SecurityScheme::ApiKey(header));
    }
}

/// Answers that do not depend on the endpoint but on what it takes, so that no endpoint lists them.
struct Common;

impl Modify for Common {
    fn modify(&self, document: &mut Document) {
        for (path, item) in &mut document.paths.paths {
            let schema = if Shape::of(path) == Shape::Flat { "FlatErrorBody" } else { "ErrorBody" };
            if let Some(operation) = item.post.as_mut().filter(|operation| operation.security.is_none()) {
                add_name(operation, schema);
            }
            let operations =
                [&mut item.get, &mut item.put, &mut item.post, &mut item.delete, &mut item.patch];
            for operation in operations.into_iter().flatten() {
                add_common(operation, schema);
            }
        }
    }
}

/// Adds what every `POST` takes: a name, under which it is carried out once.
fn add_name(operation: &mut Operation, schema: &str) {
    let text = ObjectBuilder::new()
        .schema_type(Type::String)
        .min_length(Some(1))
        .max_length(Some(255))
        .pattern(Some("^[ -~]+$"));
    let name = ParameterBuilder::new()
    .name(HEADER)
    .parameter_in(ParameterIn::Header)
    .description(Some(
        "Names the request, among those of this key: however often it is sent within 24 hours, it is carried \
         out once, and what succeeded is answered as it was the first time, with `Idempotency-Replayed: true`.",
    ))
    .schema(Some(text));
    operation.parameters.get_or_insert_default().push(name.build().into());
    for (status, description) in [
        ("409", "The first request of this `Idempotency-Key` is under way, or its answer is not there"),
        ("422", "This `Idempotency-Key` was used for another request"),
    ] {
        add_error(operation, status, description, schema);
    }
}

/// Adds the answers that an operation does not describe itself.
fn add_common(operation: &mut Operation, schema: &str) {
    let needs_key = operation.security.is_none();
    let parameters = operation.parameters.as_ref().is_some_and(|all| !all.is_empty());
    let body = operation.request_body.is_some();
    let common = [
        (parameters || body, "400", "Something of the request does not fit; `details` names it"),
        (needs_key, "401", "No valid credential"),
        (needs_key, "403", "The key's role or scopes do not allow it"),
        (body, "408", "The rest of the body did not come in time"),
        (body, "413", "The body is too large"),
        (body, "415", "The body is of another media type"),
        (
            needs_key,
            "429",
            "A limit of the key, its organisation or that one's plan is reached; `retry_after` says for how long",
        ),
        (true, "500", "Something went wrong on the host's side"),
        (needs_key, "503", "The host is too busy, or its database out of reach"),
    ];
    for (applies, status, description) in common {
        if applies {
            add_error(operation, status, description, schema);
        }
    }
}

/// Adds an error, unless the operation describes it itself.
fn add_error(operation: &mut Operation, status: &str, description: &str, schema: &str) {
    if operation.responses.responses.contains_key(status) {
        return;
    }
    let schema = Ref::from_schema_name(schema);
    let content = ContentBuilder::new().schema(Some(schema)).build();
    let response =
        ResponseBuilder::new().description(description).content("application/json", content).build();
    operation.responses.responses.insert(status.to_owned(), response.into());
}

/// Other names of resources, Seclai's: the same handlers stand behind both.
fn alias(path: &str) -> Option<String> {
    match path.strip_prefix("/knowledge") {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => Some(format!("/knowledge-bases{rest}")),
        // One of them is told otherwise when it is not there.
        _ => (path == "/documents").then(|| "/sources".to_owned()),
    }
}

/// The document.
pub fn document() -> Document {
    let mut document = Api::openapi();
    let mut paths = Paths::new();
    for (path, item) in std::mem::take(&mut document.paths.paths) {
        if let Some(other) = alias(&path) {
            paths.paths.insert(format!("{BASE}{other}"), item.clone());
        }
        paths.paths.insert(format!("{BASE}{path}"), item);
    }
    document.paths = paths;
    document.merge(Site::openapi());
    document
}

/// The document as JSON text.
pub fn json() -> String {
    // A tree of maps, lists and strings always serialises.
    document().to_pretty_json().unwrap_or_default()
}
