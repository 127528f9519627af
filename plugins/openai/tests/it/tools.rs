use hardpoint_sdk::FailureKind;
use hardpoint_sdk::model::{FinishReason, ToolCall};
use hardpoint_sdk::serde_json::{Value, json};
use hardpoint_sdk::testing::{Answer, Completed, completion};
use openai::OpenAi;

use super::{delta, question, settings, stream};

fn run(pieces: &[Value], reason: &str) -> Completed {
    let mut chunks: Vec<Value> = pieces.iter().map(|piece| delta(piece.clone(), None)).collect();
    chunks.push(delta(json!({}), Some(reason)));
    completion::<OpenAi>(question(true), settings()).answer(Answer::sse(stream(&chunks))).every_way()
}

fn calls(pieces: &[Value]) -> Vec<(String, String, String)> {
    let done = run(pieces, "tool_calls");
    assert_eq!(done.result, Ok(FinishReason::ToolCalls));
    done.tool_calls.into_iter().map(|ToolCall { id, name, arguments }| (id, name, arguments)).collect()
}

fn call(id: &str, name: &str, arguments: &str) -> (String, String, String) {
    (id.to_owned(), name.to_owned(), arguments.to_owned())
}

#[test]
fn parallel_calls_in_pieces() {
    let seen = calls(&[
        json!({ "tool_calls": [{ "index": 0, "id": "a", "type": "function", "function": { "name": "f", "arguments": "" } }] }),
        json!({ "tool_calls": [{ "index": 0, "function": { "arguments": "{\"x\":" } }] }),
        json!({ "tool_calls": [{ "index": 1, "id": "b", "type": "function", "function": { "name": "g", "arguments": "{" } },
                               { "index": 0, "function": { "arguments": "1}" } }] }),
        json!({ "tool_calls": [{ "index": 1, "function": { "arguments": "}" } }] }),
    ]);
    assert_eq!(seen, [call("a", "f", "{\"x\":1}"), call("b", "g", "{}")]);
}

#[test]
fn servers_that_leave_out_the_number() {
    let seen = calls(&[
        json!({ "tool_calls": [{ "id": "a", "function": { "name": "f", "arguments": "{" } }] }),
        json!({ "tool_calls": [{ "function": { "arguments": "}" } }] }),
        json!({ "tool_calls": [{ "id": "b", "function": { "name": "g", "arguments": "[" } }] }),
        json!({ "tool_calls": [{ "id": "a", "function": { "arguments": " " } }, { "id": "b", "function": { "arguments": "]" } }] }),
    ]);
    assert_eq!(seen, [call("a", "f", "{} "), call("b", "g", "[]")]);
    let whole = json!({ "tool_calls": [{ "id": "a", "function": { "name": "f", "arguments": "{}" } },
                                       { "id": "b", "function": { "name": "f", "arguments": "{}" } }] });
    assert_eq!(calls(&[whole]), [call("a", "f", "{}"), call("b", "f", "{}")]);
}

#[test]
fn servers_that_leave_out_the_id_or_repeat_it() {
    let seen = calls(&[
        json!({ "tool_calls": [{ "index": 0, "id": null, "function": { "name": "f", "arguments": "{" } }] }),
        json!({ "tool_calls": [{ "index": 0, "id": "", "function": { "name": "", "arguments": "}" } }] }),
        json!({ "tool_calls": [{ "index": 1, "function": { "name": "g", "arguments": "{}" } }] }),
    ]);
    assert_eq!(seen, [call("call_0", "f", "{}"), call("call_1", "g", "{}")]);
    let repeated = |arguments: &str| json!({ "tool_calls": [{ "index": 0, "id": "a", "function": { "name": "f", "arguments": arguments } }] });
    assert_eq!(calls(&[repeated("{"), repeated("}")]), [call("a", "f", "{}")]);
    let neither = |name: &str| json!({ "tool_calls": [{ "function": { "name": name, "arguments": "{}" } }] });
    assert_eq!(calls(&[neither("f"), neither("g")]), [call("call_0", "f", "{}"), call("call_1", "g", "{}")]);
}

