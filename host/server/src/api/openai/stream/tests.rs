use hardpoint_domain::failure::{Failure, FailureKind};
use hardpoint_domain::message::ToolCallPiece;
use proptest::prelude::*;
use serde_json::Value;

use super::*;

const IDENTITY: Identity<'_> =
    Identity { id: "chatcmpl-1", created: 1_711_234_567, model: "m\"1", plugin: "openai@0.1.0" };

fn rendered(include_usage: bool, write: impl FnOnce(&Chunks, &mut BytesMut)) -> String {
    let mut out = BytesMut::new();
    write(&Chunks::new(IDENTITY, include_usage), &mut out);
    String::from_utf8(out.to_vec()).unwrap()
}

fn piece(id: Option<&str>, name: Option<&str>, arguments: &str) -> Delta {
    let owned = |text: Option<&str>| text.map(str::to_owned);
    Delta::ToolCall(ToolCallPiece {
        index: 1,
        id: owned(id),
        name: owned(name),
        arguments: arguments.to_owned(),
    })
}

#[test]
fn a_stream_from_beginning_to_end() {
    let text = rendered(false, |chunks, out| {
        chunks.role(out);
        chunks.delta(out, Delta::Reasoning("Hm.".to_owned()));
        chunks.delta(out, Delta::Text("A \"catalytic\"\n".to_owned()));
        chunks.delta(out, Delta::Refusal("No.".to_owned()));
        chunks.delta(out, piece(Some("call_1"), Some("look"), ""));
        chunks.delta(out, piece(None, None, "{\"at\":"));
        chunks.delta(out, Delta::Usage(Usage::default()));
        chunks.delta(out, Delta::Finish(FinishReason::ToolCalls));
        done(out);
    });
    insta::assert_snapshot!(text.replace("\n\n", "\n"), @r#"
    data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1711234567,"model":"m\"1","system_fingerprint":"openai@0.1.0","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}
    data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1711234567,"model":"m\"1","system_fingerprint":"openai@0.1.0","choices":[{"index":0,"delta":{"reasoning_content":"Hm."},"finish_reason":null}]}
    data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1711234567,"model":"m\"1","system_fingerprint":"openai@0.1.0","choices":[{"index":0,"delta":{"content":"A \"catalytic\"\n"},"finish_reason":null}]}
    data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1711234567,"model":"m\"1","system_fingerprint":"openai@0.1.0","choices":[{"index":0,"delta":{"refusal":"No."},"finish_reason":null}]}
    data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1711234567,"model":"m\"1","system_fingerprint":"openai@0.1.0","choices":[{"index":0,"delta":{"tool_calls":[{"index":1,"id":"call_1","type":"function","function":{"name":"look","arguments":""}}]},"finish_reason":null}]}
    data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1711234567,"model":"m\"1","system_fingerprint":"openai@0.1.0","choices":[{"index":0,"delta":{"tool_calls":[{"index":1,"function":{"arguments":"{\"at\":"}}]},"finish_reason":null}]}
    data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1711234567,"model":"m\"1","system_fingerprint":"openai@0.1.0","choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}
    data: [DONE]
    "#);
}

#[test]
fn usage_comes_last_and_is_null_until_then() {
    let usage = Usage { input_tokens: 9, cached_input_tokens: 4, output_tokens: 3, reasoning_tokens: 1 };
    let text = rendered(true, |chunks, out| {
        chunks.delta(out, Delta::Text("A".to_owned()));
        chunks.delta(out, Delta::Finish(FinishReason::Stop));
        chunks.usage(out, usage);
    });
    insta::assert_snapshot!(text.replace("\n\n", "\n"), @r#"
    data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1711234567,"model":"m\"1","system_fingerprint":"openai@0.1.0","choices":[{"index":0,"delta":{"content":"A"},"finish_reason":null}],"usage":null}
    data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1711234567,"model":"m\"1","system_fingerprint":"openai@0.1.0","choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":null}
    data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1711234567,"model":"m\"1","system_fingerprint":"openai@0.1.0","choices":[],"usage":{"prompt_tokens":9,"completion_tokens":3,"total_tokens":12,"prompt_tokens_details":{"cached_tokens":4},"completion_tokens_details":{"reasoning_tokens":1}}}
    "#);
}

#[test]
fn a_failure_is_an_event_and_no_done() {
    let error = ApiError::from(Failure::new(FailureKind::Reset, "peer 10.0.0.1 closed"));
    let text = rendered(false, |_, out| failed(out, &error));
    insta::assert_snapshot!(text, @r#"data: {"error":{"type":"upstream_connection_lost","message":"The connection to the model's provider was lost before its answer was complete.","code":null,"param":null}}"#);
    assert!(text.ends_with("\n\n"));
}

/// What a client makes of the bytes, in whatever pieces they come.
#[derive(Default)]
struct Reader {
    buffer: Vec<u8>,
    text: String,
    ended: bool,
}

impl Reader {
    fn read(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
        while let Some(end) = self.buffer.windows(2).position(|pair| pair == b"\n\n") {
            let event: Vec<u8> = self.buffer.drain(..end + 2).collect();
            let event = std::str::from_utf8(&event).unwrap().trim_end();
            assert!(!event.contains(['\n', '\r']), "one line an event");
            let data = event.strip_prefix("data: ").unwrap();
            if data == "[DONE]" {
                self.ended = true;
                continue;
            }
            let chunk: Value = serde_json::from_str(data).unwrap();
            self.text.push_str(chunk["choices"][0]["delta"]["content"].as_str().unwrap_or_default());
        }
    }
}

proptest! {
    #[test]
    fn any_text_in_any_pieces_comes_back(texts in proptest::collection::vec(any::<String>(), 0..12), cut in 1_usize..64) {
        let mut out = BytesMut::new();
        let chunks = Chunks::new(IDENTITY, false);
        chunks.role(&mut out);
        for text in &texts {
            chunks.delta(&mut out, Delta::Text(text.clone()));
        }
        chunks.delta(&mut out, Delta::Finish(FinishReason::Stop));
        done(&mut out);
        let mut reader = Reader::default();
        for piece in out.chunks(cut) {
            reader.read(piece);
        }
        prop_assert_eq!(reader.text, texts.concat());
        prop_assert!(reader.ended && reader.buffer.is_empty());
    }
}
