//! Events as the Open Cybersecurity Schema Framework has them, version 1.5.0: four of its classes, with all that they
//! require. What it has no place for is in `unmapped`.

use serde_json::{Map, Value, json};

use crate::event::{Actor, Event, Outcome};

/// The version of the schema.
pub const VERSION: &str = "1.5.0";

/// A class of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    /// What was done to users.
    AccountChange = 3001,
    /// Who came in, left, or was kept out.
    Authentication = 3002,
    /// What was done to everything else.
    EntityManagement = 3004,
    /// What was asked of the API.
    ApiActivity = 6003,
}

impl Class {
    /// Of the first part of an event's kind.
    fn of(kind: &str) -> Self {
        match kind.split('.').next().unwrap_or_default() {
            "user" => Self::AccountChange,
            "login" | "session" => Self::Authentication,
            "request" | "audit_log" | "billing" | "egress" => Self::ApiActivity,
            _ => Self::EntityManagement,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::AccountChange => "Account Change",
            Self::Authentication => "Authentication",
            Self::EntityManagement => "Entity Management",
            Self::ApiActivity => "API Activity",
        }
    }

    /// The number and name of the category.
    const fn category(self) -> (i64, &'static str) {
        match self {
            Self::ApiActivity => (6, "Application Activity"),
            _ => (3, "Identity & Access Management"),
        }
    }

    /// The number and name of what was done, by the second part of an event's kind. What has no number of its own is
    /// 99, and keeps its name.
    fn activity(self, verb: &str) -> (i64, &str) {
        match (self, verb) {
            (Self::AccountChange, "created") => (1, "Create"),
            (Self::AccountChange, "activated") => (2, "Enable"),
            (Self::AccountChange, "deactivated") => (5, "Disable"),
            (Self::AccountChange, "deleted") => (6, "Delete"),
            (Self::Authentication, "created" | "failed") => (1, "Logon"),
            (Self::Authentication, "ended") => (2, "Logoff"),
            (Self::AccountChange | Self::Authentication, _) | (Self::ApiActivity, "refused") => (99, verb),
            (_, "created" | "uploaded" | "published" | "member_put") => (1, "Create"),
            (_, "exported") => (2, "Read"),
            (_, "deleted" | "removed" | "member_removed" | "discarded" | "purged") => (4, "Delete"),
            _ => (3, "Update"),
        }
    }
}

/// An event, with its place in the log where it has one.
pub fn event(event: &Event, seq: Option<i64>) -> Map<String, Value> {
    let verb = event.kind.split_once('.').map_or(event.kind.as_str(), |(_, verb)| verb);
    let class = Class::of(&event.kind);
    let (activity, activity_name) = class.activity(verb);
    let (category, category_name) = class.category();
    let mut shown = Map::new();
    let mut set = |name: &str, value: Value| drop(shown.insert(name.to_owned(), value));
    set("class_uid", json!(class as i64));
    set("class_name", json!(class.name()));
    set("category_uid", json!(category));
    set("category_name", json!(category_name));
    set("activity_id", json!(activity));
    set("activity_name", json!(activity_name));
    set("type_uid", json!(class as i64 * 100 + activity));
    set("type_name", json!(format!("{}: {activity_name}", class.name())));
    set("time", json!(event.time.millis()));
    set("message", json!(format!("{} {} {}", event.kind, event.target.kind, event.target.id)));
    let (severity, severity_name) = severity(event.outcome);
    set("severity_id", json!(severity));
    set("severity", json!(severity_name));
    let (status, status_name) =
        if event.outcome == Outcome::Success { (1, "Success") } else { (2, "Failure") };
    set("status_id", json!(status));
    set("status", json!(status_name));
    set("status_detail", json!(event.outcome));
    set("metadata", metadata(event, seq));
    set("actor", actor(&event.actor));
    set("src_endpoint", source(event));
    match class {
        Class::AccountChange => set("user", target_user(event)),
        Class::Authentication => {
            set("user", target_user(event));
            set("service", json!({ "name": "Hardpoint" }));
            set("is_remote", json!(true));
        }
        Class::EntityManagement => {
            set("entity", entity(event, event.before.as_ref()));
            if event.after.is_some() {
                set("entity_result", entity(event, event.after.as_ref()));
            }
        }
        Class::ApiActivity => {
            set(
                "api",
                without_nulls(json!({
                    "operation": event.kind,
                    "service": { "name": "Hardpoint" },
                    "request": event.request_id.as_ref().map(|id| json!({ "uid": id })),
                })),
            );
        }
    }
    // An entity has its own place for what changed.
    let (before, after) = match class {
        Class::EntityManagement => (None, None),
        _ => (event.before.as_ref(), event.after.as_ref()),
    };
    let target = json!({ "type": event.target.kind, "id": event.target.id });
    let unmapped = json!({
        "workspace_id": event.workspace_id,
        "target": (class != Class::EntityManagement).then_some(target),
        "before": before,
        "after": after,
    });
    match without_nulls(unmapped) {
        Value::Object(unmapped) if unmapped.is_empty() => {}
        unmapped => set("unmapped", unmapped),
    }
    shown
}

