use hardpoint_domain::message::Usage;
use serde_json::{Value, json};

use super::*;

fn parse(body: &Value) -> Result<(EmbeddingRequest, Encoding), ApiError> {
    embedding(body.to_string().as_bytes())
}

#[test]
fn one_text_or_many() {
    let (request, encoding) = parse(&json!({ "model": "m", "input": "a" })).unwrap();
    assert_eq!((request.inputs.as_slice(), encoding), (&["a".to_owned()][..], Encoding::Float));
    let body = json!({
        "model": "m", "input": ["a", "b"], "encoding_format": "base64", "dimensions": 64, "user": "u", "input_type": "query",
    });
    let (request, encoding) = parse(&body).unwrap();
    assert_eq!(request.inputs, ["a", "b"]);
    assert_eq!(
        (encoding, request.dimensions, request.user.as_deref()),
        (Encoding::Base64, Some(64), Some("u"))
    );
    assert_eq!(Value::from(request.extra), json!({ "input_type": "query" }));
}

#[test]
fn what_is_wrong_is_named() {
    let with = |members: Value| {
        let mut body = json!({ "model": "m", "input": "a" });
        body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        body
    };
    let table = [
        (json!({ "input": "a" }), "The 'model' field is required."),
        (json!({ "model": "m" }), "The 'input' field is required."),
        (with(json!({ "input": "" })), "The 'input' field must not be empty."),
        (with(json!({ "input": ["a", ""] })), "The 'input[1]' field must not be empty."),
        (with(json!({ "input": ["a", 1] })), "The 'input[1]' field must be a string."),
        (with(json!({ "input": [] })), "The 'input' field must have 1 to 2048 items."),
        (with(json!({ "input": vec!["a"; 2_049] })), "The 'input' field must have 1 to 2048 items."),
        (
            with(json!({ "input": [1, 2] })),
            "The 'input' field must be text: arrays of token numbers are not taken.",
        ),
        (
            with(json!({ "input": [[1], [2]] })),
            "The 'input' field must be text: arrays of token numbers are not taken.",
        ),
        (with(json!({ "input": 7 })), "The 'input' field must be a string or an array of strings."),
        (
            with(json!({ "encoding_format": "hex" })),
            "The 'encoding_format' field must be `float` or `base64`.",
        ),
        (with(json!({ "dimensions": 0 })), "The 'dimensions' field must be from 1 to 4294967295."),
        (with(json!({ "dimensions": 65_537 })), "The 'dimensions' field must be from 1 to 65536."),
    ];
    for (body, message) in table {
        let error = parse(&body).unwrap_err();
        assert_eq!((error.status().as_u16(), error.message()), (400, message));
    }
}

#[test]
fn vectors_as_numbers_and_as_base64() {
    let embeddings = Embeddings {
        vectors: vec![vec![0.25, -1.0], vec![1e-7, 0.1]],
        usage: Usage { input_tokens: 3, ..Usage::default() },
    };
    let numbers = list("m".to_owned(), embeddings.clone(), Encoding::Float);
    insta::assert_snapshot!(serde_json::to_string(&numbers).unwrap(), @r#"{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.25,-1.0]},{"object":"embedding","index":1,"embedding":[1e-7,0.1]}],"model":"m","usage":{"prompt_tokens":3,"total_tokens":3}}"#);
    let base64 = list("m".to_owned(), embeddings, Encoding::Base64);
    insta::assert_snapshot!(serde_json::to_string(&base64.data).unwrap(), @r#"[{"object":"embedding","index":0,"embedding":"AACAPgAAgL8="},{"object":"embedding","index":1,"embedding":"lb/WM83MzD0="}]"#);
}
