//! Thought signatures, which travel in the ids of calls.

use gemini::Gemini;
use hardpoint_sdk::model::{CompletionRequest, Message, Role};
use hardpoint_sdk::serde_json::{Value, json};
use hardpoint_sdk::testing::{Answer, Completed, completion};

use super::{answer, calls, events, question, result, said, sent_with, settings, tool};

const SIGNATURE: &str = "CiQBVKhc7s/+Gemini/Thought/Signature+==";
const PLACEHOLDER: &str = "skip_thought_signature_validator";

fn run(parts: &[Value], settings: Value) -> Completed {
    let stream = events(&[answer(parts, Some("STOP"))]);
    completion::<Gemini>(question(true), settings).answer(Answer::sse(stream)).every_way()
}

fn parts_of(messages: Vec<Message>, model: &str, settings: Value) -> Vec<Value> {
    let request = CompletionRequest { tools: vec![tool("f")], ..CompletionRequest::new(model, messages) };
    let sent = sent_with(request, settings).json();
    let contents = sent["contents"].as_array().unwrap();
    let of_model = contents.iter().filter(|content| content["role"] == "model");
    of_model.flat_map(|content| content["parts"].as_array().unwrap().clone()).collect()
}

#[test]
fn a_signature_comes_back_with_its_call() {
    let done = run(
        &[
            json!({ "text": "Hm.", "thought": true }),
            json!({ "functionCall": { "id": "fc-1", "name": "f", "args": {} }, "thoughtSignature": SIGNATURE }),
            json!({ "functionCall": { "name": "f", "args": {} } }),
            json!({ "functionCall": { "name": "f", "args": {} }, "thoughtSignature": "c2ln" }),
        ],
        settings(),
    );
    assert_eq!(done.reasoning, "Hm.");
    let turn = Message { content: vec![], tool_calls: done.tool_calls.clone(), ..said(Role::Assistant, "") };
    let mut messages = vec![said(Role::User, "?"), turn];
    messages.extend(done.tool_calls.iter().map(|call| result(&call.id, "1")));
    let expected = [
        json!({ "functionCall": { "id": "fc-1", "name": "f", "args": {} }, "thoughtSignature": SIGNATURE }),
        json!({ "functionCall": { "name": "f", "args": {} } }),
        json!({ "functionCall": { "name": "f", "args": {} }, "thoughtSignature": "c2ln" }),
    ];
    assert_eq!(parts_of(messages, "gemini-3-pro", settings()), expected);
}

#[test]
fn an_id_stays_as_short_as_it_must() {
    let id = |signature: &str, settings: Value| {
        let call = json!({ "functionCall": { "id": "fc-1", "name": "f" }, "thoughtSignature": signature });
        run(&[call], settings).tool_calls[0].id.clone()
    };
    assert_eq!(id(&"s".repeat(507), settings()).len(), 512);
    assert_eq!(id(&"s".repeat(508), settings()), "fc-1");
    assert_eq!(id(&"s".repeat(508), json!({ "call_id_bytes": 513 })).len(), 513);
    assert_eq!(id("a~b", settings()), "fc-1");
    assert_eq!(id("", settings()), "fc-1");
}

#[test]
fn where_it_is_lost_the_vendor_s_placeholder_stands() {
    let messages =
        || vec![said(Role::User, "?"), calls(&[("a", "f", "{}"), ("b", "f", "{}")]), result("a", "1")];
    let signatures = |model: &str, settings: Value| -> Vec<Value> {
        parts_of(messages(), model, settings).iter().map(|part| part["thoughtSignature"].clone()).collect()
    };
    let (none, first) = ([Value::Null, Value::Null], [json!(PLACEHOLDER), Value::Null]);
    assert_eq!(signatures("gemini-3-pro", settings()), first);
    assert_eq!(signatures("models/gemini-3.1-flash", settings()), first);
    assert_eq!(signatures("gemini-2.5-flash", settings()), none);
    assert_eq!(signatures("gemma-3-27b", settings()), none);
    assert_eq!(signatures("mine", json!({ "placeholder_signature": "always" })), first);
    assert_eq!(signatures("gemini-3-pro", json!({ "placeholder_signature": "never" })), none);
}

#[test]
fn only_the_present_turn_is_looked_at() {
    let messages = vec![
        said(Role::User, "?"),
        calls(&[("a", "f", "{}")]),
        result("a", "1"),
        said(Role::Assistant, "1"),
        said(Role::User, "and?"),
        calls(&[("b", "f", "{}")]),
        result("b", "2"),
        said(Role::User, ""),
        calls(&[("c", "f", "{}")]),
        result("c", "3"),
    ];
    let parts = parts_of(messages, "gemini-3-pro", settings());
    let signed: Vec<_> = parts.iter().map(|part| part["thoughtSignature"] == PLACEHOLDER).collect();
    assert_eq!(signed, [false, false, true, true], "{parts:?}");
}

#[test]
fn ids_that_merely_look_alike_carry_nothing() {
    for (id, given) in [("a~é", Some("a")), ("a~", Some("a")), ("a~b c", Some("a")), ("~c2ln", None)] {
        let messages = vec![said(Role::User, "?"), calls(&[(id, "f", "{}")]), result(id, "1")];
        let parts = parts_of(messages, "gemini-2.5-flash", settings());
        assert_eq!(parts[0]["functionCall"].get("id").and_then(Value::as_str), given, "{id}");
        assert_eq!(parts[0].get("thoughtSignature").is_some(), id == "~c2ln");
    }
}
