use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

fn set(values: &[&str]) -> SecretSet {
    let audience = Origin::parse("https://api.test").unwrap();
    let named = values
        .iter()
        .enumerate()
        .map(|(at, value)| (format!("s{at}"), Secret::new(*value, audience.clone())));
    SecretSet::new(named.collect::<BTreeMap<_, _>>())
}

#[test]
fn a_secret_is_never_shown() {
    let secrets = set(&["p4ss\"wörd/+"]);
    let shown = format!("{secrets:?} {:?} {}", secrets.by_name()["s0"], secrets.by_name()["s0"]);
    // The finders of the redactor hold the value; only the summary may be printed.
    assert!(!shown.contains("p4ss"), "{shown}");
    assert!(shown.contains("https://api.test"));
}

#[test]
fn secrets_are_found_in_every_encoding() {
    let secrets = set(&["p4ss\"wörd/+"]);
    let secret = &secrets.by_name()["s0"];
    for encoding in [SecretEncoding::Raw, SecretEncoding::Json, SecretEncoding::Base64, SecretEncoding::Url] {
        let text = format!("a {} b", std::str::from_utf8(secret.encoded(encoding)).unwrap());
        let redacted = secrets.redact_text(&text);
        assert!(redacted.starts_with("a [redacted]"), "{encoding:?}: {redacted}");
    }
    for user in ["", "u", "us", "use", "user"] {
        let basic = STANDARD.encode(format!("{user}:p4ss\"wörd/+:tail"));
        assert!(secrets.redact_text(&basic).contains("[redacted]"), "{user}");
    }
    assert_eq!(secrets.redact_text("nothing here"), "nothing here");
    assert_eq!(secrets.redact_bytes(b"\xff p4ss\"w\xc3\xb6rd/+ \xff".to_vec()), b"\xff [redacted] \xff");
    assert_eq!(set(&["short"]).redact_text("short"), "short");
    assert!(set(&[]).stream_redactor().is_none());
}

/// Whoever a secret is sent to chooses the answer. Once for each secret in it through all of it would take
/// longer than anybody waits for this test.
#[test]
fn an_answer_made_of_secrets_is_read_once() {
    let secrets = set(&["a-secret-of-22-bytes-x"]);
    let answer = b"a-secret-of-22-bytes-x".repeat(100_000);
    assert_eq!(secrets.redact_bytes(answer.clone()).len(), 100_000 * "[redacted]".len());
    let mut stream = secrets.stream_redactor().unwrap();
    let mut out: Vec<u8> = answer.chunks(64 << 10).flat_map(|piece| stream.push(piece)).collect();
    out.extend(stream.finish());
    assert_eq!(out, b"[redacted]".repeat(100_000));
}

#[test]
fn secrets_of_one_call_join_those_of_the_binding() {
    let audience = Origin::parse("https://other.test").unwrap();
    let all = set(&["configured"]).with([("s0".to_owned(), Secret::new("from-request", audience.clone()))]);
    assert_eq!(all.by_name()["s0"].audience(), &audience);
    assert_eq!(all.redact_text("configured from-request"), "[redacted] [redacted]");
}

#[test]
fn a_stream_waits_only_where_a_secret_may_begin() {
    let secrets = set(&["secret-value"]);
    let mut stream = secrets.stream_redactor().unwrap();
    assert_eq!(stream.push(b"data: 1\n\n"), b"data: 1\n\n");
    assert_eq!(stream.push(b"data: secret-"), b"data: ");
    assert_eq!(stream.push(b"agent\n\n"), b"secret-agent\n\n");
    assert_eq!(stream.push(b"x secret-v"), b"x ");
    assert_eq!(stream.push(b"alue y sec"), b"[redacted] y ");
    assert_eq!(stream.finish(), b"sec");
}

proptest! {
    #[test]
    fn pieces_make_no_difference(
        parts in proptest::collection::vec(prop_oneof![
            Just("secret-value"), Just("secret-value-longer"), Just("secret-"), Just("c2VjcmV0"), Just("x"), Just("value"),
        ], 0..8),
        cuts in proptest::collection::vec(0_usize..100, 0..8),
    ) {
        let secrets = set(&["secret-value", "secret-value-longer", "value-"]);
        let whole = parts.concat();
        let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.min(whole.len())).chain([0, whole.len()]).collect();
        cuts.sort_unstable();
        let mut stream = secrets.stream_redactor().unwrap();
        let mut out: Vec<u8> = cuts.windows(2).flat_map(|cut| stream.push(&whole.as_bytes()[cut[0]..cut[1]])).collect();
        out.extend(stream.finish());
        prop_assert_eq!(String::from_utf8(out).unwrap(), secrets.redact_text(&whole).into_owned());
    }
}
