//! Against what the published schema requires. Its validators are a web service, or need its files, which no package
//! carries; so what concerns these classes stands here, as `ocsf-schema` has it in `events/` and `objects/`.

use super::*;
use crate::event::Target;
use crate::time::Timestamp;

/// What each class has of its own: attributes that are required, those that are known, and of which one has to be there.
type Requirements = (i64, &'static [&'static str], &'static [&'static str], &'static [&'static str]);

const CLASSES: [Requirements; 4] = [
    (3001, &["user"], &["actor", "src_endpoint", "policy", "user_result", "http_request"], &[]),
    (
        3002,
        &["user"],
        &["actor", "src_endpoint", "service", "dst_endpoint", "is_remote", "session"],
        &["service", "dst_endpoint"],
    ),
    (3004, &["entity"], &["actor", "src_endpoint", "comment", "entity_result"], &[]),
    (6003, &["actor", "api", "src_endpoint"], &["dst_endpoint", "http_request", "resources"], &[]),
];

/// Of every class.
const BASE: [&str; 7] =
    ["activity_id", "category_uid", "class_uid", "metadata", "severity_id", "time", "type_uid"];
const BASE_KNOWN: [&str; 13] = [
    "activity_name",
    "category_name",
    "class_name",
    "type_name",
    "message",
    "severity",
    "status",
    "status_id",
    "status_detail",
    "status_code",
    "unmapped",
    "raw_data",
    "observables",
];

/// Objects, wherever they stand: required, known, and of which one has to be there.
const OBJECTS: [(&str, Needs); 9] = [
    ("metadata", Needs(&["product", "version"], METADATA, &[])),
    ("product", Needs(&["vendor_name"], &["name", "version", "uid"], &[])),
    ("actor", Needs(&[], ACTOR, &["process", "user", "session", "app_name", "app_uid"])),
    ("user", Needs(&[], USER, &["account", "name", "uid"])),
    ("src_endpoint", Needs(&[], &["ip", "svc_name"], &["ip", "uid", "name", "hostname", "svc_name"])),
    ("service", Needs(&[], &["name", "uid", "version"], &["name", "uid"])),
    ("api", Needs(&["operation"], &["service", "request", "response", "version", "group"], &[])),
    ("entity", Needs(&[], &["uid", "name", "type", "data", "version"], &["name", "uid"])),
    ("entity_result", Needs(&[], &["uid", "name", "type", "data", "version"], &["name", "uid"])),
];

struct Needs(&'static [&'static str], &'static [&'static str], &'static [&'static str]);

const METADATA: &[&str] =
    &["uid", "event_code", "log_name", "original_time", "correlation_uid", "tenant_uid", "sequence"];
const ACTOR: &[&str] = &["user", "app_name", "app_uid", "process", "session"];
const USER: &[&str] = &["uid", "name", "email_addr", "type_id", "type", "org"];

/// What is wrong with an object, at a place.
fn faults(place: &str, object: &Map<String, Value>, needs: &Needs) -> Vec<String> {
    let Needs(required, known, one_of) = needs;
    let mut faults = Vec::new();
    for name in *required {
        if object.get(*name).is_none_or(Value::is_null) {
            faults.push(format!("{place}.{name} is required"));
        }
    }
    if !one_of.is_empty() && !one_of.iter().any(|name| object.contains_key(*name)) {
        faults.push(format!("{place} needs one of {one_of:?}"));
    }
    for (name, value) in object {
        if !known.contains(&name.as_str()) && !required.contains(&name.as_str()) {
            faults.push(format!("{place}.{name} is not known"));
        }
        if value.is_null() {
            faults.push(format!("{place}.{name} is null"));
        }
        if let (Some((_, needs)), Some(inner)) =
            (OBJECTS.iter().find(|(object, _)| object == name), value.as_object())
        {
            faults.extend(self::faults(&format!("{place}.{name}"), inner, needs));
        }
    }
    faults
}

fn checked(event: &Event) -> (Map<String, Value>, Vec<String>) {
    let shown = super::event(event, Some(7));
    let number = |name: &str| shown.get(name).and_then(Value::as_i64).unwrap_or(-1);
    let (uid, required, known, one_of) =
        *CLASSES.iter().find(|class| class.0 == number("class_uid")).expect("one of the four classes");
    let required = [required, &BASE].concat();
    let known = [known, &BASE_KNOWN].concat();
    let needs = Needs(required.leak(), known.leak(), one_of);
    let mut found = faults(&event.kind, &shown, &needs);
    if number("type_uid") != uid * 100 + number("activity_id") {
        found.push("type_uid is not that of class and activity".to_owned());
    }
    if number("category_uid") != uid / 1_000 {
        found.push("category_uid is not that of the class".to_owned());
    }
    (shown, found)
}

