//! Exports to Elasticsearch.

use hardpoint_tests::double::elastic::{BASIC, Elastic, FOREIGN_STREAM, KEY, error};
use hardpoint_tests::double::script::Script;
use hardpoint_tests::host::Host;
use serde_json::{Value, json};

use crate::exporters::{events, once_each};
use crate::siem::{export, exporting, without_configuration};

const STREAM: &str = "logs-hardpoint.audit-default";

async fn with_elastic(elastic: &Elastic) -> Host {
    exporting("elastic", &elastic.origin(), "", "", ("api_key", KEY)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn elastic_gets_each_event_once_within_its_limits() {
    let elastic = Elastic::start().await.expect("a double");
    let host = with_elastic(&elastic).await;
    let body = json!({"events": events(1_000, 8_000), "service": "sekuire.audit", "tags": ["env:prod"]});
    let answer = host.client().post(&export("elastic"), &body).await.expect(200);
    assert_eq!((&answer["matched"], &answer["delivered"]), (&json!(1_000), &json!(1_000)), "{answer}");
    assert_eq!((elastic.counts(), elastic.refusals()), (once_each(1_000), Vec::new()));
    assert!((2..6).contains(&elastic.requests()), "{}", elastic.requests());
    let document = &elastic.documents(STREAM)["evt_00007"];
    assert_eq!(
        (&document["service"]["name"], &document["tags"]),
        (&json!("sekuire.audit"), &json!(["env:prod"]))
    );
    let original: Value =
        serde_json::from_str(document["event"]["original"].as_str().expect("a text")).expect("JSON");
    assert_eq!(original, events(8, 8_000)[7]);

    // Exported once more, all of it is there already.
    let answer = host.client().post(&export("elastic"), &body).await.expect(200);
    assert_eq!((&answer["delivered"], elastic.conflicts()), (&json!(1_000), 1_000), "{answer}");
    assert_eq!(elastic.counts(), once_each(1_000));
}

#[tokio::test(flavor = "multi_thread")]
async fn elastic_has_an_event_once_though_the_answer_was_lost() {
    let elastic = Elastic::start().await.expect("a double");
    let host = with_elastic(&elastic).await;
    elastic.lose_next_answer();
    let answer = host.client().post(&export("elastic"), &json!({"events": events(10, 10)})).await.expect(200);
    assert_eq!((&answer["delivered"], &answer["rejected"]), (&json!(10), &json!([])), "{answer}");
    assert_eq!((elastic.counts(), elastic.conflicts()), (once_each(10), 10));
}

#[tokio::test(flavor = "multi_thread")]
async fn elastic_is_asked_again_for_what_it_does_not_have() {
    let elastic = Elastic::start().await.expect("a double");
    let host = with_elastic(&elastic).await;
    let busy = error(429, "es_rejected_execution_exception", "rejected execution").header("retry-after", "1");
    elastic.next([busy, Script::new().status(413)]);
    elastic.next_item("evt_00003", 429, "es_rejected_execution_exception", "rejected execution");
    elastic.next_item("evt_00007", 400, "document_parsing_exception", "failed to parse field [a.b]");
    let answer = host.client().post(&export("elastic"), &json!({"events": events(10, 10)})).await.expect(200);
    assert_eq!(answer["delivered"], 9, "{answer}");
    let rejected = &answer["rejected"];
    assert_eq!((rejected.as_array().map(Vec::len), &rejected[0]["id"]), (Some(1), &json!("evt_00007")));
    let reason = rejected[0]["reason"].as_str().expect("a text");
    assert!(reason.contains("document_parsing_exception: failed to parse field [a.b]"), "{reason}");
    // Refused, too large, two halves, and one document once more.
    assert_eq!((elastic.requests(), elastic.conflicts()), (5, 0));
    let mut expected = once_each(10);
    expected.remove("evt_00007");
    assert_eq!(elastic.counts(), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn elastic_refuses_what_an_operator_must_mend() {
    let elastic = Elastic::start().await.expect("a double");
    let host = with_elastic(&elastic).await;
    for (options, reason) in [
        (json!({"data_stream": FOREIGN_STREAM}), "may these credentials write to the data stream?"),
        (json!({"data_stream": "metrics-a-b"}), "is there such a data stream"),
        (json!({"api_key": "another-key-of-the-caller"}), "are the credentials right"),
        // Without the secret there is no header at all.
        (json!({"auth": "basic"}), "are the credentials right"),
    ] {
        let mut body = options.clone();
        body["events"] = json!(events(2, 1));
        let answer = host.client().post(&export("elastic"), &body).await.expect(200);
        assert_eq!((&answer["delivered"], answer["rejected"].as_array().map(Vec::len)), (&json!(0), Some(2)));
        assert!(
            answer["rejected"][1]["reason"].as_str().is_some_and(|said| said.contains(reason)),
            "{answer}"
        );
    }
    assert!(elastic.counts().is_empty());
    let basic = json!({"events": events(2, 1), "auth": "basic", "basic_auth": BASIC});
    assert_eq!(host.client().post(&export("elastic"), &basic).await.expect(200)["delivered"], 2);
    for wrong in
        [json!({"data_stream": "../_all"}), json!({"data_stream": "a/b"}), json!({"pipeline": "a&b"})]
    {
        let mut body = wrong;
        body["events"] = json!(events(1, 1));
        assert_eq!(host.client().post(&export("elastic"), &body).await.status, 400, "{body}");
    }
    let elsewhere = json!({"events": events(1, 1), "intake_url": "https://es.example.com"});
    assert_eq!(host.client().post(&export("elastic"), &elsewhere).await.status, 422);
    for secret in [KEY, "another-key-of-the-caller", "correct horse battery"] {
        assert!(!host.log().contains(secret));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn elastic_takes_the_audit_log_itself() {
    let elastic = Elastic::start().await.expect("a double");
    let host = with_elastic(&elastic).await;
    let answer = host.client().post(&export("elastic"), &json!({"limit": 1_000})).await.expect(200);
    let matched = answer["matched"].as_u64().expect("a number");
    assert!(matched > 0 && answer["delivered"] == matched, "{answer}");
    let documents = elastic.documents(STREAM);
    assert_eq!(documents.len() as u64, matched);
    for (id, document) in &documents {
        assert_eq!(
            (&document["event"]["id"], &document["event"]["outcome"]),
            (&json!(id), &json!("success"))
        );
        assert!(document["@timestamp"].as_str().is_some_and(|time| time.starts_with("20")), "{document}");
        assert!(document["event"]["category"].is_array(), "{document}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn elastic_needs_no_configuration() {
    let elastic = Elastic::start().await.expect("a double");
    without_configuration("elastic", &elastic.origin(), "api_key").await;
    assert_eq!(elastic.requests(), 0);
}
