use hardpoint_sdk::failure::TransportFailureKind;
use hardpoint_sdk::model::{
    CompletionEffect, CompletionRequest, EmbeddingRequest, FinishReason, Message, ModelAdapter, NoEmbeddings,
    Role, ToolCallPiece, Usage,
};
use hardpoint_sdk::request::BodyBytes;
use hardpoint_sdk::serde::Deserialize;
use hardpoint_sdk::serde_json::json;
use hardpoint_sdk::testing::{Answer, End, completion, embedding};
use hardpoint_sdk::{Effects, Failure, FailureKind, Machine, Request, parts, secret};

/// Does what each byte of the answer says.
pub(crate) enum Scripted {}

#[derive(Deserialize)]
#[serde(crate = "hardpoint_sdk::serde")]
pub(crate) struct Settings {
    url: String,
}

pub(crate) struct Step(Settings);

impl ModelAdapter for Scripted {
    type Settings = Settings;
    type Completion = Step;
    type Embedding = NoEmbeddings;

    fn complete(_: CompletionRequest, settings: Settings) -> Result<Step, Failure> {
        Ok(Step(settings))
    }
}

impl Machine for Step {
    type Effect = CompletionEffect;

    fn started(&mut self, out: &mut Effects<CompletionEffect>) -> Result<(), Failure> {
        let request = Request::post(&self.0.url)
            .header("Authorization", parts!["Bearer ", secret("key")])
            .header("x-basic", secret("pair").base64());
        out.send(request.body(parts!["{\"key\":\"", secret("key").json(), "\"}"]).gzip());
        Ok(())
    }

    fn body(&mut self, body: BodyBytes, out: &mut Effects<CompletionEffect>) -> Result<(), Failure> {
        for byte in body.bytes {
            match byte {
                b'!' => return Err(Failure::upstream("asked to fail").with_code("bang")),
                b'.' => out.finish(FinishReason::Stop),
                b'r' => out.reasoning("r"),
                b'u' => out.usage(Usage {
                    input_tokens: 1,
                    cached_input_tokens: 0,
                    output_tokens: 2,
                    reasoning_tokens: 0,
                }),
                b'c' => out.tool_call(ToolCallPiece {
                    index: 0,
                    id: Some("id".into()),
                    name: Some("name".into()),
                    arguments: "{}".into(),
                }),
                other => out.text(char::from(other)),
            }
        }
        Ok(())
    }
}

fn run(body: &str) -> hardpoint_sdk::testing::Completed {
    let request = CompletionRequest::new("m", vec![Message::new(Role::User, "?")]);
    let settings = json!({ "url": "https://example.com/x" });
    completion::<Scripted>(request, settings).answer(Answer::new(200).chunk(body)).every_way()
}

#[test]
fn what_came_is_put_together() {
    let done = run("rrabucd.");
    assert_eq!((done.text.as_str(), done.reasoning.as_str(), done.tool_calls.len()), ("abd", "rr", 1));
    assert_eq!((done.usage.unwrap().output_tokens, done.result.clone()), (2, Ok(FinishReason::Stop)));
    let sent = &done.sent[0];
    assert_eq!(sent.header("authorization"), Some("Bearer {secret:key}"));
    assert_eq!(sent.header("x-basic"), Some("{secret:pair|base64}"));
    assert_eq!((sent.body.as_str(), sent.gzip), ("{\"key\":\"{secret:key|json}\"}", true));
}

#[test]
fn words_before_a_failure_are_never_lost() {
    let done = run("ab!c");
    assert_eq!((done.text.as_str(), done.tool_calls.len()), ("ab", 0));
    assert_eq!(done.failure().code.as_deref(), Some("bang"));
    assert_eq!(run("!").text, "");
}

#[test]
fn a_broken_connection_fails_the_exchange_unless_decided_otherwise() {
    let request = CompletionRequest::new("m", Vec::new());
    let settings = json!({ "url": "https://example.com/x" });
    for (kind, expected) in [
        (TransportFailureKind::Denied, FailureKind::Unsupported),
        (TransportFailureKind::Connect, FailureKind::Upstream),
        (TransportFailureKind::Protocol, FailureKind::Protocol),
    ] {
        let answer = Answer::new(200).chunk("ab").end(End::Broken(kind));
        let done = completion::<Scripted>(request.clone(), settings.clone()).answer(answer).run();
        assert_eq!((done.text.as_str(), done.failure().kind), ("ab", expected));
    }
}

#[test]
fn embeddings_are_refused_where_there_are_none() {
    let request = EmbeddingRequest {
        upstream_model: "m".into(),
        inputs: vec!["x".into()],
        dimensions: None,
        user: None,
        extra: None,
    };
    let done = embedding::<Scripted>(request, json!({ "url": "https://example.com" })).run();
    assert_eq!(done.result.unwrap_err().kind, FailureKind::Unsupported);
}

#[test]
fn settings_that_do_not_fit_are_a_failure_with_the_reason() {
    let done = completion::<Scripted>(CompletionRequest::new("m", Vec::new()), json!({})).run();
    let failure = done.failure();
    assert_eq!(failure.kind, FailureKind::Unsupported);
    assert!(failure.message.contains("missing field `url`"), "{}", failure.message);
}
