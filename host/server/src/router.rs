//! Every route, on one page.

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::middleware::from_fn_with_state;
use axum::routing::{delete, get, post, put};
use hardpoint_domain::access::Role::{Admin, Member, Operator, Viewer};
use hardpoint_domain::access::{Role, Rule};
use hardpoint_domain::feature::Feature;
use http::{Method, StatusCode};

use crate::api::{
    admin_auth, analytics, api_key_history, api_keys, audit_integrity, audit_logs, billing, chat,
    completions, configs, diagnostics, docs, document_events, documents, embeddings, events, health,
    knowledge, limits, me, models, org, payments, plugin_bindings, plugin_reach, plugin_switches, plugins,
    retention, search, siem, siem_dead_letters, sources, tiers, tools, usage, users, webhook_deliveries,
    webhook_endpoints, workspace_members, workspaces,
};
use crate::error::ApiError;
use crate::middleware::entry::{Access, Bodies, Entry, entry};
use crate::state::App;

/// Where the API is mounted.
pub const MOUNTS: [&str; 2] = ["/api/v1", "/v1"];

/// The whole server.
pub fn router(app: Arc<App>) -> Router {
    let open = Entry { app: app.clone(), access: Access::Open, bodies: Bodies::Json };
    let of = |access: Access| Entry { access, ..open.clone() };
    let upload = Entry { bodies: Bodies::Uploads, ..of(Access::Resource(PLUGINS)) };
    let guarded = |routes: Router<Arc<App>>, entry_of: Entry| {
        routes.method_not_allowed_fallback(method_not_allowed).layer(from_fn_with_state(entry_of, entry))
    };

    let mut api = guarded(open_routes(), open.clone())
        .merge(guarded(notice_routes(), Entry { bodies: Bodies::Notices, ..open.clone() }))
        .merge(guarded(key_routes(), of(Access::Key)))
        .merge(guarded(upload_routes(), upload));
    for (rule, routes) in resource_routes() {
        api = api.merge(guarded(routes, of(Access::Resource(rule))));
    }
    let documents = Entry { bodies: Bodies::Documents, ..of(Access::Resource(DOCUMENTS)) };
    for routes in [document_routes(), knowledge_base_document_routes(), source_routes()] {
        api = api.merge(guarded(routes, documents.clone()));
    }
    let mut whole =
        guarded(Router::new().fallback(not_found), open.clone()).merge(guarded(site_routes(), open.clone()));
    // Seclai's clients know no prefix.
    let bases = of(Access::Resource(KNOWLEDGE));
    whole = whole.merge(guarded(knowledge_base_routes(), bases));
    for routes in [knowledge_base_document_routes(), source_routes()] {
        whole = whole.merge(guarded(routes, documents.clone()));
    }
    for mount in MOUNTS {
        whole = whole.nest(mount, api.clone());
    }
    whole.with_state(app)
}

/// What scopes call the resource, the least role that reads it, and the least that does anything else.
const fn rule(resource: &'static str, read: Role, write: Role) -> Rule {
    Rule { resource, read, write, feature: None, in_workspaces: false }
}

const PLUGINS: Rule = rule("plugins", Operator, Operator);
const KNOWLEDGE: Rule = rule("knowledge", Viewer, Admin);
const DOCUMENTS: Rule = rule("documents", Viewer, Member);

