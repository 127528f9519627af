use datadog::Datadog;
use hardpoint_sdk::serde_json::{Value, json};
use hardpoint_sdk::testing::{Answer, Delivered, Double, Sent, delivery};

use super::{batch, event, events};

fn sent(count: usize, settings: Value) -> Sent {
    let done = delivery::<Datadog>(events(count), settings).answer(Answer::json(202, &json!({}))).every_way();
    assert!(done.all_delivered(count), "{done:?}");
    done.sent.into_iter().next().unwrap()
}

#[test]
fn one_post_with_all_logs() {
    let sent = sent(3, json!({}));
    assert_eq!(
        (sent.method.as_str(), sent.url.as_str()),
        ("POST", "https://http-intake.logs.datadoghq.com/api/v2/logs")
    );
    let headers = [
        ("accept", "application/json"),
        ("dd-api-key", "{secret:api_key}"),
        ("content-type", "application/json"),
    ];
    assert_eq!(sent.headers, headers.map(|(name, value)| (name.to_owned(), value.to_owned())));
    assert!(sent.gzip);
    let ids: Vec<Value> = sent.json().as_array().unwrap().iter().map(|log| log["id"].clone()).collect();
    assert_eq!(ids, ["evt_0", "evt_1", "evt_2"]);
}

#[test]
fn the_address_is_the_setting_s() {
    let standard = "https://http-intake.logs.datadoghq.eu/api/v2/logs";
    for (intake_url, url) in [
        (standard, standard),
        ("https://http-intake.logs.datadoghq.eu", standard),
        ("https://http-intake.logs.datadoghq.eu/", standard),
        ("http://127.0.0.1:8080/v1/input", "http://127.0.0.1:8080/v1/input"),
    ] {
        assert_eq!(sent(1, json!({ "intake_url": intake_url })).url, url);
    }
}

#[test]
fn no_events_need_no_request() {
    let done = delivery::<Datadog>(events(0), json!({})).run();
    assert!(done.sent.is_empty() && done.all_delivered(0));
}

#[test]
fn what_exceeds_a_request_is_split_before_it_is_sent() {
    let text = "x".repeat(100_000);
    let tags: Vec<String> = (0..100).map(|number| format!("{number:0>200}")).collect();
    let large =
        |count: usize| batch((0..count).map(|number| event(number, json!({ "text": text }))).collect());
    let run = |count: usize, settings: Value| {
        let script = delivery::<Datadog>(large(count), settings);
        script.answer(Answer::new(202)).run()
    };
    let fits = run(35, json!({ "tags": tags }));
    assert!(fits.all_delivered(35) && fits.sent[0].body.len() < 5_000_000);
    let done = delivery::<Datadog>(large(45), json!({ "tags": tags })).run();
    assert!(done.is_split && done.sent.is_empty() && done.verdicts.is_empty());
}

#[test]
fn a_log_over_1_mb_is_sent_for_datadog_to_cut_and_noted() {
    let double = Double::new();
    let large = batch(vec![event(0, json!({ "text": "x".repeat(1_200_000) })), event(1, super::body(1))]);
    let done = delivery::<Datadog>(large, json!({})).answer(Answer::new(202)).run();
    assert!(done.all_delivered(2));
    let (_, line) = double.log().remove(0);
    assert!(
        line.starts_with("event evt_0 has 1200") && line.ends_with("Datadog cuts it at 1000000"),
        "{line}"
    );
}

#[test]
fn a_log_over_a_whole_request_is_dropped() {
    let large = batch(vec![event(0, json!({ "text": "x".repeat(5_000_000) })), event(1, super::body(1))]);
    let Delivered { verdicts, sent, .. } =
        delivery::<Datadog>(large, json!({})).answer(Answer::new(202)).run();
    assert!(
        format!("{:?}", verdicts[&0]).contains("Datadog takes 5000000 in a request"),
        "{:?}",
        verdicts[&0]
    );
    assert_eq!(sent[0].json().as_array().unwrap().len(), 1);
    assert_eq!(format!("{:?}", verdicts[&1]), "Verdict::Delivered");
}