#[test]
fn servers_that_number_every_call_nought() {
    let seen = calls(&[
        json!({ "tool_calls": [{ "index": 0, "id": "a", "function": { "name": "f", "arguments": "{}" } }] }),
        json!({ "tool_calls": [{ "index": 0, "id": "b", "function": { "name": "g", "arguments": "[" } }] }),
        json!({ "tool_calls": [{ "index": 0, "function": { "arguments": "]" } }] }),
    ]);
    assert_eq!(seen, [call("a", "f", "{}"), call("b", "g", "[]")]);
}

#[test]
fn servers_that_change_the_id_from_piece_to_piece() {
    let seen = calls(&[
        json!({ "tool_calls": [{ "index": 0, "id": "a", "function": { "name": "f", "arguments": "{" } }] }),
        json!({ "tool_calls": [{ "index": 0, "id": "other", "function": { "arguments": "}" } }] }),
    ]);
    assert_eq!(seen, [call("a", "f", "{}")]);
}

#[test]
fn a_name_may_come_after_the_id() {
    let seen = calls(&[
        json!({ "tool_calls": [{ "index": 0, "id": "a" }] }),
        json!({ "tool_calls": [{ "index": 0, "function": { "arguments": "{" } }] }),
        json!({ "tool_calls": [{ "index": 0, "function": { "name": "f", "arguments": "}" } }] }),
    ]);
    assert_eq!(seen, [call("a", "f", "{}")]);
    let nameless = run(&[json!({ "tool_calls": [{ "index": 0, "id": "a" }] })], "tool_calls");
    assert_eq!(nameless.failure().kind, FailureKind::Protocol);
}

#[test]
fn arguments_may_be_json_itself() {
    let seen = calls(&[json!({ "tool_calls": [
        { "index": 0, "id": "a", "function": { "name": "f", "arguments": { "x": [1, 2] } } },
        { "index": 1, "id": "b", "function": { "name": "g", "arguments": null } },
    ] })]);
    assert_eq!(seen, [call("a", "f", "{\"x\":[1,2]}"), call("b", "g", "")]);
}

#[test]
fn a_legacy_function_call_is_a_tool_call() {
    let pieces = [
        json!({ "function_call": { "name": "f", "arguments": "" } }),
        json!({ "function_call": { "arguments": "{\"x\":1}" } }),
    ];
    let done = run(&pieces, "function_call");
    assert_eq!(done.result, Ok(FinishReason::ToolCalls));
    assert_eq!(done.tool_calls[0].id, "call_0");
    assert_eq!((done.tool_calls[0].name.as_str(), done.tool_calls[0].arguments.as_str()), ("f", "{\"x\":1}"));
}

#[test]
fn calls_end_with_tool_calls_whatever_the_server_says_but_not_when_cut_off() {
    let piece =
        json!({ "tool_calls": [{ "index": 0, "id": "a", "function": { "name": "f", "arguments": "{}" } }] });
    assert_eq!(run(std::slice::from_ref(&piece), "stop").result, Ok(FinishReason::ToolCalls));
    assert_eq!(run(&[piece], "length").result, Ok(FinishReason::Length));
}

#[test]
fn calls_without_end_are_refused() {
    let many: Vec<Value> = (0..600)
        .map(|index| json!({ "index": index, "id": format!("c{index}"), "function": { "name": "f", "arguments": "{}" } }))
        .collect();
    let body = stream(&[delta(json!({ "tool_calls": many }), Some("tool_calls"))]);
    let done = completion::<OpenAi>(question(true), settings()).answer(Answer::sse(body)).run();
    assert_eq!(done.failure().kind, FailureKind::Protocol);
}
