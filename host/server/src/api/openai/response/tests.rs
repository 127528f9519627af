use super::*;

const IDENTITY: Identity<'_> =
    Identity { id: "chatcmpl-1", created: 1_711_234_567, model: "m", plugin: "openai@0.1.0" };

fn completion(deltas: Vec<Delta>) -> String {
    let mut gathered = Gathered::default();
    deltas.into_iter().for_each(|delta| gathered.take(delta));
    let usage = Usage { input_tokens: 5, cached_input_tokens: 1, output_tokens: 7, reasoning_tokens: 2 };
    serde_json::to_string(&gathered.into_completion(IDENTITY, usage)).unwrap()
}

fn piece(index: u32, id: Option<&str>, name: Option<&str>, arguments: &str) -> Delta {
    let owned = |text: Option<&str>| text.map(str::to_owned);
    Delta::ToolCall(ToolCallPiece {
        index,
        id: owned(id),
        name: owned(name),
        arguments: arguments.to_owned(),
    })
}

#[test]
fn text_with_reasoning() {
    let deltas = vec![
        Delta::Reasoning("Hm".to_owned()),
        Delta::Reasoning(".".to_owned()),
        Delta::Text("A catalytic".to_owned()),
        Delta::Text(" converter".to_owned()),
        Delta::Finish(FinishReason::Length),
    ];
    insta::assert_snapshot!(completion(deltas), @r#"{"id":"chatcmpl-1","object":"chat.completion","created":1711234567,"model":"m","system_fingerprint":"openai@0.1.0","choices":[{"index":0,"message":{"role":"assistant","content":"A catalytic converter","refusal":null,"reasoning_content":"Hm."},"logprobs":null,"finish_reason":"length"}],"usage":{"prompt_tokens":5,"completion_tokens":7,"total_tokens":12,"prompt_tokens_details":{"cached_tokens":1},"completion_tokens_details":{"reasoning_tokens":2}}}"#);
}

#[test]
fn tool_calls_without_text() {
    let deltas = vec![
        piece(0, Some("a"), Some("look"), "{\"at\""),
        piece(1, Some("b"), Some("hear"), "{}"),
        piece(0, None, None, ":1}"),
        Delta::Finish(FinishReason::ToolCalls),
    ];
    insta::assert_snapshot!(completion(deltas), @r#"{"id":"chatcmpl-1","object":"chat.completion","created":1711234567,"model":"m","system_fingerprint":"openai@0.1.0","choices":[{"index":0,"message":{"role":"assistant","content":null,"refusal":null,"tool_calls":[{"id":"a","type":"function","function":{"name":"look","arguments":"{\"at\":1}"}},{"id":"b","type":"function","function":{"name":"hear","arguments":"{}"}}]},"logprobs":null,"finish_reason":"tool_calls"}],"usage":{"prompt_tokens":5,"completion_tokens":7,"total_tokens":12,"prompt_tokens_details":{"cached_tokens":1},"completion_tokens_details":{"reasoning_tokens":2}}}"#);
}

#[test]
fn a_refusal_has_no_content_and_silence_has_empty_content() {
    let refusal = completion(vec![Delta::Refusal("No.".to_owned()), Delta::Finish(FinishReason::Stop)]);
    assert!(
        refusal.contains(r#""message":{"role":"assistant","content":null,"refusal":"No."}"#),
        "{refusal}"
    );
    let silence = completion(vec![Delta::Finish(FinishReason::Stop)]);
    assert!(silence.contains(r#""message":{"role":"assistant","content":"","refusal":null}"#), "{silence}");
}
