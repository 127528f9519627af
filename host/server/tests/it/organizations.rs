//! `/orgs`: all organisations, for operators.

use hardpoint_store::keys::Role;
use serde_json::json;

use crate::support::TestApp;

const ORGS: &str = "/api/v1/orgs";

#[tokio::test(flavor = "multi_thread")]
async fn operators_make_and_list_organizations() {
    let app = TestApp::start().await;
    let made = app.post(ORGS, &json!({"name": "Acme", "plan": "starter"})).await.expect(201);
    assert_eq!((&made["name"], &made["plan"]), (&json!("Acme"), &json!("standard")));
    let free = app.post(ORGS, &json!({"name": "Other"})).await.expect(201);
    assert_eq!(free["plan"], "free");
    let listed = app.get(ORGS).await.expect(200);
    assert_eq!((&listed["total"], &listed["data"][0], &listed["data"][1]), (&json!(3), &free, &made));
    for (body, status, field) in [
        (json!({}), 400, "name"),
        (json!({"name": "  "}), 400, "name"),
        (json!({"name": "a\nb"}), 400, "name"),
        (json!({"name": "A", "plan": "gold"}), 422, "plan"),
        (json!({"name": "A", "owner": "me"}), 400, "owner"),
    ] {
        let refused = app.post(ORGS, &body).await.expect(status);
        assert_eq!(refused["error"]["details"]["field"], field, "{body}");
    }
    for role in [Role::Owner, Role::Admin] {
        let key = app.key_of(role).await;
        app.get_as(&key, ORGS).await.expect(403);
        app.post_as(&key, ORGS, &json!({"name": "Mine"})).await.expect(403);
    }
}
