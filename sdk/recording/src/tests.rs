use serde_json::json;

use super::*;

fn recording() -> Recording {
    let text = json!({
        "about": "an answer in two pieces",
        "settings": {"base_url": "https://models.example.com"},
        "completion": {"upstream_model": "m", "messages": [{"role": "user", "content": "Why?"}]},
        "exchanges": [{
            "request": {
                "method": "POST", "url": "https://models.example.com/ask",
                "headers": {"authorization": "Bearer {secret:api_key}"}, "body": {"question": "Why?"},
            },
            "answer": {"status": 200, "chunks": ["Bec", {"base64": "w6k="}, "\u{e9}"]},
        }],
        "expect": {"text": "Because.", "finish": "stop"},
    });
    Recording::from_json(&text.to_string()).unwrap()
}

#[test]
fn what_is_written_is_read_again() {
    let first = recording();
    assert_eq!(first.exchanges[0].answer.body(), "Becéé".as_bytes());
    let again = Recording::from_json(&first.to_json()).unwrap();
    assert_eq!(again.to_json(), first.to_json());
}

#[test]
fn bytes_that_are_no_text_survive() {
    let cut = recording().cut_every(1);
    assert_eq!(cut.exchanges[0].answer.chunks.len(), 7);
    let again = Recording::from_json(&cut.to_json()).unwrap();
    assert_eq!(again.exchanges[0].answer.chunks, cut.exchanges[0].answer.chunks);
    assert_eq!(recording().cut_at(4).exchanges[0].answer.chunks.len(), 2);
    assert_eq!(recording().longest_answer(), 7);
}

#[test]
fn what_is_asked_is_one_thing() {
    let refusal = |text: serde_json::Value| Recording::from_json(&text.to_string()).unwrap_err();
    assert!(refusal(json!({"about": "", "expect": {}})).contains("must say what is asked"));
    let two = json!({"about": "", "expect": {}, "call": {"arguments": {}}, "embedding": {}});
    assert!(refusal(two).contains("only one"));
    assert!(refusal(json!({"about": "", "expect": {"txt": ""}, "call": {"arguments": {}}})).contains("txt"));
}

#[test]
fn differences_are_told_by_name() {
    let request = &recording().exchanges[0].request;
    let mut sent = SentRequest {
        method: "POST".into(),
        url: "https://models.example.com/ask".into(),
        headers: vec![
            ("authorization".into(), "Bearer {secret:api_key}".into()),
            ("x-more".into(), "1".into()),
        ],
        body: "{ \"question\":\"Why?\" }".into(),
        gzip: false,
    };
    assert_eq!(request.differences(&sent), Vec::<String>::new());
    sent.headers[0].1 = "Bearer other".into();
    sent.body = "{}".into();
    let found = request.differences(&sent);
    assert!(
        found.len() == 2 && found[0].contains("authorization") && found[1].contains("the body"),
        "{found:?}"
    );

    let expected = Outcome {
        failure: Some(Failure { kind: "upstream".into(), ..Failure::default() }),
        ..Outcome::default()
    };
    let mut got = expected.clone();
    got.failure.as_mut().unwrap().message = Some("whatever".into());
    assert_eq!(expected.differences(&got), Vec::<String>::new());
    got.text = "more".into();
    assert_eq!(expected.differences(&got), ["`text` is \"more\", not left out"]);
}

#[test]
fn headers_that_came_more_than_once_are_one_text() {
    let mut sent = SentRequest {
        method: "GET".into(),
        url: "https://example.com/".into(),
        headers: vec![("accept".into(), "a".into()), ("accept".into(), "b".into())],
        body: "null".into(),
        gzip: false,
    };
    let kept = Request::of(&sent);
    assert_eq!(kept.headers["accept"], "a, b");
    assert_eq!(kept.differences(&sent), Vec::<String>::new());
    let again: Request = serde_json::from_value(json!(kept)).unwrap();
    sent.body = "{}".into();
    assert_eq!(again.differences(&sent), ["the body is {}, not null"]);
}

#[test]
fn null_is_an_answer_and_zeros_are_no_usage() {
    let expected: Outcome = serde_json::from_value(json!({"result": null})).unwrap();
    let got = Outcome { usage: Some(Usage::default()), ..Outcome::default() };
    assert_eq!(expected.differences(&got), ["`result` is left out, not null"]);
    let got = Outcome { result: Some(json!(null)), ..got };
    assert_eq!(expected.differences(&got), Vec::<String>::new());
}

#[test]
fn what_is_unknown_within_a_variant_is_refused() {
    let format = json!({"json_schema": {"name": "s", "schema": {}, "stirct": true}});
    let asked = json!({"about": "", "completion": {"messages": [], "response_format": format}});
    assert!(Recording::from_json(&asked.to_string()).unwrap_err().contains("stirct"));
    let image = json!({"image": {"url": "data:", "detial": "low"}});
    let asked = json!({"about": "", "completion": {"messages": [{"role": "user", "content": [image]}]}});
    assert!(Recording::from_json(&asked.to_string()).is_err());
}
