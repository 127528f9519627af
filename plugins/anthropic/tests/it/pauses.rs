//! Turns that the vendor's own tools interrupt.

use anthropic::Anthropic;
use hardpoint_sdk::model::{CompletionRequest, FinishReason, Usage};
use hardpoint_sdk::serde_json::{Value, json};
use hardpoint_sdk::testing::{Answer, completion};

use super::{block, message, question, stream, text, thinking, tool_use};

fn searching() -> Value {
    json!({ "server_tools": [{ "type": "web_search_20250305", "name": "web_search" }] })
}

fn search(index: u32) -> Vec<Value> {
    let begin = json!({ "type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {} });
    let piece = |json: &str| json!({ "type": "input_json_delta", "partial_json": json });
    block(index, begin, &[piece("{\"query\":"), piece("\"Paris\"}")])
}

#[test]
fn the_turn_is_gone_on_with_as_it_was() {
    let citation = json!({ "type": "web_search_result_location", "url": "https://example.com" });
    let cited = block(
        3,
        json!({ "type": "text", "text": "", "citations": [] }),
        &[
            json!({ "type": "text_delta", "text": "Half " }),
            json!({ "type": "citations_delta", "citation": citation }),
        ],
    );
    let found = json!({ "type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": [{ "encrypted_content": "x" }] });
    let first = stream(
        &[thinking(0, &["Hm", "m"], "c2ln"), search(1), block(2, found.clone(), &[]), cited],
        "pause_turn",
    );
    let second = stream(&[text(0, &["and half."]), tool_use(1, "toolu_1", "f", &["{}"])], "tool_use");
    let done = completion::<Anthropic>(question(true), searching())
        .answer(Answer::sse(first))
        .answer(Answer::sse(second))
        .every_way();
    assert_eq!((done.text.as_str(), done.result.clone()), ("Half and half.", Ok(FinishReason::ToolCalls)));
    let used =
        Usage { input_tokens: 2250, cached_input_tokens: 2000, output_tokens: 30, reasoning_tokens: 0 };
    assert_eq!(done.usage, Some(used));
    assert_eq!(done.tool_calls[0].id, "toolu_1", "thinking of a turn with other things in it is not carried");

    let (begun, gone_on) = (done.sent[0].json(), done.sent[1].json());
    let mut expected = begun.clone();
    expected["messages"].as_array_mut().unwrap().push(json!({ "role": "assistant", "content": [
        { "type": "thinking", "thinking": "Hmm", "signature": "c2ln" },
        { "type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": { "query": "Paris" } },
        found,
        { "type": "text", "text": "Half ", "citations": [citation] },
    ] }));
    assert_eq!(gone_on, expected);
    assert_eq!(done.sent[1].headers, done.sent[0].headers);
}

#[test]
fn a_whole_answer_too() {
    let found =
        json!({ "type": "server_tool_use", "id": "s", "name": "web_search", "input": { "query": "x" } });
    let first = message(&[found.clone(), json!({ "type": "text", "text": "Half " })], "pause_turn");
    let second = message(&[json!({ "type": "text", "text": "and half." })], "end_turn");
    let done = completion::<Anthropic>(question(false), searching())
        .answer(Answer::json(200, &first))
        .answer(Answer::json(200, &second))
        .every_way();
    assert_eq!((done.text.as_str(), done.result), ("Half and half.", Ok(FinishReason::Stop)));
    assert_eq!(done.sent[1].json()["messages"][1]["content"][0], found);
}

#[test]
fn it_is_not_gone_on_with_for_ever() {
    let answer = || Answer::sse(stream(&[text(0, &["x"])], "pause_turn"));
    let extra =
        Some(json!({ "mcp_servers": [{ "type": "url", "url": "https://mcp.example.com" }] }).to_string());
    let mut asked = completion::<Anthropic>(CompletionRequest { extra, ..question(true) }, json!({}));
    for _ in 0..11 {
        asked = asked.answer(answer());
    }
    let done = asked.run();
    assert_eq!((done.text.as_str(), done.result), ("xxxxxxxxxxx", Ok(FinishReason::Length)));
    assert_eq!(done.sent.len(), 11);
    assert_eq!(done.sent[10].json()["messages"].as_array().unwrap().len(), 11);
}

#[test]
fn a_failure_after_an_interruption_is_one() {
    let first = stream(&[search(0), text(1, &["Half "])], "pause_turn");
    let error = json!({ "type": "error", "error": { "type": "overloaded_error", "message": "Overloaded" } });
    let done = completion::<Anthropic>(question(true), searching())
        .answer(Answer::sse(first))
        .answer(Answer::json(529, &error))
        .every_way();
    assert_eq!((done.text.as_str(), done.failure().status), ("Half ", Some(529)));
}
