use fetch_page::FetchPage;
use hardpoint_sdk::failure::TransportFailureKind;
use hardpoint_sdk::serde_json::{Value, from_str, json};
use hardpoint_sdk::testing::{Answer, Double, call, describe};
use hardpoint_sdk::tool::ToolError;

use super::{PAGE, SITE, fetched};

fn refused(url: &str) -> String {
    match call::<FetchPage>(json!({ "url": url }), json!({ "site": SITE })) {
        Err(ToolError::InvalidArguments(reason)) => reason,
        other => panic!("{url}: {other:?}"),
    }
}

fn failed(answer: Answer) -> String {
    match fetched(json!({ "url": PAGE }), answer) {
        Err(ToolError::Failed(reason)) => reason,
        other => panic!("{other:?}"),
    }
}

fn plain(text: impl AsRef<[u8]>) -> Answer {
    Answer::new(200).header("content-type", "text/plain").chunk(text)
}

#[test]
fn what_is_asked() {
    let host = Double::new().answer(plain("x"));
    let settings = json!({ "site": SITE, "user_agent": "me/1" });
    call::<FetchPage>(json!({ "url": "HTTPS://Docs.Example.com:443/guide/a b?q=\u{fc}#part" }), settings)
        .unwrap();
    let sent = host.sent().remove(0);
    assert_eq!(
        (sent.method.as_str(), sent.url.as_str()),
        ("GET", "https://docs.example.com/guide/a%20b?q=%C3%BC")
    );
    assert_eq!(sent.header("user-agent"), Some("me/1"));
    assert!(sent.header("accept").is_some_and(|accept| accept.starts_with("text/html")));
    assert!(sent.header("accept-encoding").is_none() && sent.body.is_empty());
}

#[test]
fn other_sites_are_refused_before_anything_is_sent() {
    for url in [
        "https://docs.example.com/",
        "https://docs.example.com/guidebook",
        "https://docs.example.com/guide/../admin",
        "http://docs.example.com/guide/x",
        "https://docs.example.com:8443/guide/x",
        "https://docs.example.com.evil.test/guide/x",
        "https://user@docs.example.com/guide/x",
        "https://evil.test/https://docs.example.com/guide/",
    ] {
        assert!(refused(url).contains("https://docs.example.com/guide"), "{url}");
    }
    for url in
        ["", "docs.example.com/guide", "ftp://docs.example.com/guide", "file:///etc/passwd", "https://"]
    {
        assert!(refused(url).contains("it must be an address with https://"), "{url}");
    }
}

#[test]
fn redirects_are_told() {
    let redirect = |status: u16, location: &str| {
        fetched(json!({ "url": PAGE }), Answer::new(status).header("Location", location))
    };
    for (location, target, word) in [
        ("/guide/new", "https://docs.example.com/guide/new", "call again"),
        ("other?x=1#y", "https://docs.example.com/guide/other?x=1", "call again"),
        ("http://other.example/there", "http://other.example/there", "call again"),
        ("https://evil.test/", "https://evil.test/", "cannot be fetched"),
        ("/elsewhere", "https://docs.example.com/elsewhere", "cannot be fetched"),
    ] {
        for status in [301, 302, 303, 307, 308] {
            let answer = redirect(status, location).unwrap();
            assert_eq!((&answer["redirect"], &answer["status"]), (&json!(target), &json!(status)));
            assert!(answer["note"].as_str().unwrap().contains(word), "{answer}");
        }
    }
    for location in ["", "javascript:x", "#same"] {
        assert!(
            matches!(redirect(302, location), Err(ToolError::Failed(reason)) if reason.contains("nowhere"))
        );
    }
    assert!(failed(Answer::new(302)).contains("redirects to nowhere"));
}