/// Under each mount, for whoever has a good key that may do this.
fn resource_routes() -> Vec<(Rule, Router<Arc<App>>)> {
    let routes = Router::new;
    vec![
        (rule("completions", Member, Member), routes().route("/chat/completions", post(completions::create))),
        (rule("embeddings", Member, Member), routes().route("/embeddings", post(embeddings::create))),
        (
            rule("models", Viewer, Admin),
            routes().route("/models", get(models::list)).route("/models/{*id}", get(models::get)),
        ),
        (
            rule("tools", Viewer, Member),
            routes().route("/tools", get(tools::list)).route("/tools/{name}/call", post(tools::call)),
        ),
        (
            rule("billing", Viewer, Admin),
            routes()
                .route("/billing", get(billing::get))
                .route("/billing/budget", put(billing::set_budget))
                .route("/billing/rates", get(billing::rates))
                .route("/billing/checkout", post(payments::checkout))
                .route("/billing/portal", post(payments::portal))
                .route("/billing/approvals", get(billing::approvals).post(billing::approve)),
        ),
        (rule("billing", Operator, Operator), routes().route("/billing/credits", post(billing::add_credits))),
        // It changes nothing, and is for whoever may ask for the completion itself.
        (rule("completions", Member, Member), routes().route("/billing/quote", post(billing::quote))),
        (rule("usage", Viewer, Admin), routes().route("/usage", get(usage::get))),
        (rule("limits", Viewer, Admin), routes().route("/limits", get(limits::get))),
        (rule("org", Viewer, Admin), routes().route("/org", get(org::get))),
        (
            rule("organizations", Operator, Operator),
            routes().route("/orgs", get(org::list).post(org::create)).route(
                "/orgs/{org_id}/limits",
                get(limits::of_organization).put(limits::set_of_organization),
            ),
        ),
        (
            rule("workspaces", Viewer, Admin).in_workspaces(),
            routes()
                .route("/orgs/{org_id}/workspaces", get(workspaces::list).post(workspaces::create))
                .route(
                    "/orgs/{org_id}/workspaces/{id}",
                    get(workspaces::get).put(workspaces::update).delete(workspaces::remove),
                )
                .route("/orgs/{org_id}/workspaces/{id}/members", get(workspace_members::list))
                .route(
                    "/orgs/{org_id}/workspaces/{id}/members/{user_id}",
                    put(workspace_members::put).delete(workspace_members::remove),
                ),
        ),
        (
            rule("users", Admin, Admin),
            routes()
                .route("/users", get(users::list).post(users::invite))
                .route("/users/{id}", get(users::get).put(users::update))
                .route("/users/{id}/activate", post(users::activate))
                .route("/users/{id}/deactivate", post(users::deactivate)),
        ),
        (
            rule("api_keys", Member, Admin).in_workspaces(),
            routes()
                .route("/api_keys", get(api_keys::list).post(api_keys::create))
                .route("/api_keys/{id}", get(api_keys::get).delete(api_keys::remove))
                .route("/api_keys/{id}/archive", post(api_keys::archive))
                .route("/api_keys/{id}/rotate", post(api_keys::rotate))
                .route("/api_keys/{id}/calls", get(api_key_history::calls))
                .route("/api_keys/{id}/usage", get(api_key_history::usage)),
        ),
        (KNOWLEDGE, knowledge_routes()),
        (KNOWLEDGE, knowledge_base_routes()),
        (rule("webhooks", Admin, Admin), webhook_routes()),
        (
            rule("audit_logs", Admin, Admin).paid(Feature::AuditLogs),
            routes()
                .route("/audit-logs", get(audit_logs::list))
                .route("/auditlogs", get(audit_logs::list_by_its_other_name))
                .route("/audit-logs/integrity", get(audit_integrity::get))
                .route("/events", get(events::list))
                .route("/events/export", get(events::export)),
        ),
        (
            rule("audit_logs", Admin, Admin).paid(Feature::CustomRetention),
            routes().route("/enterprise/orgs/{org_id}/retention", get(retention::get).put(retention::put)),
        ),
        (
            rule("audit_logs", Admin, Admin).paid(Feature::SiemExport),
            routes().route("/audit-logs/siem/{exporter}/export", post(audit_logs::export)),
        ),
        (rule("audit_logs", Admin, Admin).paid(Feature::SiemExport), destination_routes()),
        (
            rule("diagnostics", Admin, Admin),
            routes()
                .route("/diagnostics/requests/{id}", get(diagnostics::request))
                .route("/diagnostics/deliveries/summary", get(diagnostics::deliveries)),
        ),
        (
            rule("configs", Operator, Operator),
            routes().route("/configs", get(configs::get).put(configs::update)),
        ),
        (
            rule("knowledge", Viewer, Viewer),
            // It changes nothing, and is for whoever may read.
            routes().route("/search", post(search::search)),
        ),
        (
            rule("chats", Member, Member),
            routes()
                .route("/chat", post(chat::create))
                .route("/chat/conversations", get(chat::list))
                .route("/chat/conversations/{id}", get(chat::get).delete(chat::remove)),
        ),
        (rule("analytics", Viewer, Viewer), routes().route("/analytics/dashboard", get(analytics::get))),
        (PLUGINS, plugin_routes()),
    ]
}

