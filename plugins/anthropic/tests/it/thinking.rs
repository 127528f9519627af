//! Thinking that is asked for, shown, and given back with its signatures.

use anthropic::Anthropic;
use hardpoint_sdk::model::{CompletionRequest, Message, Role, ToolChoice};
use hardpoint_sdk::serde_json::{Value, json};
use hardpoint_sdk::testing::{Answer, Completed, completion};

use super::{block, calls, question, result, said, sent_with, settings, stream, text, tool, tool_use};

const SIGNATURE: &str = "EqQBCgIYAhIM1gbcDa9GJwZA2b3hGgxBdjrkzLoky3dl1pkiMOYds==";

fn manual() -> Value {
    json!({ "thinking": "enabled", "thinking_budget_tokens": 2000 })
}

fn asked(request: CompletionRequest, settings: Value) -> Option<Value> {
    sent_with(request, settings).json().get("thinking").cloned()
}

#[test]
fn what_is_asked_for() {
    assert_eq!(asked(question(true), settings()), None);
    let adaptive = json!({ "thinking": "adaptive", "thinking_display": "summarized" });
    assert_eq!(asked(question(true), adaptive), Some(json!({ "type": "adaptive", "display": "summarized" })));
    assert_eq!(asked(question(true), json!({ "thinking": "disabled" })), Some(json!({ "type": "disabled" })));
    assert_eq!(asked(question(true), manual()), Some(json!({ "type": "enabled", "budget_tokens": 2000 })));
    let own = json!({ "type": "enabled", "budget_tokens": 1024 });
    let extra = Some(json!({ "thinking": own }).to_string());
    assert_eq!(
        asked(CompletionRequest { extra, ..question(true) }, json!({ "thinking": "adaptive" })),
        Some(own)
    );
}

#[test]
fn the_budget_stays_below_the_most_tokens_and_above_the_least() {
    let budget = |max_tokens| {
        let thinking = asked(CompletionRequest { max_tokens: Some(max_tokens), ..question(true) }, manual());
        thinking.map(|it| it["budget_tokens"].as_u64().unwrap())
    };
    assert_eq!([budget(2001), budget(2000), budget(1025)], [Some(2000), Some(1999), Some(1024)]);
    assert_eq!([budget(1024), budget(1)], [None, None]);
}

#[test]
fn the_manual_mode_forces_no_call() {
    for (tool_choice, manually, adaptively) in [
        (ToolChoice::Auto, true, true),
        (ToolChoice::None, true, true),
        (ToolChoice::Required, false, true),
        (ToolChoice::Function("weather".into()), false, true),
    ] {
        let tools = vec![tool("weather")];
        let request = CompletionRequest { tools, tool_choice: Some(tool_choice), ..question(true) };
        assert_eq!(asked(request.clone(), manual()).is_some(), manually);
        assert_eq!(asked(request, json!({ "thinking": "adaptive" })).is_some(), adaptively);
    }
}

fn run(blocks: &[Vec<Value>], settings: Value) -> Completed {
    let answer = Answer::sse(stream(blocks, "tool_use"));
    completion::<Anthropic>(question(true), settings).answer(answer).every_way()
}

/// The next round, as the host has it: what was said, what was called, what was answered.
fn next_round(done: &Completed, reasoning: Option<&str>) -> CompletionRequest {
    let content = if done.text.is_empty() { vec![] } else { said(Role::Assistant, &done.text).content };
    let turn = Message {
        content,
        reasoning: reasoning.map(Into::into),
        tool_calls: done.tool_calls.clone(),
        ..said(Role::Assistant, "")
    };
    let mut messages = vec![said(Role::User, "Weather?"), turn];
    messages.extend(done.tool_calls.iter().map(|call| result(&call.id, "sunny")));
    CompletionRequest { tools: vec![tool("weather")], ..CompletionRequest::new("claude-test", messages) }
}

#[test]
fn it_is_shown_and_given_back_as_it_was() {
    let done = run(
        &[
            super::thinking(0, &["Let me ", "see: Zürich"], SIGNATURE),
            block(1, json!({ "type": "redacted_thinking", "data": "Gh8k/+==" }), &[]),
            super::thinking(2, &["And now."], "c2ln"),
            text(3, &["I will look."]),
            tool_use(4, "toolu_1", "weather", &["{}"]),
            tool_use(5, "toolu_2", "weather", &["{}"]),
        ],
        settings(),
    );
    assert_eq!((done.reasoning.as_str(), done.text.as_str()), ("Let me see: ZürichAnd now.", "I will look."));
    assert_eq!(done.tool_calls[1].id, "toolu_2");

    let sent = sent_with(next_round(&done, Some(&done.reasoning)), manual()).json();
    let expected = json!([
        { "type": "thinking", "thinking": "Let me see: Zürich", "signature": SIGNATURE },
        { "type": "redacted_thinking", "data": "Gh8k/+==" },
        { "type": "thinking", "thinking": "And now.", "signature": "c2ln" },
        { "type": "text", "text": "I will look." },
        { "type": "tool_use", "id": "toolu_1", "name": "weather", "input": {} },
        { "type": "tool_use", "id": "toolu_2", "name": "weather", "input": {} },
    ]);
    assert_eq!(sent["messages"][1]["content"], expected);
    assert_eq!(sent["messages"][2]["content"][0]["tool_use_id"], "toolu_1");
    assert!(sent["thinking"].is_object(), "the loop began with thinking, so it may go on with it");
}