fn sample(kind: &str, actor: Actor, target: Target) -> Event {
    Event::new("evt_1", Timestamp::from_micros(1_760_000_000_123_456), kind, actor, target)
}

fn actors() -> Vec<Actor> {
    let named = |kind: &str, id: Option<&str>, name: Option<&str>| Actor {
        kind: kind.into(),
        id: id.map(Into::into),
        name: name.map(Into::into),
    };
    vec![
        Actor::system(),
        Actor::cli(),
        named("cli", None, Some("ann")),
        Actor::anonymous(),
        Actor::key("key_1", None),
        Actor::key("key_1", Some("laptop".into())),
        named("user", Some("usr_1"), Some("ann@example.com")),
        named("payment_provider", None, Some("stripe")),
    ]
}

#[test]
fn every_event_is_valid_whatever_it_has() {
    let kinds = [
        "user.created",
        "user.activated",
        "user.deactivated",
        "user.role_changed",
        "session.created",
        "session.ended",
        "login.failed",
        "key.created",
        "key.archived",
        "plugin.approved",
        "plugin.removed",
        "workspace.member_put",
        "config.changed",
        "request.refused",
        "audit_log.exported",
        "audit_log.export_failed",
        "audit_log.purged",
        "billing.credits_purchased",
        "oddity",
    ];
    for kind in kinds {
        for actor in actors() {
            for target in
                [Target::new("user", "usr_2"), Target::new("user", ""), Target::new("plugin", "datadog")]
            {
                let bare = sample(kind, actor.clone(), target);
                let full = Event {
                    organization_id: Some("org_1".into()),
                    workspace_id: Some("ws_1".into()),
                    outcome: Outcome::Refused,
                    request_id: Some("req_1".into()),
                    source_ip: Some("192.0.2.1".into()),
                    before: Some(json!({ "email": "ann@example.com" })),
                    after: Some(json!({ "count": 3 })),
                    ..bare.clone()
                };
                for event in [bare, full] {
                    let (shown, faults) = checked(&event);
                    assert_eq!(faults, Vec::<String>::new(), "{shown:#?}");
                }
            }
        }
    }
}

#[test]
fn classes_and_activities() {
    for (kind, type_uid, name) in [
        ("user.created", 300_101, "Account Change: Create"),
        ("user.deactivated", 300_105, "Account Change: Disable"),
        ("user.role_changed", 300_199, "Account Change: role_changed"),
        ("session.created", 300_201, "Authentication: Logon"),
        ("session.ended", 300_202, "Authentication: Logoff"),
        ("login.failed", 300_201, "Authentication: Logon"),
        ("key.created", 300_401, "Entity Management: Create"),
        ("key.archived", 300_403, "Entity Management: Update"),
        ("plugin.removed", 300_404, "Entity Management: Delete"),
        ("request.refused", 600_399, "API Activity: refused"),
        ("audit_log.exported", 600_302, "API Activity: Read"),
    ] {
        let shown = event(&sample(kind, Actor::system(), Target::new("a", "b")), None);
        assert_eq!((&shown["type_uid"], &shown["type_name"]), (&json!(type_uid), &json!(name)));
    }
}

#[test]
fn what_happened_is_told() {
    let event = Event {
        organization_id: Some("org_1".into()),
        source_ip: Some("192.0.2.1".into()),
        before: Some(json!({ "name": "a" })),
        after: Some(json!({ "name": "b" })),
        ..sample("key.renamed", Actor::key("key_1", None), Target::new("key", "key_2"))
    };
    let shown = super::event(&event, Some(7));
    assert_eq!(shown["time"], 1_760_000_000_123_i64);
    assert_eq!(shown["entity"], json!({ "uid": "key_2", "type": "key", "data": { "name": "a" } }));
    assert_eq!(shown["entity_result"]["data"], json!({ "name": "b" }));
    assert_eq!(shown["src_endpoint"], json!({ "ip": "192.0.2.1" }));
    assert_eq!(shown["metadata"]["sequence"], 7);
    assert_eq!(shown["metadata"]["tenant_uid"], "org_1");
    assert!(!shown.contains_key("unmapped"));
}

/// The check can fail: a table that lets everything through would prove nothing.
#[test]
fn what_is_not_valid_is_found() {
    let (mut shown, _) = checked(&sample("key.created", Actor::system(), Target::new("key", "key_1")));
    shown.remove("time");
    shown.insert("actor".to_owned(), json!({ "kind": "system" }));
    let (_, required, known, one_of) = CLASSES[2];
    let needs = Needs([required, &BASE].concat().leak(), [known, &BASE_KNOWN].concat().leak(), one_of);
    let found = faults("event", &shown, &needs);
    assert_eq!(found.len(), 3, "{found:?}");
}
