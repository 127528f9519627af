use anthropic::Anthropic;
use hardpoint_sdk::FailureKind;
use hardpoint_sdk::model::{CompletionRequest, ContentPart, Image, Message, Role};
use hardpoint_sdk::serde_json::{Value, json};
use hardpoint_sdk::testing::completion;

use super::{body, calls, result, said, settings, tool};

fn request(messages: Vec<Message>) -> CompletionRequest {
    CompletionRequest::new("claude-test", messages)
}

fn text(text: &str) -> Value {
    json!({ "type": "text", "text": text })
}

#[test]
fn what_the_operator_says_stands_before_all_turns() {
    let sent = body(request(vec![
        said(Role::System, "Be brief."),
        said(Role::User, "Hello"),
        said(Role::Developer, "Be kind."),
        said(Role::System, " \n"),
        said(Role::Assistant, "Hello!"),
        said(Role::User, "Why?"),
    ]));
    assert_eq!(sent["system"], json!([text("Be brief."), text("Be kind.")]));
    let expected = json!([
        { "role": "user", "content": [text("Hello")] },
        { "role": "assistant", "content": [text("Hello!")] },
        { "role": "user", "content": [text("Why?")] },
    ]);
    assert_eq!(sent["messages"], expected);
}

#[test]
fn turns_alternate_whatever_came() {
    let refused = Message { content: vec![], refusal: Some("No.".into()), ..said(Role::Assistant, "") };
    let sent = body(request(vec![
        said(Role::User, "one"),
        said(Role::User, ""),
        Message { name: Some("anna".into()), ..said(Role::User, "two") },
        said(Role::Assistant, "three"),
        refused,
        said(Role::User, "four"),
    ]));
    let expected = json!([
        { "role": "user", "content": [text("one"), text("two")] },
        { "role": "assistant", "content": [text("three"), text("No.")] },
        { "role": "user", "content": [text("four")] },
    ]);
    assert_eq!(sent["messages"], expected);
}

#[test]
fn results_of_tools_are_one_turn_and_come_first_in_it() {
    let sent = body(CompletionRequest {
        tools: vec![tool("weather")],
        ..request(vec![
            said(Role::User, "Paris and Rome?"),
            calls(None, &[("toolu_1", "weather", r#"{"city":"Paris"}"#), ("call.2!", "weather", "")]),
            result("toolu_1", "sunny"),
            said(Role::User, "Hurry"),
            result("call.2!", ""),
        ])
    });
    let expected = json!([
        { "role": "user", "content": [text("Paris and Rome?")] },
        { "role": "assistant", "content": [
            { "type": "tool_use", "id": "toolu_1", "name": "weather", "input": { "city": "Paris" } },
            { "type": "tool_use", "id": "call_2_", "name": "weather", "input": {} },
        ] },
        { "role": "user", "content": [
            { "type": "tool_result", "tool_use_id": "toolu_1", "content": [text("sunny")] },
            { "type": "tool_result", "tool_use_id": "call_2_", "content": [] },
            text("Hurry"),
        ] },
    ]);
    assert_eq!(sent["messages"], expected);
}

#[test]
fn arguments_that_are_no_object_are_shown_as_text() {
    for arguments in ["[1]", "{\"city\":", "\"Paris\"", "nonsense"] {
        let messages = vec![said(Role::User, "?"), calls(None, &[("a", "f", arguments)]), result("a", "no")];
        let sent = body(request(messages));
        let input = &sent["messages"][1]["content"][0]["input"];
        assert_eq!(*input, json!({ "invalid_arguments": arguments }));
    }
}

#[test]
fn the_beginning_of_an_answer_ends_in_no_white_space() {
    let sent = body(request(vec![said(Role::User, "?"), said(Role::Assistant, "The answer is: \n")]));
    assert_eq!(sent["messages"][1]["content"], json!([text("The answer is:")]));
}

fn picture(url: &str) -> Message {
    let image = ContentPart::Image(Image { url: url.into(), detail: Some("low".into()) });
    Message { content: vec![ContentPart::Text("What is this?".into()), image], ..said(Role::User, "") }
}

#[test]
fn images_by_address_and_as_they_are() {
    let source = |url: &str| body(request(vec![picture(url)]))["messages"][0]["content"][1].clone();
    let expected =
        json!({ "type": "image", "source": { "type": "url", "url": "https://example.com/a.png" } });
    assert_eq!(source("https://example.com/a.png"), expected);
    for (media, sent) in [
        ("image/png", "image/png"),
        ("image/jpg", "image/jpeg"),
        ("IMAGE/WEBP", "image/webp"),
        ("image/gif;name=x", "image/gif"),
    ] {
        let expected = json!({ "type": "image", "source": { "type": "base64", "media_type": sent, "data": "iVBORw0KGgo=" } });
        assert_eq!(source(&format!("data:{media};base64,iVBORw0KGgo=")), expected);
    }
}

#[test]
fn images_that_the_api_does_not_take() {
    for url in ["data:image/svg+xml;base64,PHN2Zz4=", "data:image/png,raw", "data:image/png;base64", "data:"]
    {
        let done = completion::<Anthropic>(request(vec![picture(url)]), settings()).run();
        let failure = done.failure();
        assert_eq!((failure.kind, failure.param.as_deref()), (FailureKind::InvalidRequest, Some("messages")));
        assert!(failure.message.len() < 200, "{}", failure.message);
    }
}

#[test]
fn a_conversation_of_nothing_is_refused() {
    for messages in [vec![said(Role::System, "Be brief.")], vec![said(Role::User, " ")]] {
        let failure = completion::<Anthropic>(request(messages), settings()).run().failure().clone();
        assert_eq!((failure.kind, failure.param.as_deref()), (FailureKind::InvalidRequest, Some("messages")));
    }
}
