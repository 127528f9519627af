use hardpoint_sdk::exporter::Event;
use hardpoint_sdk::serde_json::{Value, json};

use super::{NOW, batch, body, created, event, lines, to_elastic};

fn document(event: Event, settings: Value) -> Value {
    let done = to_elastic(batch(vec![event]), settings).answer(created(1)).run();
    assert!(done.all_delivered(1), "{done:?}");
    lines(&done.sent[0]).remove(1)
}

#[test]
fn a_whole_document() {
    let settings = json!({ "service": "sekuire.audit", "tags": ["env:prod", "team:secops"] });
    assert_eq!(
        document(event(1, body(1)), settings),
        json!({
            "@timestamp": "2023-11-14T22:12:20.123Z",
            "message": "plugin.approved: plugin openai by key ops, success",
            "ecs": { "version": "8.11.0" },
            "event": {
                "id": "evt_1",
                "kind": "event",
                "action": "plugin.approved",
                "category": ["configuration"],
                "type": ["change"],
                "outcome": "success",
                "original": body(1).to_string(),
            },
            "service": { "name": "sekuire.audit" },
            "user": { "id": "key_7", "name": "ops" },
            "source": { "ip": "203.0.113.9" },
            "organization": { "id": "org_1" },
            "http": { "request": { "id": "req_9" } },
            "tags": ["env:prod", "team:secops"],
            "hardpoint": {
                "actor": { "kind": "key" },
                "target": { "kind": "plugin", "id": "openai" },
                "workspace": { "id": "ws_1" },
                "outcome": "success",
            },
        })
    );
}

#[test]
fn what_is_not_there_is_left_out() {
    let bare = Event { kind: "document.read".to_owned(), ..event(1, "{}") };
    assert_eq!(
        document(bare, json!({})),
        json!({
            "@timestamp": "2023-11-14T22:12:20.123Z",
            "message": "document.read",
            "ecs": { "version": "8.11.0" },
            "event": {
                "id": "evt_1", "kind": "event", "action": "document.read", "type": ["info"],
                "outcome": "unknown", "original": "{}",
            },
            "service": { "name": "hardpoint" },
        })
    );
}

#[test]
fn a_document_without_a_time_of_its_own_has_the_host_s() {
    for time in [0, u64::MAX] {
        let timeless = Event { time, ..event(1, "{}") };
        assert_eq!(document(timeless, json!({}))["@timestamp"], "2023-11-14T22:13:20.000Z");
    }
    assert_eq!(NOW, 1_700_000_000_000_000);
}

#[test]
fn categories_types_and_outcomes_are_those_of_ecs() {
    for (kind, category, kinds) in [
        ("plugin.approved", json!(["configuration"]), "change"),
        ("plugin.published", json!(["configuration"]), "creation"),
        ("grant.revoked", json!(["configuration"]), "deletion"),
        ("key.created", json!(["iam"]), "creation"),
        ("key.rotated", json!(["iam"]), "change"),
        ("session.opened", json!(["authentication"]), "info"),
        ("document.deleted", Value::Null, "deletion"),
        ("", Value::Null, "info"),
    ] {
        let document = document(Event { kind: kind.to_owned(), ..event(1, "{}") }, json!({}));
        assert_eq!(
            (&document["event"]["category"], &document["event"]["type"]),
            (&category, &json!([kinds])),
            "{kind}"
        );
    }
    for (outcome, told) in [
        (json!("success"), "success"),
        (json!("failure"), "failure"),
        (json!("refused"), "failure"),
        (json!("another"), "unknown"),
        (json!(5), "unknown"),
    ] {
        let document = document(event(1, json!({ "outcome": outcome })), json!({}));
        assert_eq!(document["event"]["outcome"], told, "{outcome}");
        let own = document["hardpoint"]["outcome"].clone();
        assert_eq!(own, if outcome.is_string() { outcome } else { Value::Null });
    }
}

#[test]
fn only_an_address_is_an_ip() {
    for (address, field) in [
        ("203.0.113.9", "ip"),
        ("2001:db8::1", "ip"),
        ("::ffff:203.0.113.9", "ip"),
        ("203.0.113.9:80", "address"),
        ("203.0.113.256", "address"),
        ("example.com", "address"),
        ("", "address"),
    ] {
        let document = document(event(1, json!({ "source_ip": address })), json!({}));
        assert_eq!(document["source"], json!({ field: address }));
    }
}

#[test]
fn hostile_bodies_stay_data() {
    let deep = "[".repeat(100_000) + &"]".repeat(100_000);
    for body in ["", "no JSON", "{", "[1, 2]", "null", "\"}\n{\"delete\":{\"_id\":\"1\"}}\n", "{} {}", &deep]
    {
        let document = document(event(1, body), json!({}));
        assert_eq!(
            (&document["event"]["original"], &document["message"]),
            (&json!(body), &json!("plugin.approved"))
        );
    }
    // Members of the wrong shape tell nothing: a mapping would break on them.
    let odd = json!({
        "actor": "me", "target": [1], "outcome": {}, "source_ip": 4, "organization_id": {}, "request_id": [],
        "workspace_id": null, "event": { "id": 5 }, "@timestamp": "never", "hardpoint": 1,
    });
    let document = document(event(1, &odd), json!({}));
    for member in ["user", "source", "organization", "http", "hardpoint"] {
        assert_eq!(document.get(member), None, "{member}");
    }
    assert_eq!(
        (&document["event"]["id"], &document["@timestamp"]),
        (&json!("evt_1"), &json!("2023-11-14T22:12:20.123Z"))
    );
}
