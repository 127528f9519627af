use std::time::Duration;

use axum::response::IntoResponse;
use hardpoint_domain::failure::{Failure, FailureKind};

use super::*;

fn body(error: &ApiError, shape: Shape) -> String {
    String::from_utf8(error.body(shape)).unwrap()
}

#[test]
fn the_shape_is_a_matter_of_the_path() {
    let table = [
        ("/api/v1/chat/completions", Shape::OpenAi),
        ("/v1/chat/completions", Shape::OpenAi),
        ("/chat/completions", Shape::OpenAi),
        ("/api/v1/models", Shape::OpenAi),
        ("/api/v1/models/a/b", Shape::OpenAi),
        ("/api/v1/modelsx", Shape::Standard),
        ("/v1/embeddings", Shape::OpenAi),
        ("/api/v1/chat", Shape::Flat),
        ("/api/v1/chat/conversations/1", Shape::Flat),
        ("/api/v1/chats", Shape::Standard),
        ("/v1/search", Shape::Flat),
        ("/v1/documents/upload", Shape::Flat),
        ("/v1/documents", Shape::Standard),
        ("/v1/analytics/usage", Shape::Flat),
        ("/api/v1/plugins", Shape::Standard),
        ("/", Shape::Standard),
    ];
    for (path, shape) in table {
        assert_eq!(Shape::of(path), shape, "{path}");
    }
}