/// Under each mount.
fn knowledge_routes() -> Router<Arc<App>> {
    Router::new()
        .route("/knowledge", get(knowledge::list).post(knowledge::create))
        .route("/knowledge/{kb_id}", get(knowledge::get).put(knowledge::update).delete(knowledge::remove))
}

/// The same by Seclai's name, under each mount and at the root.
fn knowledge_base_routes() -> Router<Arc<App>> {
    Router::new().route("/knowledge-bases", get(knowledge::list).post(knowledge::create)).route(
        "/knowledge-bases/{kb_id}",
        get(knowledge::get).put(knowledge::update).delete(knowledge::remove),
    )
}

/// Under each mount, with bodies as large as many documents may be.
fn document_routes() -> Router<Arc<App>> {
    Router::new()
        .route("/knowledge/{kb_id}/documents", get(documents::list_in).post(documents::upload_into))
        .route("/knowledge/{kb_id}/documents/{id}", get(documents::get_in).delete(documents::remove_in))
        .route("/knowledge/{kb_id}/documents/{id}/reindex", post(documents::reindex_in))
        .route("/knowledge/{kb_id}/documents/{id}/events", get(document_events::follow))
        .route("/documents", get(documents::list).post(documents::upload))
        .route("/documents/upload", post(documents::quick_upload))
        .route("/documents/{id}", get(documents::get).delete(documents::remove))
        .route("/documents/{id}/content", get(documents::content))
        .route("/documents/{id}/reindex", post(documents::reindex))
}

/// The same by Seclai's names, under each mount and at the root.
fn knowledge_base_document_routes() -> Router<Arc<App>> {
    Router::new()
        .route("/knowledge-bases/{kb_id}/documents", get(documents::list_in).post(documents::upload_into))
        .route("/knowledge-bases/{kb_id}/documents/{id}", get(documents::get_in).delete(documents::remove_in))
        .route("/knowledge-bases/{kb_id}/documents/{id}/reindex", post(documents::reindex_in))
        .route("/knowledge-bases/{kb_id}/documents/{id}/events", get(document_events::follow))
}

/// Documents by Seclai's name, under each mount and at the root.
fn source_routes() -> Router<Arc<App>> {
    Router::new()
        .route("/sources", get(documents::list).post(documents::upload))
        .route("/sources/{id}", get(sources::get).delete(sources::remove))
}

/// Under each mount, for administrators.
fn webhook_routes() -> Router<Arc<App>> {
    Router::new()
        .route("/webhook_endpoints", get(webhook_endpoints::list).post(webhook_endpoints::create))
        .route(
            "/webhook_endpoints/{id}",
            get(webhook_endpoints::get).put(webhook_endpoints::update).delete(webhook_endpoints::remove),
        )
        .route("/webhook_endpoints/{id}/rotate_secret", post(webhook_endpoints::rotate_secret))
        .route("/webhook_endpoints/{id}/test", post(webhook_deliveries::test))
        .route("/webhook_endpoints/{id}/replay", post(webhook_deliveries::replay_since))
        .route("/webhook_endpoints/{id}/deliveries", get(webhook_deliveries::list))
        .route("/webhook_endpoints/{id}/deliveries/{delivery_id}", get(webhook_deliveries::get))
        .route("/webhook_endpoints/{id}/deliveries/{delivery_id}/replay", post(webhook_deliveries::replay))
}