#[test]
fn failures_reach_the_model() {
    for (status, says) in [
        (404, "answered 404: there is no such page"),
        (403, "answered 403: it is not for everybody"),
        (500, "answered 500"),
        (503, "answered 503: try again later"),
        (304, "answered 304"),
    ] {
        let reason = failed(Answer::new(status).chunk("<h1>secret stack trace</h1>"));
        assert!(reason.starts_with(PAGE) && reason.ends_with(says), "{reason}");
    }
    assert_eq!(failed(Answer::failed(TransportFailureKind::Timeout)), "took too long");
    assert_eq!(failed(Answer::failed(TransportFailureKind::Denied)), "not granted");
    assert!(failed(plain("x").header("content-encoding", "br")).contains("compressed (`br`)"));
    for content_type in ["image/png", "application/pdf", "audio/mpeg; x=y", "multipart/mixed"] {
        let reason = failed(Answer::new(200).header("content-type", content_type).chunk("123"));
        assert!(reason.contains("it is no text but") && reason.ends_with("3 bytes"), "{reason}");
    }
    assert!(failed(Answer::new(200).chunk([0_u8, 1, 2])).contains("it is no text"));
}

#[test]
fn what_is_no_html_comes_as_it_is() {
    for (content_type, body) in [
        ("application/json", "{\"a\": [1, 2]}"),
        ("application/problem+json; charset=utf-8", "{ }"),
        ("text/markdown", "# Title\n\n<b>not</b> &amp;"),
        ("TEXT/CSV", "a,b\n1,2"),
        ("application/xml", "<a>x</a>"),
    ] {
        let answer = Answer::new(200).header("content-type", content_type).chunk(body);
        assert_eq!(fetched(json!({ "url": PAGE }), answer).unwrap()["text"], body);
    }
    // Without a type it is what it looks like.
    let text = |body: &str| fetched(json!({ "url": PAGE }), Answer::new(200).chunk(body)).unwrap();
    assert_eq!(text("  <!DOCTYPE HTML><p>x</p>")["text"], "x");
    assert_eq!(text("<p>x</p>")["text"], "<p>x</p>");
    assert_eq!(text("")["text"], "");
}

#[test]
fn long_pages_come_in_pieces() {
    let line = |number: usize| format!("line {number} \u{1F600}\n");
    let whole: String = (0..400).map(line).collect();
    let settings = json!({ "site": SITE, "max_chars": 500 });
    let (mut read, mut offset, mut calls) = (String::new(), 0, 0);
    loop {
        let _host = Double::new().answer(plain(&whole));
        let answer = call::<FetchPage>(json!({ "url": PAGE, "offset": offset }), settings.clone()).unwrap();
        let answer: Value = from_str(&answer).unwrap();
        assert_eq!(answer["total_chars"], whole.chars().count());
        let text = answer["text"].as_str().unwrap();
        assert!(text.chars().count() <= 500 && text.ends_with('\n'), "{text}");
        read += text;
        calls += 1;
        match answer["next_offset"].as_u64() {
            Some(next) => offset = next,
            None => break,
        }
    }
    assert_eq!((read == whole, calls), (true, 9));
    let beyond = fetched(json!({ "url": PAGE, "offset": 3 }), plain("abc"));
    assert_eq!(
        beyond,
        Err(ToolError::InvalidArguments("offset: the page's text has 3 characters".to_owned()))
    );
    // At the very border, nothing is left.
    let exact = |count: usize| {
        let _host = Double::new().answer(plain("x".repeat(count)));
        from_str::<Value>(&call::<FetchPage>(json!({ "url": PAGE }), settings.clone()).unwrap()).unwrap()
    };
    assert!(exact(500).get("next_offset").is_none());
    assert_eq!(exact(501)["next_offset"], 500);
}

#[test]
fn of_huge_pages_the_beginning_is_read() {
    let answer = fetched(json!({ "url": PAGE }), plain("x".repeat((4 << 20) + 10))).unwrap();
    assert_eq!(answer["total_chars"], 4 << 20);
    assert!(answer["note"].as_str().unwrap().contains("the first 4194304 were read"));
    let answer = fetched(json!({ "url": PAGE }), plain("x".repeat(4 << 20))).unwrap();
    assert!(answer.get("note").is_none());
}

#[test]
fn what_a_model_sees() {
    let settings = json!({ "site": SITE, "site_3": "https://c.example", "about": "It is the manual." });
    let definition = describe::<FetchPage>(settings).unwrap();
    for words in ["https://docs.example.com/guide, https://c.example.", "It is the manual.", "`next_offset`"]
    {
        assert!(definition.description.contains(words), "{}", definition.description);
    }
    let schema: Value = from_str(&definition.parameters).unwrap();
    assert_eq!(schema["required"], json!(["url"]));
}