#[test]
fn without_its_text_it_is_not_given_back() {
    let done = run(
        &[super::thinking(0, &["Let me see."], SIGNATURE), tool_use(1, "toolu_1", "weather", &["{}"])],
        settings(),
    );
    for reasoning in [None, Some("Let me"), Some("Let me see. More.")] {
        let sent = sent_with(next_round(&done, reasoning), manual()).json();
        let content = &sent["messages"][1]["content"];
        let expected = json!([{ "type": "tool_use", "id": "toolu_1", "name": "weather", "input": {} }]);
        assert_eq!((content, sent.get("thinking")), (&expected, None), "{reasoning:?}");
    }
}

#[test]
fn where_it_was_omitted_its_signature_is_all_there_is() {
    let blocks = [super::thinking(0, &[], SIGNATURE), tool_use(1, "toolu_1", "weather", &["{}"])];
    let done = run(&blocks, settings());
    assert_eq!((done.reasoning.as_str(), done.tool_calls[0].id.contains(SIGNATURE)), ("", true));
    let sent = sent_with(next_round(&done, None), settings()).json();
    let expected = json!({ "type": "thinking", "thinking": "", "signature": SIGNATURE });
    assert_eq!(sent["messages"][1]["content"][0], expected);
}

#[test]
fn an_id_stays_as_short_as_it_must() {
    let id = |signature: &str, settings: Value| {
        let blocks = [super::thinking(0, &["x"], signature), tool_use(1, "toolu_1", "weather", &["{}"])];
        run(&blocks, settings).tool_calls[0].id.clone()
    };
    // `toolu_1~t1.` is 11 bytes.
    assert_eq!(id(&"s".repeat(501), settings()).len(), 512);
    assert_eq!(id(&"s".repeat(502), settings()), "toolu_1");
    assert_eq!(id(&"s".repeat(502), json!({ "call_id_bytes": 513 })).len(), 513);
    assert_eq!(id("a~b", settings()), "toolu_1", "what could not be told apart again is not carried");
    assert_eq!(id("", settings()), "toolu_1");
}

#[test]
fn thinking_after_something_was_said_has_no_place_in_an_id() {
    let blocks = [
        text(0, &["Hm."]),
        super::thinking(1, &["x"], SIGNATURE),
        tool_use(2, "toolu_1", "weather", &["{}"]),
    ];
    assert_eq!(run(&blocks, settings()).tool_calls[0].id, "toolu_1");
}

#[test]
fn ids_that_merely_look_alike_carry_nothing() {
    for id in ["a~", "a~x1", "a~t", "a~tx.y", "a~t1", "a~t99999999999999999999999.s", "a~é", "~"] {
        let messages = vec![said(Role::User, "?"), calls(Some("r"), &[(id, "f", "{}")]), result(id, "1")];
        let sent = sent_with(CompletionRequest::new("claude-test", messages), settings()).json();
        let content = sent["messages"][1]["content"].as_array().unwrap();
        assert_eq!((content.len(), &content[0]["type"]), (1, &json!("tool_use")), "{id}");
        let plain = content[0]["id"].as_str().unwrap();
        assert_eq!((plain, plain), (if id == "~" { "call" } else { "a" }, plain));
    }
}

#[test]
fn the_manual_mode_does_not_begin_within_a_loop() {
    let thoughtful = || calls(Some("why"), &[("a~t3.s", "f", "{}")]);
    let asks = || said(Role::User, "?");
    for (messages, thinks) in [
        (vec![asks(), calls(None, &[("a", "f", "{}")]), result("a", "1")], false),
        (vec![asks(), thoughtful(), result("a~t3.s", "1")], true),
        // Later rounds of a loop need not think again.
        (
            vec![
                asks(),
                thoughtful(),
                result("a~t3.s", "1"),
                calls(None, &[("b", "f", "{}")]),
                result("b", "2"),
            ],
            true,
        ),
        // A loop that is over does not matter.
        (
            vec![
                asks(),
                calls(None, &[("a", "f", "{}")]),
                result("a", "1"),
                said(Role::Assistant, "1"),
                asks(),
            ],
            true,
        ),
        (vec![asks()], true),
    ] {
        let request = CompletionRequest::new("claude-test", messages);
        assert_eq!(asked(request.clone(), manual()).is_some(), thinks, "{:?}", request.messages);
        assert!(asked(request, json!({ "thinking": "adaptive" })).is_some());
    }
}
