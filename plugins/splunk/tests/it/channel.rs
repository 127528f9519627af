use hardpoint_sdk::exporter::Batch;
use hardpoint_sdk::serde_json::json;
use hardpoint_sdk::testing::{Answer, Sent};

use super::{NOW, accepted, acks, batch, event, events, state, success, to_splunk};

fn channel(sent: &Sent) -> &str {
    sent.header("x-splunk-request-channel").unwrap()
}

#[test]
fn a_channel_is_a_guid_of_its_own() {
    let of = |batch: Batch| {
        let done = to_splunk(batch, json!({})).answer(success()).run();
        channel(&done.sent[0]).to_owned()
    };
    let one = of(events(1));
    let shape: String =
        one.chars().map(|digit| if digit.is_ascii_hexdigit() { 'x' } else { digit }).collect();
    assert_eq!(shape, "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx");
    assert_eq!(&one[14..15], "4");
    assert!("89AB".contains(&one[19..20]), "{one}");
    let others = [
        of(Batch { now: NOW + 1, ..events(1) }),
        of(batch(vec![event(5, "{}")])),
        of(batch(vec![event(6, "{}")])),
    ];
    for (place, other) in others.iter().enumerate() {
        assert!(*other != one && !others[..place].contains(other), "{other}");
    }
}

#[test]
fn a_saved_channel_stays_and_a_broken_one_is_replaced() {
    let saved = r#"{"channel":"11111111-2222-4333-8444-555555555555"}"#;
    let done = to_splunk(events(1), json!({})).state(saved).answer(success()).run();
    assert_eq!(channel(&done.sent[0]), "11111111-2222-4333-8444-555555555555");
    assert_eq!(done.saved, None);
    for broken in
        ["", "{", "\u{0}", r#"{"channel":"x\r\ny"}"#, r#"{"channel":7}"#, r#"{"channel":"","open":[]}"#]
    {
        let done = to_splunk(events(1), json!({})).state(broken).answer(success()).run();
        assert_eq!(channel(&done.sent[0]).len(), 36);
        assert!(done.all_delivered(1));
    }
    assert!(to_splunk(events(1), json!({})).state([0xff, 0xfe]).answer(success()).run().all_delivered(1));
}

#[test]
fn cookies_lead_back_to_the_same_indexer() {
    let first = accepted(1)
        .header("Set-Cookie", "AWSALB=abc+/=; Expires=Wed, 21 Oct 2026 07:28:00 GMT; Path=/")
        .header("set-cookie", "AWSALBCORS=def; SameSite=None; Secure");
    let second = acks(&[(1, false)]).header("set-cookie", "AWSALB=ghi; Path=/");
    let script = to_splunk(events(1), json!({})).answer(first).answer(second).answer(acks(&[(1, true)]));
    let done = script.every_way();
    let cookies: Vec<_> = done.sent.iter().map(|sent| sent.header("cookie")).collect();
    assert_eq!(cookies, [None, Some("AWSALB=abc+/=; AWSALBCORS=def"), Some("AWSALBCORS=def; AWSALB=ghi")]);
    assert_eq!(state(done.saved.as_ref())["cookies"], json!(["AWSALBCORS=def", "AWSALB=ghi"]));
    // What is no cookie, or too much of one, is not sent back.
    let mut hostile = accepted(1).header("set-cookie", &format!("a={}", "x".repeat(5_000)));
    for value in ["", "=x", "no cookie", "a b=c", "a=b\u{e9}"] {
        hostile = hostile.header("set-cookie", value);
    }
    let many = (0..20).fold(hostile, |answer, number| answer.header("set-cookie", &format!("c{number}=1")));
    let done = to_splunk(events(1), json!({})).answer(many).answer(acks(&[(1, true)])).run();
    assert_eq!(done.sent[1].header("cookie").unwrap().split("; ").count(), 8);
    let none = to_splunk(events(1), json!({ "acknowledgement": "off" })).answer(Answer::new(200)).run();
    assert_eq!(none.sent[0].header("cookie"), None);
}
