//! What happens to every request before and after its handler.

use std::time::Duration;

use axum::body::Body;
use hardpoint_store::Lane;
use hardpoint_store::keys::{self, Role};
use http::{Method, Request, header};
use serde_json::json;

use crate::support::TestApp;

fn bare(method: Method, path: &str) -> Request<Body> {
    Request::builder().method(method).uri(path).body(Body::empty()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_without_a_good_credential() {
    let app = TestApp::start().await;
    let anonymous = app.send(bare(Method::GET, "/api/v1/plugins")).await;
    insta::assert_snapshot!(anonymous.shown(), @r#"
    401
    {
      "error": {
        "message": "A valid API key is required: send `Authorization: Bearer <key>` or `X-API-Key: <key>`.",
        "type": "authentication_error"
      }
    }
    "#);
    assert_eq!(anonymous.header("www-authenticate"), "Bearer");
    // OpenAI's clients look for these two.
    insta::assert_snapshot!(app.send(bare(Method::GET, "/v1/models")).await.shown(), @r#"
    401
    {
      "error": {
        "code": "invalid_api_key",
        "message": "A valid API key is required: send `Authorization: Bearer <key>` or `X-API-Key: <key>`.",
        "param": null,
        "type": "authentication_error"
      }
    }
    "#);

    let mistyped = format!("{}x", &app.key()[..app.key().len() - 1]);
    let unknown = app.key_of(Role::Member).await;
    for (name, value, status) in [
        ("authorization", format!("Bearer {}", app.key()), 200),
        ("authorization", format!("bearer {}", app.key()), 200),
        ("x-api-key", app.key().to_owned(), 200),
        ("x-api-key", unknown, 403),
        ("authorization", format!("Bearer {mistyped}"), 401),
        ("authorization", format!("Basic {}", app.key()), 401),
        ("authorization", app.key().to_owned(), 401),
        ("authorization", "Bearer ".to_owned(), 401),
        ("x-api-key", "sk-something-else".to_owned(), 401),
        ("x-api-key", String::new(), 401),
    ] {
        let mut request = bare(Method::GET, "/api/v1/plugins");
        request.headers_mut().insert(name, value.parse().unwrap());
        assert_eq!(app.send(request).await.status.as_u16(), status, "{name}: {value}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_key_is_refused_within_a_second() {
    let app = TestApp::start().await;
    let key = app.key_of(Role::Admin).await;
    assert_eq!(app.get_as(&key, "/api/v1/models").await.status, 200);
    let now = hardpoint_domain::time::Clock::now(app.clock());
    let mut conn = app.app().store.read().await.unwrap();
    let hash = hardpoint_domain::key::KeyText::parse(&key).unwrap().hash();
    let found = keys::find_by_hash(&mut conn, &hash).await.unwrap().unwrap().key;
    drop(conn);
    app.app()
        .store
        .write(Lane::Request, move |tx| Box::pin(async move { keys::archive(tx, &found.id, now).await }))
        .await
        .unwrap();
    assert_eq!(app.get_as(&key, "/api/v1/models").await.status, 200, "still believed");
    app.clock().advance(Duration::from_secs(1));
    assert_eq!(app.get_as(&key, "/api/v1/models").await.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_operators_see_plugins() {
    let app = TestApp::start().await;
    for role in [Role::Admin, Role::Member, Role::Viewer] {
        let key = app.key_of(role).await;
        for path in ["/api/v1/plugins", "/api/v1/plugins/echo", "/api/v1/plugins/echo/logs"] {
            assert_eq!(app.get_as(&key, path).await.status, 403, "{role} {path}");
        }
        assert_eq!(app.post_as(&key, "/api/v1/plugins/reload", &json!({})).await.status, 403);
    }
    let owner = app.key_of(Role::Owner).await;
    insta::assert_snapshot!(app.get_as(&owner, "/api/v1/plugins").await.shown(), @r#"
    403
    {
      "error": {
        "message": "Only an operator may do this: call it with a key whose role is `operator`.",
        "type": "permission_denied"
      }
    }
    "#);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_there_is_not() {
    let app = TestApp::start().await;
    insta::assert_snapshot!(app.get("/api/v1/nothing").await.shown(), @r#"
    404
    {
      "error": {
        "message": "There is nothing at /api/v1/nothing. The API is under /api/v1; /docs describes it.",
        "type": "not_found"
      }
    }
    "#);
    assert_eq!(app.send(bare(Method::GET, "/nothing")).await.status, 404);
    let wrong = app.send(app.request(Method::PUT, "/api/v1/chat/completions", None)).await;
    insta::assert_snapshot!(wrong.shown(), @r#"
    405
    {
      "error": {
        "code": null,
        "message": "PUT is not possible here; see the Allow header.",
        "param": null,
        "type": "method_not_allowed"
      }
    }
    "#);
    assert_eq!(wrong.header("allow"), "POST");
    assert_eq!(app.send(bare(Method::POST, "/healthz")).await.status, 405);
    insta::assert_snapshot!(app.get("/api/v1/plugins/nobody").await.shown(), @r#"
    404
    {
      "error": {
        "message": "There is no plugin `nobody`.",
        "type": "not_found"
      }
    }
    "#);
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_are_not_taken() {
    let app = TestApp::with("[server]\nmax_json_body = 100\n", &[]).await;
    let send = |kind: &'static str, body: String| {
        let mut request = app.request(Method::POST, "/api/v1/plugins/echo/approve", None);
        request.headers_mut().insert(header::CONTENT_TYPE, kind.parse().unwrap());
        *request.body_mut() = Body::from(body);
        request
    };
    let large = format!("{{\"digest\": \"{}\"}}", "x".repeat(200));
    // As announced, and as found out while reading.
    let mut announced = send("application/json", String::new());
    announced.headers_mut().insert(header::CONTENT_LENGTH, "101".parse().unwrap());
    insta::assert_snapshot!(app.send(announced).await.shown(), @r#"
    413
    {
      "error": {
        "message": "The body is larger than the 100 bytes that are allowed here.",
        "type": "payload_too_large"
      }
    }
    "#);
    assert_eq!(app.send(send("application/json", large)).await.status, 413);
    insta::assert_snapshot!(app.send(send("text/plain", "{}".into())).await.shown(), @r#"
    415
    {
      "error": {
        "message": "The body must be sent as `Content-Type: application/json`.",
        "type": "unsupported_media_type"
      }
    }
    "#);
    insta::assert_snapshot!(app.send(send("application/json", "{\"digest\"".into())).await.shown(), @r#"
    400
    {
      "error": {
        "message": "The request's body is not valid JSON: EOF while parsing an object at line 1 column 9.",
        "type": "validation_error"
      }
    }
    "#);
    insta::assert_snapshot!(app.send(send("application/json; charset=utf-8", "{}".into())).await.shown(), @r#"
    400
    {
      "error": {
        "details": {
          "constraint": "required",
          "field": "digest"
        },
        "message": "The 'digest' field is required.",
        "type": "validation_error"
      }
    }
    "#);
    insta::assert_snapshot!(app.send(send("application/json", "{\"digest\": 7}".into())).await.shown(), @r#"
    400
    {
      "error": {
        "details": {
          "constraint": "type",
          "field": "digest"
        },
        "message": "The 'digest' field does not fit: invalid type: integer `7`, expected a string.",
        "type": "validation_error"
      }
    }
    "#);
    let unknown = "{\"digest\": \"a\", \"force\": true}";
    insta::assert_snapshot!(app.send(send("application/json", unknown.into())).await.shown(), @r#"
    400
    {
      "error": {
        "details": {
          "constraint": "unknown",
          "field": "force"
        },
        "message": "There is no field 'force' here; expected is 'digest' or 'binding'.",
        "type": "validation_error"
      }
    }
    "#);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_names_its_request() {
    let app = TestApp::with("[server]\nmax_json_body = 10\n", &[]).await;
    let mut ids = std::collections::HashSet::new();
    let requests = [
        bare(Method::GET, "/healthz"),
        bare(Method::GET, "/metrics"),
        bare(Method::GET, "/docs/"),
        bare(Method::GET, "/nothing"),
        bare(Method::POST, "/healthz"),
        bare(Method::GET, "/api/v1/models"),
        bare(Method::GET, "/api/v1/openapi.json"),
        app.request(Method::GET, "/v1/models", None),
        app.request(Method::PUT, "/v1/models", None),
        app.request(Method::POST, "/v1/chat/completions", Some(&json!({"much": "too much"}))),
    ];
    for request in requests {
        let shown = format!("{} {}", request.method(), request.uri());
        let answer = app.send(request).await;
        let id = answer.header("request-id");
        assert!(id.starts_with("req_") && id.len() == 36, "{shown}: {id}");
        assert!(ids.insert(id.to_owned()), "{shown}: the same id twice");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn health_and_metrics() {
    let app = TestApp::start().await;
    insta::assert_snapshot!(app.send(bare(Method::GET, "/healthz")).await.shown(), @r#"
    200
    {
      "status": "ok",
      "version": "0.1.0"
    }
    "#);
    insta::assert_snapshot!(app.send(bare(Method::GET, "/readyz")).await.shown(), @r#"
    200
    {
      "status": "ok",
      "version": "0.1.0"
    }
    "#);
    app.get("/api/v1/models").await.expect(200);
    let metrics = app.send(bare(Method::GET, "/metrics")).await.text();
    let line = "hardpoint_requests_total{method=\"GET\",route=\"/api/v1/models\",status=\"200\"} 1";
    assert!(metrics.contains(line), "{metrics}");
    assert!(metrics.ends_with("# EOF\n"), "{metrics}");
    app.app().stop.stop();
    assert_eq!(app.send(bare(Method::GET, "/readyz")).await.status, 503);
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_may_be_for_operators_only() {
    let app = TestApp::with("[server]\nmetrics = \"operator\"\n", &[]).await;
    assert_eq!(app.send(bare(Method::GET, "/metrics")).await.status, 401);
    let viewer = app.key_of(Role::Viewer).await;
    assert_eq!(app.get_as(&viewer, "/metrics").await.status, 403);
    assert_eq!(app.get("/metrics").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_documentation_needs_nothing_from_outside() {
    let app = TestApp::start().await;
    assert_eq!(app.send(bare(Method::GET, "/docs")).await.status, 308);
    let index = app.send(bare(Method::GET, "/docs/")).await;
    assert_eq!(index.header("content-type"), "text/html");
    let page = index.text();
    assert!(!page.contains("https://") && !page.contains("http://"), "{page}");
    for file in ["swagger-ui-bundle.js", "swagger-ui.css", "swagger-initializer.js"] {
        assert!(page.contains(file), "{file}");
        let answer = app.send(bare(Method::GET, &format!("/docs/{file}"))).await;
        assert_eq!(answer.status, 200, "{file}");
    }
    let initializer = app.send(bare(Method::GET, "/docs/swagger-initializer.js")).await.text();
    assert!(initializer.contains("/api/v1/openapi.json"), "{initializer}");
    assert_eq!(app.send(bare(Method::GET, "/docs/nothing.js")).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_panics_is_a_500_with_its_request() {
    use hardpoint_server::middleware::entry::{Access, Bodies, Entry, entry};
    let app = TestApp::start().await;
    let layer = Entry { app: app.app().clone(), access: Access::Key, bodies: Bodies::Json };
    let panics = || async {
        let nothing: Vec<u8> = Vec::new();
        nothing[1].to_string()
    };
    let router = axum::Router::new()
        .route("/api/v1/panic", axum::routing::get(panics))
        .layer(axum::middleware::from_fn_with_state(layer, entry));
    let request = app.request(Method::GET, "/api/v1/panic", None);
    let answer = crate::support::Answer::of(tower::ServiceExt::oneshot(router, request).await.unwrap()).await;
    assert!(answer.header("request-id").starts_with("req_"));
    insta::assert_snapshot!(answer.shown(), @r#"
    500
    {
      "error": {
        "message": "Something went wrong on our side. Retry, or contact support with the Request-Id of this answer.",
        "type": "internal_error"
      }
    }
    "#);
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_are_written_down_together() {
    let app = TestApp::start().await;
    for _ in 0..3 {
        app.send(bare(Method::GET, "/api/v1/plugins")).await;
    }
    let viewer = app.key_of(Role::Viewer).await;
    app.get_as(&viewer, "/api/v1/plugins").await;
    // The end is one of the times when they are.
    let app = app.restart().await;
    let mut conn = app.app().store.read().await.unwrap();
    let all = hardpoint_store::events::list(&mut conn, None, None, 10).await.unwrap();
    let mut told: Vec<_> = all
        .iter()
        .filter(|stored| stored.event.kind == "request.refused")
        .map(|stored| {
            let after = stored.event.after.as_ref().unwrap();
            (stored.event.actor.kind.as_str(), after["status"].clone(), after["count"].clone())
        })
        .collect();
    told.sort_by_key(|(actor, ..)| *actor);
    assert_eq!(told, [("anonymous", json!(401), json!(3)), ("key", json!(403), json!(1))]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stands_in_path_and_query_is_told_by_name() {
    let app = TestApp::start().await;
    for (path, field) in [
        ("/api/v1/models/%ff", "id"),
        ("/api/v1/plugins/%ff", "id"),
        ("/api/v1/models?page=x", "page"),
        ("/api/v1/plugins?page_size=-1", "page_size"),
    ] {
        let answer = app.get(path).await;
        assert_eq!(answer.expect(400)["error"]["details"]["field"], field, "{path}: {}", answer.text());
    }
    assert_eq!(app.send(bare(Method::GET, "/docs/%ff")).await.status, 400);
}