const fn severity(outcome: Outcome) -> (i64, &'static str) {
    match outcome {
        Outcome::Success => (1, "Informational"),
        Outcome::Refused => (2, "Low"),
        Outcome::Failure => (3, "Medium"),
    }
}

fn metadata(event: &Event, seq: Option<i64>) -> Value {
    without_nulls(json!({
        "version": VERSION,
        "product": { "name": "Hardpoint", "vendor_name": "Hardpoint" },
        "uid": event.id,
        "event_code": event.kind,
        "log_name": "audit",
        "original_time": event.time.to_rfc3339(),
        "correlation_uid": event.request_id,
        "tenant_uid": event.organization_id,
        "sequence": seq,
    }))
}

/// Who acted. What is no account is an application.
fn actor(actor: &Actor) -> Value {
    match actor.kind.as_str() {
        "user" | "key" | "cli" => json!({ "user": principal(actor) }),
        kind => {
            without_nulls(json!({ "app_name": actor.name.as_deref().unwrap_or(kind), "app_uid": actor.id }))
        }
    }
}

fn principal(actor: &Actor) -> Value {
    let is_user = actor.kind == "user";
    let (type_id, kind) = match actor.kind.as_str() {
        "user" => (1, "User"),
        "key" => (99, "API key"),
        "cli" => (99, "Command line"),
        "system" => (3, "System"),
        "anonymous" => (0, "Unknown"),
        _ => (99, "Application"),
    };
    let name = actor.name.as_deref().or_else(|| actor.id.is_none().then_some(actor.kind.as_str()));
    without_nulls(json!({
        "uid": actor.id,
        "name": name,
        "email_addr": if is_user { actor.name.as_deref() } else { None },
        "type_id": type_id,
        "type": kind,
    }))
}

/// Where it came from; what came from nowhere else came from the host itself.
fn source(event: &Event) -> Value {
    match &event.source_ip {
        Some(ip) => json!({ "ip": ip }),
        None => json!({ "svc_name": "Hardpoint" }),
    }
}

/// Whom it was done to: the target where that is a user, else who acted.
fn target_user(event: &Event) -> Value {
    if event.target.kind != "user" {
        return principal(&event.actor);
    }
    let of =
        |value: &Option<Value>| value.as_ref().and_then(|value| value["email"].as_str().map(str::to_owned));
    let email = of(&event.after).or_else(|| of(&event.before));
    let uid = (!event.target.id.is_empty()).then_some(event.target.id.as_str());
    without_nulls(json!({
        "uid": uid,
        "name": email.as_deref().or_else(|| uid.is_none().then_some("unknown")),
        "email_addr": email,
        "type_id": i64::from(uid.is_some()),
        "type": if uid.is_some() { "User" } else { "Unknown" },
        "org": event.organization_id.as_ref().map(|id| json!({ "uid": id })),
    }))
}

fn entity(event: &Event, data: Option<&Value>) -> Value {
    without_nulls(json!({ "uid": event.target.id, "type": event.target.kind, "data": data }))
}

/// Members that are null are not there.
fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(members) => members.into_iter().filter(|(_, value)| !value.is_null()).collect(),
        other => other,
    }
}

#[cfg(test)]
mod tests;
