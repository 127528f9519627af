//! Every route, on one page.

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post, put};
use http::{Method, StatusCode};

use crate::api::{
    audit_logs, completions, docs, embeddings, health, models, plugin_bindings, plugin_reach,
    plugin_switches, plugins, tools,
};
use crate::error::ApiError;
use crate::middleware::entry::{Access, Entry, entry};
use crate::state::App;

/// Where the API is mounted.
pub const MOUNTS: [&str; 2] = ["/api/v1", "/v1"];

/// The whole server.
pub fn router(app: Arc<App>) -> Router {
    let server = &app.config.server;
    let open = Entry { app: app.clone(), access: Access::Open, body_limit: server.max_json_body.in_memory() };
    let key = Entry { access: Access::Key, ..open.clone() };
    let upload = Entry { body_limit: server.max_upload.in_memory(), ..key.clone() };
    let guarded = |routes: Router<Arc<App>>, entry_of: Entry| {
        routes.method_not_allowed_fallback(method_not_allowed).layer(from_fn_with_state(entry_of, entry))
    };

    let api = guarded(open_routes(), open.clone())
        .merge(guarded(api_routes(), key))
        .merge(guarded(upload_routes(), upload));
    let mut whole =
        guarded(Router::new().fallback(not_found), open.clone()).merge(guarded(site_routes(), open));
    for mount in MOUNTS {
        whole = whole.nest(mount, api.clone());
    }
    whole.with_state(app)
}

/// Under each mount, for whoever has a good key.
fn api_routes() -> Router<Arc<App>> {
    Router::new()
        // completions
        .route("/chat/completions", post(completions::create))
        .route("/embeddings", post(embeddings::create))
        .route("/models", get(models::list))
        .route("/models/{*id}", get(models::get))
        // tools
        .route("/tools", get(tools::list))
        .route("/tools/{name}/call", post(tools::call))
        // plugins (operators)
        .route("/plugins/reload", post(plugins::reload))
        .route("/plugins/{id}", get(plugins::get).delete(plugins::remove))
        .route("/plugins/{id}/approve", post(plugins::approve))
        .route("/plugins/{id}/revoke", post(plugins::revoke))
        .route("/plugins/{id}/pause", post(plugin_switches::pause))
        .route("/plugins/{id}/resume", post(plugin_switches::resume))
        .route("/plugins/{id}/rollback", post(plugin_switches::roll_back))
        .route("/plugins/{id}/bindings/{name}", put(plugin_bindings::put).delete(plugin_bindings::remove))
        .route("/plugins/{id}/organizations", get(plugin_reach::list).put(plugin_reach::put_others))
        .route("/plugins/{id}/organizations/{org}", put(plugin_reach::put).delete(plugin_reach::clear))
        .route("/plugins/{id}/reload", post(plugins::reload_one))
        .route("/plugins/{id}/logs", get(plugins::logs))
        // audit logs
        .route("/audit-logs/siem/{exporter}/export", post(audit_logs::export))
}

/// Under each mount, for whoever has a good key, with bodies as large as a plugin may be.
fn upload_routes() -> Router<Arc<App>> {
    Router::new().route("/plugins", get(plugins::list).post(plugins::upload))
}

/// Under each mount, for anybody.
fn open_routes() -> Router<Arc<App>> {
    Router::new().route("/openapi.json", get(docs::openapi))
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
