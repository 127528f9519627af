use hardpoint_sdk::exporter::{Batch, Verdict};
use hardpoint_sdk::serde_json::{Value, json};
use hardpoint_sdk::testing::{Answer, Delivered, Double};

use super::{all, created, events, failed, items, to_elastic};

fn run(results: &[Value]) -> Delivered {
    to_elastic(events(results.len()), json!({})).answer(items(results)).every_way()
}

#[test]
fn each_document_has_a_verdict_of_its_own() {
    let done = run(&[
        json!({ "status": 201 }),
        failed(
            409,
            "version_conflict_engine_exception",
            "[evt_1]: version conflict, document already exists",
        ),
        failed(429, "es_rejected_execution_exception", "rejected execution of coordinating operation"),
        failed(400, "document_parsing_exception", "[1:9] failed to parse field [source.ip] of type [ip]"),
        failed(503, "unavailable_shards_exception", "primary shard is not active"),
        json!({ "status": 200 }),
    ]);
    let later = Verdict::RetryAfter(5_000);
    let reason = "Elasticsearch answered 400 (document_parsing_exception: [1:9] failed to parse field [source.ip] of type [ip])";
    let verdicts: Vec<Verdict> = done.verdicts.values().cloned().collect();
    let expected = [
        Verdict::Delivered,
        Verdict::Delivered,
        later.clone(),
        Verdict::Drop(reason.to_owned()),
        later,
        Verdict::Delivered,
    ];
    assert_eq!(verdicts, expected);
    assert!(done.parked.is_none() && !done.is_split);
}

#[test]
fn what_does_not_fit_is_dropped_with_its_reason() {
    let cause = json!({
        "status": 400,
        "error": {
            "type": "mapper_parsing_exception", "reason": "failed to parse",
            "caused_by": { "type": "illegal_argument_exception", "reason": "data stream timestamp field [@timestamp] is missing" },
        },
    });
    for (item, said) in [
        (
            cause,
            " (mapper_parsing_exception: failed to parse: data stream timestamp field [@timestamp] is missing)",
        ),
        (
            failed(400, "illegal_argument_exception", "Limit of total fields [1000] has been exceeded"),
            " (illegal_argument_exception: Limit of total fields [1000] has been exceeded)",
        ),
        (json!({ "status": 400, "error": "said plainly" }), " (said plainly)"),
        (json!({ "status": 400 }), ""),
        (json!({ "status": 400, "error": [7] }), ""),
    ] {
        let done = run(&[item]);
        assert!(all(&done, 1, &Verdict::Drop(format!("Elasticsearch answered 400{said}"))), "{done:?}");
    }
    let long = run(&[failed(400, "x", &"é".repeat(2_000))]);
    assert!(format!("{:?}", long.verdicts[&0]).chars().count() < 600);
}

#[test]
fn what_an_operator_must_mend_is_parked_and_the_rest_stands() {
    for (item, advice) in [
        (
            failed(403, "security_exception", "action [indices:data/write/bulk[s]] is unauthorized"),
            "may these credentials write to the data stream?",
        ),
        (
            failed(401, "security_exception", "missing authentication credentials"),
            "may these credentials write",
        ),
        (failed(404, "index_not_found_exception", "no such index [logs-a-b]"), "is there such a data stream"),
        (
            failed(400, "illegal_argument_exception", "pipeline with id [mine] does not exist"),
            "is the pipeline right?",
        ),
    ] {
        let done = run(&[json!({ "status": 201 }), item]);
        assert!(done.parked.as_deref().is_some_and(|reason| reason.contains(advice)), "{done:?}");
        assert_eq!(done.verdicts.into_iter().collect::<Vec<_>>(), [(0, Verdict::Delivered)]);
    }
}

#[test]
fn a_block_that_ends_by_itself_is_waited_for() {
    let flood = "index [a] blocked by: [TOO_MANY_REQUESTS/12/disk usage exceeded flood-stage watermark]";
    for status in [403, 429] {
        let done = run(&[failed(status, "cluster_block_exception", flood)]);
        assert!(all(&done, 1, &Verdict::RetryAfter(5_000)), "{done:?}");
    }
    for (attempt, wait) in [(2, 10_000), (7, 300_000)] {
        let batch = Batch { attempt, ..events(1) };
        let answer = items(&[failed(429, "circuit_breaking_exception", "[parent] Data too large")]);
        let done = to_elastic(batch, json!({})).answer(answer).run();
        assert!(all(&done, 1, &Verdict::RetryAfter(wait)));
    }
}

#[test]
fn what_is_in_the_failure_store_is_there() {
    let double = Double::new();
    let answer = items(&[json!({ "status": 201, "failure_store": "used" }), json!({ "status": 201 })]);
    assert!(to_elastic(events(2), json!({})).answer(answer).run().all_delivered(2));
    let (_, line) = double.log().remove(0);
    assert_eq!(line, "1 documents do not fit the data stream and are in its failure store");
}

#[test]
fn an_answer_that_does_not_tell_of_each_tells_of_none() {
    let ok = json!({ "create": { "status": 201 } });
    for answer in [
        created(1),
        created(3),
        Answer::new(200),
        Answer::new(200).chunk("{\"errors\":false,\"items\":[{\"create\":{\"status\":201}},{\"cre"),
        Answer::json(200, &json!({ "errors": false })),
        Answer::json(200, &json!({ "items": [ok, { "index": { "status": 201 } }] })),
        Answer::json(200, &json!({ "items": [ok, { "create": { "status": "201" } }] })),
        Answer::json(200, &json!({ "items": [ok, { "create": { "status": 70_000 } }] })),
        Answer::json(200, &json!({ "items": [ok, null] })),
        Answer::json(200, &json!([ok, ok])),
        Answer::new(200).chunk([b"{\"items\":[],\"a\":\"".as_slice(), &[0xe2, 0x82], b"\"}"].concat()),
    ] {
        let done = to_elastic(events(2), json!({})).answer(answer.clone()).every_way();
        assert!(all(&done, 2, &Verdict::RetryAfter(5_000)), "{answer:?}: {done:?}");
    }
    let endless = Answer::new(200).chunk("x".repeat(9 << 20));
    assert!(all(&to_elastic(events(2), json!({})).answer(endless).run(), 2, &Verdict::RetryAfter(5_000)));
    // With members that nobody asked for it is understood all the same.
    let more = json!({ "took": 5, "errors": false, "items": [{ "create": { "_index": "x", "status": 201, "error": null } }] });
    assert!(to_elastic(events(1), json!({})).answer(Answer::json(200, &more)).run().all_delivered(1));
}