#[test]
fn the_documented_bodies() {
    let missing = ApiError::bad_field("model", "required", "The 'model' field is required.");
    insta::assert_snapshot!(body(&missing, Shape::Standard), @r#"{"error":{"type":"validation_error","message":"The 'model' field is required.","details":{"constraint":"required","field":"model"}}}"#);
    insta::assert_snapshot!(body(&missing, Shape::OpenAi), @r#"{"error":{"type":"validation_error","message":"The 'model' field is required.","details":{"constraint":"required","field":"model"},"code":null,"param":"model"}}"#);
    insta::assert_snapshot!(body(&missing, Shape::Flat), @r#"{"error":"validation_error","message":"The 'model' field is required."}"#);
    let limited = ApiError::rate_limited(23);
    insta::assert_snapshot!(body(&limited, Shape::Standard), @r#"{"error":{"type":"rate_limit_exceeded","message":"Rate limit exceeded. Retry after 23 seconds.","retry_after":23}}"#);
    let unpaid = ApiError::payment_required("insufficient_balance", "There is not enough credit.")
        .with_member("balance", 3);
    for shape in [Shape::Standard, Shape::OpenAi, Shape::Flat] {
        assert_eq!(
            body(&unpaid, shape),
            r#"{"error":"insufficient_balance","message":"There is not enough credit.","balance":3}"#
        );
    }
    assert!(
        body(&ApiError::unauthenticated(), Shape::Flat)
            .starts_with(r#"{"error":"invalid_api_key","message":"#)
    );
    insta::assert_snapshot!(body(&ApiError::unauthenticated(), Shape::OpenAi), @r#"{"error":{"type":"authentication_error","message":"A valid API key is required: send `Authorization: Bearer <key>` or `X-API-Key: <key>`.","code":"invalid_api_key","param":null}}"#);
}

#[test]
fn what_is_rendered_carries_headers_and_itself() {
    let response = ApiError::rate_limited(0).into_response();
    assert_eq!(response.status(), 429);
    assert_eq!(response.headers()["retry-after"], "1");
    assert_eq!(response.headers()["content-type"], "application/json");
    assert_eq!(response.extensions().get::<ApiError>().unwrap().kind(), "rate_limit_exceeded");
    assert_eq!(ApiError::unauthenticated().into_response().headers()["www-authenticate"], "Bearer");
}

#[test]
fn a_500_says_nothing_of_its_cause() {
    let error = ApiError::internal("password `hunter2` refused by db-7");
    assert_eq!(error.cause(), Some("password `hunter2` refused by db-7"));
    for shape in [Shape::Standard, Shape::OpenAi, Shape::Flat] {
        assert!(!body(&error, shape).contains("hunter2"));
    }
}

#[test]
fn failures_of_providers_by_kind() {
    use FailureKind::*;
    let table = [
        (InvalidRequest, 400, "invalid_request", None, true),
        (ContentFiltered, 400, "content_filtered", None, true),
        (Unsupported, 422, "unsupported", None, true),
        (Authentication, 502, "upstream_authentication_failed", None, false),
        (RateLimited, 429, "upstream_rate_limited", Some("1"), false),
        (Overloaded, 503, "upstream_overloaded", Some("5"), false),
        (Upstream, 502, "upstream_error", None, false),
        (Protocol, 502, "upstream_protocol_error", None, false),
        (Connect, 502, "upstream_unreachable", None, false),
        (Reset, 502, "upstream_connection_lost", None, false),
        (Timeout, 504, "upstream_timeout", None, false),
        (Denied, 503, "model_unavailable", None, false),
        (Plugin, 502, "plugin_failed", None, false),
        (Busy, 503, "overloaded", Some("1"), false),
        (Paused, 503, "plugin_paused", Some("1"), false),
    ];
    for (kind, status, name, retry_after, told) in table {
        let error = ApiError::from(Failure::new(kind, "org-secret at 10.0.0.7"));
        assert_eq!((error.status().as_u16(), error.kind()), (status, name), "{kind:?}");
        assert_eq!(error.message().contains("org-secret"), told, "{kind:?}");
        assert_eq!(error.cause().is_some(), !told, "{kind:?}");
        let response = error.into_response();
        assert_eq!(
            response.headers().get("retry-after").map(|value| value.to_str().unwrap()),
            retry_after,
            "{kind:?}"
        );
    }
}

#[test]
fn what_a_failure_knows_is_passed_on() {
    let mut failure = Failure::new(FailureKind::InvalidRequest, "max_tokens is too large");
    (failure.status, failure.param) = (Some(422), Some("max_tokens".to_owned()));
    failure.code = Some("invalid_value".to_owned());
    let error = ApiError::from(failure);
    assert_eq!(error.status(), 422);
    insta::assert_snapshot!(body(&error, Shape::OpenAi), @r#"{"error":{"type":"invalid_request","message":"max_tokens is too large","code":"invalid_value","param":"max_tokens"}}"#);

    let mut busy = Failure::new(FailureKind::RateLimited, "slow down");
    busy.retry_after = Some(Duration::from_millis(2_100));
    insta::assert_snapshot!(body(&ApiError::from(busy), Shape::Standard), @r#"{"error":{"type":"upstream_rate_limited","message":"The model's provider takes no more requests at the moment. Retry later.","retry_after":3}}"#);

    let mut paused =
        Failure::new(FailureKind::Paused, "binding b is paused after repeated faults of plugin p");
    paused.retry_after = Some(Duration::from_millis(4_200));
    insta::assert_snapshot!(body(&ApiError::from(paused), Shape::Standard), @r#"{"error":{"type":"plugin_paused","message":"The plugin that serves this failed several times in a row for your organisation, so it is not asked for a while. Retry after 5 seconds.","retry_after":5}}"#);

    let filtered = ApiError::from(Failure::new(FailureKind::ContentFiltered, "refused by policy"));
    insta::assert_snapshot!(body(&filtered, Shape::OpenAi), @r#"{"error":{"type":"content_filtered","message":"refused by policy","code":"content_filter","param":null}}"#);

    let mut trapped = Failure::new(FailureKind::Plugin, "plugin openai was stopped: it trapped: unreachable");
    trapped.code = Some("plugin_trap".to_owned());
    insta::assert_snapshot!(body(&ApiError::from(trapped), Shape::OpenAi), @r#"{"error":{"type":"plugin_failed","message":"The plugin that serves this was stopped or broke its interface's rules.","details":{"cause":"trap"},"code":"plugin_trap","param":null}}"#);
}

#[test]
fn what_a_client_sent_is_repeated_within_bounds() {
    let long = "é".repeat(5_000);
    let error = ApiError::not_found(format_args!("chat `{long}`"));
    assert_eq!(error.message().chars().count(), 1_000);
    assert!(error.message().starts_with("There is no chat `é") && error.message().ends_with("é`."));
    assert_eq!(shortened("short", 5), "short");
    assert_eq!(shortened("0123456789abc", 12), "01234 … 9abc");
}
