use gemini::Gemini;
use hardpoint_sdk::serde_json::{Value, json};
use hardpoint_sdk::testing::{Answer, completion};
use hardpoint_sdk::{Failure, FailureKind};

use super::{question, settings};

fn fail(answer: Answer) -> Failure {
    completion::<Gemini>(question(true), settings()).answer(answer).every_way().failure().clone()
}

fn error(code: u16, status: &str, details: Value) -> Value {
    json!({ "error": { "code": code, "message": "Sorry.", "status": status, "details": details } })
}

fn info(reason: &str) -> Value {
    json!([{ "@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason, "domain": "googleapis.com" }])
}

#[test]
fn every_status() {
    for (code, status, kind, told) in [
        (400, "INVALID_ARGUMENT", FailureKind::InvalidRequest, None),
        (400, "FAILED_PRECONDITION", FailureKind::Authentication, Some("FAILED_PRECONDITION")),
        (400, "OUT_OF_RANGE", FailureKind::InvalidRequest, Some("OUT_OF_RANGE")),
        (401, "UNAUTHENTICATED", FailureKind::Authentication, Some("UNAUTHENTICATED")),
        (403, "PERMISSION_DENIED", FailureKind::Authentication, Some("PERMISSION_DENIED")),
        (404, "NOT_FOUND", FailureKind::Unsupported, Some("NOT_FOUND")),
        (409, "ABORTED", FailureKind::Upstream, Some("ABORTED")),
        (429, "RESOURCE_EXHAUSTED", FailureKind::RateLimited, Some("RESOURCE_EXHAUSTED")),
        (499, "CANCELLED", FailureKind::Upstream, Some("CANCELLED")),
        (500, "INTERNAL", FailureKind::Upstream, Some("INTERNAL")),
        (500, "UNKNOWN", FailureKind::Upstream, Some("UNKNOWN")),
        (501, "UNIMPLEMENTED", FailureKind::Unsupported, Some("UNIMPLEMENTED")),
        (503, "UNAVAILABLE", FailureKind::Overloaded, Some("UNAVAILABLE")),
        (504, "DEADLINE_EXCEEDED", FailureKind::Upstream, Some("DEADLINE_EXCEEDED")),
        (413, "", FailureKind::InvalidRequest, None),
        (503, "NOVEL", FailureKind::Overloaded, Some("NOVEL")),
    ] {
        let failure = fail(Answer::json(code, &error(code, status, json!([]))));
        let seen = (failure.kind, failure.code.as_deref(), failure.status, failure.message.as_str());
        assert_eq!(seen, (kind, told, Some(code), "Sorry."), "{status}");
        // A stream's error comes in a list.
        let listed = fail(Answer::json(code, &json!([error(code, status, json!([]))])));
        assert_eq!(listed, failure);
    }
}

#[test]
fn a_wrong_key_is_no_invalid_argument() {
    let failure = fail(Answer::json(400, &error(400, "INVALID_ARGUMENT", info("API_KEY_INVALID"))));
    assert_eq!(
        (failure.kind, failure.code.as_deref()),
        (FailureKind::Authentication, Some("API_KEY_INVALID"))
    );
    let failure = fail(Answer::json(403, &error(403, "PERMISSION_DENIED", info("SERVICE_DISABLED"))));
    assert_eq!(
        (failure.kind, failure.code.as_deref()),
        (FailureKind::Authentication, Some("SERVICE_DISABLED"))
    );
}

#[test]
fn how_long_to_wait() {
    let wait = |delay: Value| {
        let retry = json!({ "@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay });
        let quota = json!({ "@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [] });
        Answer::json(429, &error(429, "RESOURCE_EXHAUSTED", json!([quota, retry])))
    };
    assert_eq!(fail(wait(json!("34.074824224s"))).retry_after_ms, Some(34_074));
    assert_eq!(fail(wait(json!("7s"))).retry_after_ms, Some(7_000));
    assert_eq!(fail(wait(json!("99999999s"))).retry_after_ms, Some(86_400_000));
    for none in [
        json!("7"),
        json!("-7s"),
        json!("s"),
        json!("1.2.3s"),
        json!(7),
        json!({ "seconds": 7 }),
        json!(null),
    ] {
        assert_eq!(fail(wait(none.clone())).retry_after_ms, None, "{none}");
        assert_eq!(fail(wait(none).header("retry-after", "3")).retry_after_ms, Some(3_000));
    }
    assert_eq!(fail(wait(json!("7s")).header("retry-after", "3")).retry_after_ms, Some(7_000));
}

#[test]
fn the_member_to_blame() {
    for (field, param) in [
        ("contents[0].parts[1].inline_data.data", Some("messages")),
        ("generation_config.temperature", Some("temperature")),
        ("generationConfig.maxOutputTokens", Some("max_tokens")),
        ("generation_config.response_schema.properties[a]", Some("response_format")),
        ("tools[0].function_declarations[0].parameters", Some("tools")),
        ("tool_config.function_calling_config", Some("tool_choice")),
        ("generation_config.stop_sequences", Some("stop")),
        ("generation_config", None),
        ("novel", None),
        ("", None),
    ] {
        let details = json!([{
            "@type": "type.googleapis.com/google.rpc.BadRequest",
            "fieldViolations": [{ "field": field, "description": "Invalid." }],
        }]);
        let failure = fail(Answer::json(400, &error(400, "INVALID_ARGUMENT", details)));
        assert_eq!(failure.param.as_deref(), param, "{field}");
    }
}

#[test]
fn bodies_that_are_none_of_the_vendor_s() {
    for (status, body, kind, message) in [
        (502, "<html><h1>Bad Gateway</h1></html>", FailureKind::Upstream, "the API answered with status 502"),
        (503, "", FailureKind::Overloaded, "the API answered with status 503"),
        (500, "Oops\n", FailureKind::Upstream, "the API answered with status 500: Oops"),
        (500, "{\"error\":", FailureKind::Upstream, "the API answered with status 500"),
        (400, "{\"error\":{}}", FailureKind::InvalidRequest, "the API answered with status 400"),
        (400, "[]", FailureKind::InvalidRequest, "the API answered with status 400"),
        (302, "", FailureKind::Protocol, "the API answered with status 302"),
        (401, "{\"error\":\"gateway\"}", FailureKind::Authentication, "gateway"),
    ] {
        let failure = fail(Answer::new(status).chunk(body));
        let seen = (failure.kind, failure.message.as_str(), failure.status);
        assert_eq!(seen, (kind, message, Some(status)), "{body}");
    }
    assert_eq!(fail(Answer::new(429).header("retry-after", "5")).retry_after_ms, Some(5_000));
}

#[test]
fn an_error_of_any_length_is_cut() {
    let long = "\u{e9}".repeat(500_000);
    let run =
        |answer| completion::<Gemini>(question(true), settings()).answer(answer).run().failure().clone();
    assert!(run(Answer::new(400).chunk(&long)).message.len() < 2_100);
    let body =
        json!({ "error": { "code": 400, "message": "\u{e9}".repeat(5_000), "status": "INVALID_ARGUMENT" } });
    assert_eq!(run(Answer::json(400, &body)).message.len(), 2_000);
}
