use gemini::Gemini;
use hardpoint_sdk::FailureKind;
use hardpoint_sdk::model::{CompletionRequest, ContentPart, Image, Message, Role};
use hardpoint_sdk::serde_json::{Value, json};
use hardpoint_sdk::testing::completion;

use super::{body, calls, result, said, sent_with, settings};

fn request(messages: Vec<Message>) -> CompletionRequest {
    CompletionRequest::new("gemini-2.5-flash", messages)
}

fn text(text: &str) -> Value {
    json!({ "text": text })
}

#[test]
fn what_the_operator_says_is_the_system_s_instruction() {
    let sent = body(request(vec![
        said(Role::System, "Be brief."),
        said(Role::User, "Hello"),
        said(Role::Developer, "Be kind."),
        said(Role::Assistant, "Hello!"),
        said(Role::User, "Why?"),
    ]));
    assert_eq!(sent["systemInstruction"], json!({ "parts": [text("Be brief."), text("Be kind.")] }));
    let expected = json!([
        { "role": "user", "parts": [text("Hello")] },
        { "role": "model", "parts": [text("Hello!")] },
        { "role": "user", "parts": [text("Why?")] },
    ]);
    assert_eq!(sent["contents"], expected);
}

#[test]
fn what_one_side_says_is_one_content() {
    let refused = Message { content: vec![], refusal: Some("No.".into()), ..said(Role::Assistant, "") };
    let thoughtful = Message { reasoning: Some("Hm.".into()), ..said(Role::Assistant, "three") };
    let sent = body(request(vec![
        said(Role::User, "one"),
        said(Role::User, ""),
        said(Role::User, "two"),
        thoughtful,
        refused,
        said(Role::User, "four"),
    ]));
    let expected = json!([
        { "role": "user", "parts": [text("one"), text("two")] },
        { "role": "model", "parts": [text("three"), text("No.")] },
        { "role": "user", "parts": [text("four")] },
    ]);
    assert_eq!(sent["contents"], expected);
}

#[test]
fn functions_answer_by_name_in_a_content_of_their_own() {
    let messages = || {
        vec![
            said(Role::User, "Paris and Rome?"),
            calls(&[("fc-1", "weather", r#"{"city":"Paris"}"#), ("local_x_1", "now", "")]),
            result("fc-1", r#"{"sky":"clear"}"#),
            result("local_x_1", "[1, 2]"),
            said(Role::User, "Hurry"),
            calls(&[("fc-1", "later", "{}")]),
            result("fc-1", "plain words"),
            result("local_x_1", ""),
        ]
    };
    let sent = body(request(messages()));
    let expected = json!([
        { "role": "user", "parts": [text("Paris and Rome?")] },
        { "role": "model", "parts": [
            { "functionCall": { "id": "fc-1", "name": "weather", "args": { "city": "Paris" } } },
            { "functionCall": { "name": "now", "args": {} } },
        ] },
        { "role": "user", "parts": [
            { "functionResponse": { "id": "fc-1", "name": "weather", "response": { "sky": "clear" } } },
            { "functionResponse": { "name": "now", "response": { "output": [1, 2] } } },
        ] },
        { "role": "user", "parts": [text("Hurry")] },
        { "role": "model", "parts": [{ "functionCall": { "id": "fc-1", "name": "later", "args": {} } }] },
        { "role": "user", "parts": [
            { "functionResponse": { "id": "fc-1", "name": "later", "response": { "output": "plain words" } } },
            { "functionResponse": { "name": "now", "response": { "output": "" } } },
        ] },
    ]);
    assert_eq!(sent["contents"], expected);

    let sent = sent_with(request(messages()), json!({ "call_ids": false })).json();
    assert!(!sent.to_string().contains("fc-1"), "{sent}");
}

#[test]
fn arguments_that_are_no_object_are_shown_as_text() {
    for arguments in ["[1]", "{\"city\":", "\"Paris\"", "nonsense"] {
        let sent =
            body(request(vec![said(Role::User, "?"), calls(&[("a", "f", arguments)]), result("a", "no")]));
        let args = &sent["contents"][1]["parts"][0]["functionCall"]["args"];
        assert_eq!(*args, json!({ "invalid_arguments": arguments }));
    }
}

fn picture(url: &str) -> Message {
    let image = ContentPart::Image(Image { url: url.into(), detail: None });
    Message { content: vec![ContentPart::Text("What is this?".into()), image], ..said(Role::User, "") }
}

#[test]
fn images_by_address_and_as_they_are() {
    let part = |url: &str| body(request(vec![picture(url)]))["contents"][0]["parts"][1].clone();
    for (url, media) in [
        ("https://example.com/a.png", Some("image/png")),
        ("https://example.com/a.JPG?size=1#x", Some("image/jpeg")),
        ("https://example.com/a.heic", Some("image/heic")),
        ("https://example.com/v1.2/a", None),
        ("https://example.com/", None),
    ] {
        let mut data = json!({ "fileUri": url });
        if let Some(media) = media {
            data["mimeType"] = json!(media);
        }
        assert_eq!(part(url), json!({ "fileData": data }));
    }
    for (media, sent) in
        [("image/png", "image/png"), ("image/jpg", "image/jpeg"), ("image/webp;a=b", "image/webp")]
    {
        let expected = json!({ "inlineData": { "mimeType": sent, "data": "iVBORw0KGgo=" } });
        assert_eq!(part(&format!("data:{media};base64,iVBORw0KGgo=")), expected);
    }
}

#[test]
fn conversations_that_are_none() {
    for messages in [
        vec![said(Role::System, "Be brief.")],
        vec![said(Role::User, "")],
        vec![picture("data:image/png,raw")],
        vec![picture("data:image/png;base64")],
        vec![said(Role::User, "?"), result("a", "nobody asked")],
        vec![said(Role::User, "?"), result("a", "too early"), calls(&[("a", "f", "{}")])],
    ] {
        let done = completion::<Gemini>(request(messages), settings()).run();
        let failure = done.failure();
        assert_eq!((failure.kind, failure.param.as_deref()), (FailureKind::InvalidRequest, Some("messages")));
    }
}
