use hardpoint_sdk::serde_json::{Value, json};
use hardpoint_sdk::testing::{Answer, completion};
use hardpoint_sdk::{Failure, FailureKind};
use openai::OpenAi;

use super::{question, settings};

fn fail(answer: Answer) -> Failure {
    completion::<OpenAi>(question(true), settings()).answer(answer).every_way().failure().clone()
}

fn of_json(status: u16, body: Value) -> Failure {
    fail(Answer::json(status, &body))
}

#[test]
fn openai_s_own_errors() {
    let error = |message: &str, kind: &str, param: Option<&str>, code: Option<&str>| json!({ "error": { "message": message, "type": kind, "param": param, "code": code } });
    for (status, body, kind, code, param) in [
        (
            400,
            error("Bad", "invalid_request_error", Some("temperature"), None),
            FailureKind::InvalidRequest,
            None,
            Some("temperature"),
        ),
        (
            400,
            error("Long", "invalid_request_error", Some("messages"), Some("context_length_exceeded")),
            FailureKind::InvalidRequest,
            Some("context_length_exceeded"),
            Some("messages"),
        ),
        (
            400,
            error("No", "invalid_request_error", None, Some("content_policy_violation")),
            FailureKind::ContentFiltered,
            Some("content_policy_violation"),
            None,
        ),
        (
            401,
            error("Key", "invalid_request_error", None, Some("invalid_api_key")),
            FailureKind::Authentication,
            Some("invalid_api_key"),
            None,
        ),
        (
            403,
            error("Country", "request_forbidden", None, Some("unsupported_country_region_territory")),
            FailureKind::Authentication,
            Some("unsupported_country_region_territory"),
            None,
        ),
        (
            404,
            error("Model", "invalid_request_error", None, Some("model_not_found")),
            FailureKind::Unsupported,
            Some("model_not_found"),
            None,
        ),
        (
            429,
            error("Slow", "requests", None, Some("rate_limit_exceeded")),
            FailureKind::RateLimited,
            Some("rate_limit_exceeded"),
            None,
        ),
        (
            429,
            error("Pay", "insufficient_quota", None, Some("insufficient_quota")),
            FailureKind::RateLimited,
            Some("insufficient_quota"),
            None,
        ),
        (500, error("Oops", "server_error", None, None), FailureKind::Upstream, Some("server_error"), None),
        (
            503,
            error("Busy", "server_error", None, Some("rate_limit_exceeded")),
            FailureKind::Overloaded,
            Some("rate_limit_exceeded"),
            None,
        ),
    ] {
        let failure = of_json(status, body.clone());
        let seen = (failure.kind, failure.code.as_deref(), failure.param.as_deref(), failure.status);
        assert_eq!(seen, (kind, code, param, Some(status)), "{body}");
        assert_eq!(body["error"]["message"], failure.message);
    }
}

#[test]
fn errors_of_other_servers() {
    for (status, body, kind, message, code) in [
        (
            400,
            json!({ "object": "error", "message": "vllm", "type": "BadRequestError", "param": null, "code": 400 }),
            FailureKind::InvalidRequest,
            "vllm",
            Some("BadRequestError"),
        ),
        (
            400,
            json!([{ "error": { "code": 400, "message": "gemini", "status": "INVALID_ARGUMENT" } }]),
            FailureKind::InvalidRequest,
            "gemini",
            Some("INVALID_ARGUMENT"),
        ),
        (
            429,
            json!({ "object": "error", "message": "mistral", "type": "rate_limited", "code": "1300" }),
            FailureKind::RateLimited,
            "mistral",
            Some("1300"),
        ),
        (
            404,
            json!({ "error": "model \"x\" not found" }),
            FailureKind::Unsupported,
            "model \"x\" not found",
            None,
        ),
        (
            404,
            json!({ "error": "Not Found", "message": "no such page" }),
            FailureKind::Unsupported,
            "no such page",
            None,
        ),
        (404, json!({ "detail": "Not Found" }), FailureKind::Unsupported, "Not Found", None),
        (
            422,
            json!({ "detail": [{ "loc": ["body"], "msg": "missing" }] }),
            FailureKind::InvalidRequest,
            r#"[{"loc":["body"],"msg":"missing"}]"#,
            None,
        ),
        (
            529,
            json!({ "type": "error", "error": { "type": "overloaded_error", "message": "Overloaded" } }),
            FailureKind::Overloaded,
            "Overloaded",
            Some("overloaded_error"),
        ),
        (
            402,
            json!({ "error": { "message": "Insufficient credits", "code": 402 } }),
            FailureKind::Authentication,
            "Insufficient credits",
            None,
        ),
        (
            500,
            json!({ "errors": [{ "code": 5007, "message": "cloudflare" }] }),
            FailureKind::Upstream,
            "cloudflare",
            Some("5007"),
        ),
        (
            400,
            json!({ "error": { "message": "filtered", "code": "content_filter", "innererror": {} } }),
            FailureKind::ContentFiltered,
            "filtered",
            Some("content_filter"),
        ),
    ] {
        let failure = of_json(status, body.clone());
        let seen = (failure.kind, failure.message.as_str(), failure.code.as_deref(), failure.status);
        assert_eq!(seen, (kind, message, code, Some(status)), "{body}");
    }
}

#[test]
fn bodies_that_are_no_json() {
    for (status, body, kind, message) in [
        (
            502,
            "<html><h1>Bad Gateway</h1></html>",
            FailureKind::Upstream,
            "the server answered with status 502",
        ),
        (503, "", FailureKind::Overloaded, "the server answered with status 503"),
        (
            500,
            "Internal Server Error\n",
            FailureKind::Upstream,
            "the server answered with status 500: Internal Server Error",
        ),
        (500, "{\"error\":", FailureKind::Upstream, "the server answered with status 500"),
        (400, "{\"error\":{}}", FailureKind::InvalidRequest, "the server answered with status 400"),
        (302, "", FailureKind::Protocol, "the server answered with status 302"),
    ] {
        let failure = fail(Answer::new(status).chunk(body));
        assert_eq!(
            (failure.kind, failure.message.as_str(), failure.status),
            (kind, message, Some(status)),
            "{body}"
        );
    }
}

#[test]
fn how_long_to_wait() {
    let wait = |name: &str, value: &str| fail(Answer::new(429).header(name, value)).retry_after_ms;
    assert_eq!(wait("Retry-After", "3"), Some(3_000));
    assert_eq!(wait("retry-after-ms", "40"), Some(40));
    assert_eq!(wait("retry-after", "Fri, 31 Dec 1999 23:59:59 GMT"), None);
}

#[test]
fn an_error_of_any_length_is_cut() {
    let long = "\u{e9}".repeat(500_000);
    let failure = completion::<OpenAi>(question(true), settings())
        .answer(Answer::new(400).chunk(&long))
        .run()
        .failure()
        .clone();
    assert!(failure.message.len() < 2_100, "{}", failure.message.len());
    let message = completion::<OpenAi>(question(true), settings())
        .answer(Answer::json(400, &json!({ "error": { "message": "\u{e9}".repeat(5_000) } })))
        .run()
        .failure()
        .clone();
    assert_eq!(message.message.len(), 2_000);
}
