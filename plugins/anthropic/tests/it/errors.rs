use anthropic::Anthropic;
use hardpoint_sdk::serde_json::{Value, json};
use hardpoint_sdk::testing::{Answer, completion};
use hardpoint_sdk::{Failure, FailureKind};

use super::{question, settings};

fn fail(answer: Answer) -> Failure {
    completion::<Anthropic>(question(true), settings()).answer(answer).every_way().failure().clone()
}

fn error(kind: &str, message: &str) -> Value {
    json!({ "type": "error", "error": { "type": kind, "message": message }, "request_id": "req_011CSHoEeqs5C35K2UUqR7Fy" })
}

#[test]
fn every_error_of_the_documents() {
    for (status, word, kind, code) in [
        (400, "invalid_request_error", FailureKind::InvalidRequest, None),
        (401, "authentication_error", FailureKind::Authentication, Some("authentication_error")),
        (402, "billing_error", FailureKind::Authentication, Some("billing_error")),
        (403, "permission_error", FailureKind::Authentication, Some("permission_error")),
        (404, "not_found_error", FailureKind::Unsupported, Some("not_found_error")),
        (409, "conflict_error", FailureKind::InvalidRequest, Some("conflict_error")),
        (413, "request_too_large", FailureKind::InvalidRequest, Some("request_too_large")),
        (422, "invalid_request_error", FailureKind::InvalidRequest, None),
        (429, "rate_limit_error", FailureKind::RateLimited, Some("rate_limit_error")),
        (500, "api_error", FailureKind::Upstream, Some("api_error")),
        (504, "timeout_error", FailureKind::Upstream, Some("timeout_error")),
        (529, "overloaded_error", FailureKind::Overloaded, Some("overloaded_error")),
        (503, "novel_error", FailureKind::Overloaded, Some("novel_error")),
    ] {
        let failure = fail(Answer::json(status, &error(word, "Sorry.")));
        let seen = (failure.kind, failure.code.as_deref(), failure.status, failure.message.as_str());
        assert_eq!(seen, (kind, code, Some(status), "Sorry."), "{word}");
    }
}

#[test]
fn money_that_ran_out_is_no_fault_of_the_request() {
    for message in [
        "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing.",
        "You have reached your specified API usage limits. You will regain access on 2026-12-01.",
    ] {
        assert_eq!(
            fail(Answer::json(400, &error("invalid_request_error", message))).kind,
            FailureKind::Authentication
        );
    }
}

#[test]
fn the_member_to_blame() {
    for (message, param) in [
        ("messages.0.content.1.image: too large", Some("messages")),
        ("max_tokens: Field required", Some("max_tokens")),
        ("stop_sequences.0: each stop sequence must contain non-whitespace", Some("stop")),
        ("tools.0.input_schema: JSON schema is invalid", Some("tools")),
        ("output_config.format.schema: unsupported", Some("response_format")),
        ("metadata.user_id: too long", Some("user")),
        ("temperature: range: 0..1", Some("temperature")),
        ("novelty: no", None),
        ("prompt is too long", None),
    ] {
        let failure = fail(Answer::json(400, &error("invalid_request_error", message)));
        assert_eq!(failure.param.as_deref(), param, "{message}");
    }
}

#[test]
fn how_long_to_wait_and_which_request_it_was() {
    let limited = Answer::json(429, &error("rate_limit_error", "Slow."));
    let failure = fail(limited.clone().header("Retry-After", "13").header("request-id", "req_9"));
    assert_eq!((failure.retry_after_ms, failure.message.as_str()), (Some(13_000), "Slow. (request req_9)"));
    assert_eq!(fail(limited).retry_after_ms, None, "a spend limit says no time");
    // What the caller can mend is no affair of support's.
    let invalid = Answer::json(400, &error("invalid_request_error", "Bad.")).header("request-id", "req_9");
    assert_eq!(fail(invalid).message, "Bad.");
}

#[test]
fn bodies_that_are_none_of_the_vendor_s() {
    for (status, body, kind, message) in [
        (502, "<html><h1>Bad Gateway</h1></html>", FailureKind::Upstream, "the API answered with status 502"),
        (503, "", FailureKind::Overloaded, "the API answered with status 503"),
        (500, "Oops\n", FailureKind::Upstream, "the API answered with status 500: Oops"),
        (500, "{\"error\":", FailureKind::Upstream, "the API answered with status 500"),
        (400, "{\"error\":{}}", FailureKind::InvalidRequest, "the API answered with status 400"),
        (302, "", FailureKind::Protocol, "the API answered with status 302"),
        (403, "{\"message\":\"gateway\"}", FailureKind::Authentication, "gateway"),
        (401, "{\"error\":\"gateway\"}", FailureKind::Authentication, "gateway"),
    ] {
        let failure = fail(Answer::new(status).chunk(body));
        let seen = (failure.kind, failure.message.as_str(), failure.status);
        assert_eq!(seen, (kind, message, Some(status)), "{body}");
    }
    let half = fail(Answer::new(500).chunk(b"caf\xc3"));
    assert_eq!(half.message, "the API answered with status 500: caf\u{fffd}");
}

#[test]
fn an_error_of_any_length_is_cut() {
    let long = "\u{e9}".repeat(500_000);
    let run =
        |answer| completion::<Anthropic>(question(true), settings()).answer(answer).run().failure().clone();
    assert!(run(Answer::new(400).chunk(&long)).message.len() < 2_100);
    let failure = run(Answer::json(400, &error("invalid_request_error", &"\u{e9}".repeat(5_000))));
    assert_eq!(failure.message.len(), 2_000);
}
