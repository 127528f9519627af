//! Webhook endpoints: what they are made of, and what they cannot be.

use hardpoint_store::{Lane, webhooks};
use http::Method;
use serde_json::{Value, json};

use crate::support::TestApp;
use crate::webhooks::{ENDPOINTS, endpoint, put, told};

#[tokio::test(flavor = "multi_thread")]
async fn the_life_of_an_endpoint() {
    let app = TestApp::start().await;
    let body = json!({"url": "https://example.com/hook", "events": ["user.*"], "description": "CRM"});
    let created = app.post(ENDPOINTS, &body).await.expect(201);
    let secret = created["signingSecret"].as_str().unwrap();
    assert!(secret.starts_with("whsec_") && secret.len() == 50, "{secret}");
    let one = format!("{ENDPOINTS}/{}", created["id"].as_str().unwrap());
    insta::assert_snapshot!(app.get(&one).await.shown(), @r#"
    200
    {
      "consecutive_failures": 0,
      "created_at": "…",
      "description": "CRM",
      "disabled_reason": null,
      "enabled": true,
      "events": [
        "user.*"
      ],
      "id": "whe_…",
      "organization_id": "org_…",
      "previous_secret_until": null,
      "status": "active",
      "updated_at": "…",
      "url": "https://example.com/hook"
    }
    "#);
    let all = app.get(ENDPOINTS).await.expect(200);
    assert_eq!((&all["total"], &all["data"][0]["id"]), (&json!(1), &created["id"]));

    let changed = put(&app, &one, &json!({"enabled": false, "events": ["*"]})).await.expect(200);
    assert_eq!((&changed["status"], &changed["events"]), (&json!("disabled"), &json!(["*"])));
    assert_eq!(changed["description"], "CRM");
    for path in ["test", "replay?since=2020-01-01"] {
        app.post(&format!("{one}/{path}"), &json!({})).await.expect(409);
    }
    let rotated = app.post(&format!("{one}/rotate_secret"), &json!({})).await.expect(200);
    assert_ne!(rotated["signingSecret"], created["signingSecret"]);
    assert_eq!((&rotated["url"], &rotated["previous_secret_until"]), (&body["url"], &Value::Null));

    assert_eq!(app.delete(&one).await.status, 204);
    for gone in [app.get(&one).await, app.delete(&one).await, put(&app, &one, &json!({})).await] {
        assert_eq!(gone.status, 404, "{}", gone.text());
    }
    for kind in ["created", "updated", "secret_rotated", "deleted"] {
        let told = told(&app, &format!("webhook_endpoint.{kind}")).await;
        assert_eq!(told.len(), 1, "{kind}");
        assert!(!json!(told).to_string().contains("whsec_"), "{kind}");
    }
}

/// With what stands in the URLs of Slack, Teams and others everybody may send there.
#[tokio::test(flavor = "multi_thread")]
async fn what_lets_send_to_an_endpoint_is_in_no_event() {
    let app = TestApp::start().await;
    let url = |secret: &str| format!("https://hooks.example.com:8443/services/T0/{secret}?token={secret}");
    let (one, _) = endpoint(&app, &url("s3cret"), &["user.*"]).await;
    let changed = put(&app, &one, &json!({"url": url("an0ther")})).await.expect(200);
    assert_eq!(changed["url"], *url("an0ther"), "its administrators see it");
    put(&app, &one, &json!({"enabled": false})).await.expect(200);
    app.ask(app.key(), Method::DELETE, &one, None).await;
    let kinds = ["created", "updated", "deleted"].map(|verb| format!("webhook_endpoint.{verb}"));
    let mut all = Vec::new();
    for kind in &kinds {
        all.extend(told(&app, kind).await);
    }
    assert_eq!(all.len(), 4);
    for event in &all {
        let text = serde_json::to_string(event).unwrap();
        assert!(!text.contains("s3cret") && !text.contains("an0ther"), "{text}");
        assert!(text.contains("\"https://hooks.example.com:8443/…\""), "{text}");
    }
    let changes: Vec<_> = told(&app, &kinds[1]).await;
    let is_told =
        |event: &hardpoint_domain::event::Event| event.after.as_ref().unwrap()["url_changed"] == true;
    assert_eq!(changes.iter().filter(|event| is_told(event)).count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_shown_once() {
    let app = TestApp::start().await;
    let make = async || {
        let body = json!({"url": "https://example.com/hook"});
        let mut request = app.request(Method::POST, ENDPOINTS, Some(&body));
        request.headers_mut().insert("idempotency-key", "make-1".parse().unwrap());
        app.send(request).await.expect(201)
    };
    let (first, again) = (make().await, make().await);
    assert_eq!((&first["id"], &again["signingSecret"]), (&again["id"], &Value::Null));
    assert!(again["notice"].as_str().unwrap().contains("rotate"));
    assert!(first.get("notice").is_none());
}

/// It was made when there was such an event, or nobody asked whether there is.
#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_keeps_the_names_that_it_has() {
    let app = TestApp::start().await;
    let (path, _) = endpoint(&app, "https://example.com/hook", &["*"]).await;
    let id = path.rsplit('/').next().unwrap().to_owned();
    let old = webhooks::get(&mut app.app().store.read().await.unwrap(), &id).await.unwrap().unwrap();
    let old = webhooks::Endpoint { events: vec!["none.at_all".into()], ..old };
    let write = app
        .app()
        .store
        .write(Lane::Request, move |tx| Box::pin(async move { webhooks::update(tx, &old).await.map(drop) }));
    write.await.unwrap();
    let off = put(&app, &path, &json!({"enabled": false})).await.expect(200);
    assert_eq!((&off["enabled"], &off["events"]), (&json!(false), &json!(["none.at_all"])));
    put(&app, &path, &json!({"events": ["none.at_all", "user.*"]})).await.expect(200);
    let more = json!({"events": ["none.at_all", "none.either"]});
    let refused = put(&app, &path, &more).await.expect(422);
    assert_eq!(refused["error"]["details"]["field"], "events[1]");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_endpoint_cannot_be() {
    let app = TestApp::start().await;
    let long = "x".repeat(2_001);
    for (body, status, field) in [
        (json!({}), 400, "url"),
        (json!({"url": ""}), 400, "url"),
        (json!({"url": format!("https://example.com/{long}")}), 400, "url"),
        (json!({"url": "https://example.com", "events": []}), 400, "events"),
        (json!({"url": "https://example.com", "events": ["user.*", "User"]}), 400, "events[1]"),
        (json!({"url": "https://example.com", "events": ["user.*", "user.creatd"]}), 422, "events[1]"),
        (json!({"url": "https://example.com", "events": ["users.*"]}), 422, "events[0]"),
        (json!({"url": "https://example.com", "events": ["plugin.approved"]}), 422, "events[0]"),
        (json!({"url": "https://example.com", "secret": "x"}), 400, "secret"),
        (json!({"url": "nothing"}), 422, "url"),
        (json!({"url": "http://example.com/"}), 422, "url"),
        (json!({"url": "ftp://example.com/"}), 422, "url"),
        (json!({"url": "https://user:password@example.com/"}), 422, "url"),
        (json!({"url": "https://127.0.0.1/"}), 422, "url"),
        (json!({"url": "https://0x7f000001/"}), 422, "url"),
        (json!({"url": "https://[::ffff:169.254.169.254]/"}), 422, "url"),
        (json!({"url": "https://localhost/"}), 422, "url"),
    ] {
        let refused = app.post(ENDPOINTS, &body).await.expect(status);
        assert_eq!(refused["error"]["details"]["field"], field, "{body}: {refused}");
    }
    for (written, meant) in [("user.creatd", "user.created"), ("usr.*", "user.*")] {
        let body = json!({"url": "https://example.com", "events": [written]});
        let refused = app.post(ENDPOINTS, &body).await.expect(422);
        let message = format!("There is no event `{written}`, but `{meant}`.");
        assert_eq!(refused["error"]["message"], message);
    }
    let refused = told(&app, "webhook.refused").await;
    assert_eq!(refused.len(), 8, "each address that is refused is noted");
    assert!(refused.iter().all(|event| event.organization_id.is_some()));
    assert!(!json!(refused).to_string().contains("password"));
    let (one, _) = endpoint(&app, "https://example.com/", &["*"]).await;
    for (path, body, status) in
        [("", json!({"url": "https://10.0.0.1/"}), 422), ("", json!({"organization_id": "org_1"}), 400)]
    {
        put(&app, &format!("{one}{path}"), &body).await.expect(status);
    }
    let overlap = json!({"overlap_seconds": 604_801});
    app.post(&format!("{one}/rotate_secret"), &overlap).await.expect(400);
    app.post(&format!("{one}/replay"), &json!({})).await.expect(400);
    app.post(&format!("{one}/replay?since=yesterday"), &json!({})).await.expect(400);
    app.get(&format!("{one}/deliveries?state=lost")).await.expect(400);
    for _ in 1..20 {
        endpoint(&app, "https://example.com/", &["*"]).await;
    }
    app.post(ENDPOINTS, &json!({"url": "https://example.com/"})).await.expect(409);
}