/// Under each mount, for operators.
fn plugin_routes() -> Router<Arc<App>> {
    Router::new()
        .route("/plugins/reload", post(plugins::reload))
        .route("/plugins/{id}", get(plugins::get).delete(plugins::remove))
        .route("/plugins/{id}/approve", post(plugins::approve))
        .route("/plugins/{id}/revoke", post(plugins::revoke))
        .route("/plugins/{id}/pause", post(plugin_switches::pause))
        .route("/plugins/{id}/resume", post(plugin_switches::resume))
        .route("/plugins/{id}/rollback", post(plugin_switches::roll_back))
        .route("/plugins/{id}/waiting", delete(plugin_switches::discard))
        .route("/plugins/{id}/bindings/{name}", put(plugin_bindings::put).delete(plugin_bindings::remove))
        .route("/plugins/{id}/organizations", get(plugin_reach::list).put(plugin_reach::put_others))
        .route("/plugins/{id}/organizations/{org}", put(plugin_reach::put).delete(plugin_reach::clear))
        .route("/plugins/{id}/reload", post(plugins::reload_one))
        .route("/plugins/{id}/logs", get(plugins::logs))
}

/// Under each mount, for administrators.
fn destination_routes() -> Router<Arc<App>> {
    Router::new()
        .route("/siem/destinations", get(siem::list).post(siem::create))
        .route("/siem/destinations/{id}", get(siem::get).put(siem::update).delete(siem::remove))
        .route("/siem/destinations/{id}/pause", post(siem::pause))
        .route("/siem/destinations/{id}/resume", post(siem::resume))
        .route("/siem/destinations/{id}/test", post(siem::test))
        .route("/siem/destinations/{id}/replay", post(siem::replay))
        .route("/siem/destinations/{id}/dead-letters", get(siem_dead_letters::list))
        .route("/siem/destinations/{id}/dead-letters/replay", post(siem_dead_letters::replay))
}

/// Under each mount, for operators, with bodies as large as a plugin may be.
fn upload_routes() -> Router<Arc<App>> {
    Router::new().route("/plugins", get(plugins::list).post(plugins::upload))
}

/// Under each mount, for whoever has a good key or session, whatever it may do.
fn key_routes() -> Router<Arc<App>> {
    Router::new()
        .route("/me", get(me::get))
        .route("/tiers", get(tiers::list))
        .route("/admin/auth/logout", post(admin_auth::log_out))
}

/// Under each mount, for anybody.
fn open_routes() -> Router<Arc<App>> {
    Router::new()
        .route("/openapi.json", get(docs::openapi))
        .route("/admin/auth/request-pin", post(admin_auth::request_pin))
        .route("/admin/auth/verify-pin", post(admin_auth::verify_pin))
}

/// Under each mount, for whoever signs what they send.
fn notice_routes() -> Router<Arc<App>> {
    Router::new().route("/billing/webhook", post(payments::webhook))
}

/// At the root, for anybody.
fn site_routes() -> Router<Arc<App>> {
    Router::new()
        .route("/healthz", get(health::live))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(health::metrics))
        .route("/docs", get(docs::to_index))
        .route("/docs/", get(docs::index))
        .route("/docs/{*file}", get(docs::file))
}

async fn not_found(request: Request) -> ApiError {
    let path = request.uri().path();
    ApiError::new(
        StatusCode::NOT_FOUND,
        "not_found",
        format!("There is nothing at {path}. The API is under /api/v1; /docs describes it."),
    )
}

async fn method_not_allowed(method: Method) -> ApiError {
    ApiError::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        format!("{method} is not possible here; see the Allow header."),
    )
}
