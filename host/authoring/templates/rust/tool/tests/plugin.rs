//! The tool as a host calls it, natively.

use {{crate}}::WordStatistics;
use hardpoint_sdk::testing::{call, describe, replay_tool};
use hardpoint_sdk::tool::ToolError;
use serde_json::{Value, json};

fn answer(arguments: Value, settings: Value) -> Value {
    let text = call::<WordStatistics>(arguments, settings).expect("the call has an answer");
    serde_json::from_str(&text).expect("the answer is JSON")
}

#[test]
fn counts() {
    let text = "The cat saw the dog. The dog ran!";
    assert_eq!(
        answer(json!({ "text": text, "top": 2 }), json!({})),
        json!({
            "words": 8, "sentences": 2, "characters": 33,
            "most_common": [{ "word": "the", "count": 3 }, { "word": "dog", "count": 2 }],
        })
    );
}

#[test]
fn leaves_out_what_is_ignored() {
    let found = answer(json!({ "text": "the the cat", "top": 1 }), json!({ "ignored": ["the"] }));
    assert_eq!(found["most_common"], json!([{ "word": "cat", "count": 1 }]));
    assert_eq!(answer(json!({ "text": " … " }), json!({}))["words"], 0);
}

#[test]
fn tells_a_model_what_is_wrong() {
    for arguments in [json!({}), json!({ "text": 1 }), json!({ "text": "", "top": 101 })] {
        let error = call::<WordStatistics>(arguments.clone(), json!({})).expect_err("they do not fit");
        assert!(matches!(error, ToolError::InvalidArguments(_)), "{arguments}: {error:?}");
    }
}

#[test]
fn describes_its_arguments() {
    let parameters = describe::<WordStatistics>(json!({})).expect("a description").parameters;
    let schema: Value = serde_json::from_str(&parameters).expect("the schema is JSON");
    assert_eq!(schema["required"], json!(["text"]));
    assert_eq!(schema["properties"]["top"]["maximum"], 100);
}

#[test]
fn recordings_come_out_as_they_say() {
    for file in std::fs::read_dir("recordings").expect("a folder of recordings") {
        let file = file.expect("a recording").path();
        replay_tool::<WordStatistics>(&std::fs::read_to_string(file).expect("a text"));
    }
}
