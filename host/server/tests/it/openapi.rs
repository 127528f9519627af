//! The document and the router say the same.

use std::collections::BTreeSet;

use axum::body::Body;
use hardpoint_server::openapi;
use http::Request;
use serde_json::Value;

use crate::support::TestApp;

/// The page that all routes are on.
const ROUTER: &str = include_str!("../../src/router.rs");

/// Pages for people, not part of the API.
const UNDESCRIBED: [&str; 3] = ["GET /docs", "GET /docs/", "GET /docs/{*file}"];

/// `METHOD /path` of every `.route(…)`, with the path under the API's base where it is nested there.
fn routed() -> BTreeSet<String> {
    let page = ROUTER.split_whitespace().collect::<Vec<_>>().join(" ");
    let (api, site) = page.split_once("fn site_routes").unwrap();
    let mut found = BTreeSet::new();
    for (base, part) in [(openapi::BASE, api), ("", site)] {
        for route in part.split(".route(").skip(1) {
            let (path, handlers) = route.trim_start().split_once("\", ").unwrap();
            let path = path.strip_prefix('"').unwrap();
            for method in ["get", "post", "put", "patch", "delete"] {
                if handlers.starts_with(&format!("{method}(")) || handlers.contains(&format!(").{method}(")) {
                    // A tail of several segments is one parameter in the document.
                    let path = if base.is_empty() { path.to_owned() } else { path.replace("{*", "{") };
                    found.insert(format!("{} {base}{path}", method.to_uppercase()));
                }
            }
        }
    }
    found
}

fn document() -> Value {
    serde_json::from_str(&openapi::json()).unwrap()
}

/// `METHOD /path` of every operation, with the operation.
fn described(document: &Value) -> Vec<(String, &Value)> {
    let paths = document["paths"].as_object().unwrap();
    let operations = paths.iter().flat_map(|(path, item)| {
        let methods = item.as_object().unwrap().iter();
        methods.map(move |(method, operation)| (format!("{} {path}", method.to_uppercase()), operation))
    });
    operations.collect()
}

#[test]
fn exactly_what_is_served_is_described() {
    let mut routed = routed();
    assert!(routed.len() > 30, "the page was not understood: {routed:?}");
    for pages in UNDESCRIBED {
        assert!(routed.remove(pages), "{pages}");
    }
    let document = document();
    let described: BTreeSet<String> = described(&document).into_iter().map(|(name, _)| name).collect();
    assert_eq!(routed, described);
}

/// Open to everybody, and refuse some all the same.
const REFUSING: [&str; 3] =
    ["GET /metrics", "POST /api/v1/admin/auth/verify-pin", "POST /api/v1/billing/webhook"];

#[test]
fn every_operation_describes_its_answers() {
    let document = document();
    assert_eq!(document["openapi"], "3.1.0");
    for (name, operation) in described(&document) {
        assert!(operation["summary"].as_str().is_some_and(|text| !text.is_empty()), "{name} has no summary");
        let answers = operation["responses"].as_object().unwrap();
        assert!(answers.keys().any(|status| status.starts_with('2')), "{name} never succeeds");
        let needs_key = operation["security"].is_null();
        let may_refuse = needs_key || REFUSING.contains(&name.as_str());
        assert_eq!(may_refuse, answers.contains_key("401"), "{name}: 401");
        for (status, answer) in
            answers.iter().filter(|(status, _)| status.starts_with('4') || *status == "500")
        {
            assert!(answer["content"]["application/json"]["schema"]["$ref"].is_string(), "{name} {status}");
        }
        for status in ["403", "429"] {
            assert!(!needs_key || answers.contains_key(status), "{name}: {status}");
        }
        assert!(!answers.contains_key("default"), "{name} hides what it answers");
        if operation["requestBody"].is_object() {
            for status in ["400", "413", "415"] {
                assert!(answers.contains_key(status), "{name}: {status}");
            }
        }
        if operation["parameters"].as_array().is_some_and(|all| all.iter().any(|one| one["in"] == "path")) {
            assert!(answers.contains_key("404"), "{name}: 404");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_described_is_there_under_both_mounts() {
    let app = TestApp::start().await;
    let served = app.send(Request::get("/api/v1/openapi.json").body(Body::empty()).unwrap()).await;
    assert_eq!(served.expect(200), document());
    for (name, _) in described(&document()) {
        let (method, path) = name.split_once(' ').unwrap();
        let path = path.replace(['{', '}'], "");
        let mounts = path
            .strip_prefix("/api/v1")
            .map_or(vec![path.clone()], |rest| vec![path.clone(), format!("/v1{rest}")]);
        for path in mounts {
            // Without a credential: whatever needs one says so, and nothing is changed by asking.
            let request = Request::builder().method(method).uri(&path).body(Body::empty()).unwrap();
            let status = app.send(request).await.status.as_u16();
            let asks_no_credential = path.contains("/admin/auth/") && status == 400;
            // Nobody takes payments here.
            let is_not_set_up = path.ends_with("/billing/webhook") && status == 503;
            let may = matches!(status, 200 | 401) || asks_no_credential || is_not_set_up;
            assert!(may, "{method} {path}: {status}");
        }
    }
}
