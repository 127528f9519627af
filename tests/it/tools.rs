//! The shipped tools, called as clients call them: `POST /tools/{name}/call`.

use hardpoint_tests::client::Answer;
use hardpoint_tests::double::plain::Plain;
use hardpoint_tests::double::script::Script;
use hardpoint_tests::host::{Host, Options};
use serde_json::{Value, json};

use crate::operator::call;

async fn query(host: &Host, filter: &str, input: Value) -> Answer {
    call(&host.client(), "json-query", json!({"filter": filter, "input": input})).await
}

#[tokio::test(flavor = "multi_thread")]
async fn json_is_queried() {
    let host = Host::start(Options::new().shipped("json-query")).await;
    let listed = host.client().get("/api/v1/tools").await.expect(200).to_string();
    assert!(listed.contains("json-query") && listed.contains("filter"), "{listed}");
    let rows: Vec<Value> = (0..1_000)
        .map(|number| json!({"id": number, "team": format!("t{}", number % 7), "spent": number}))
        .collect();
    let filter = "group_by(.team) | map({team: .[0].team, spent: map(.spent) | add}) | max_by(.spent).team";
    assert_eq!(query(&host, filter, json!(rows)).await.expect(200)["result"], json!(["t5"]));
    let dates = "map(select(test(\"^\\\\d{4}-\")) | fromdate | todate)";
    let input = json!(["2100-01-01T01:00:00+01:00", "x"]);
    assert_eq!(query(&host, dates, input).await.expect(200)["result"], json!([["2100-01-01T00:00:00Z"]]));
    // Beyond 32 bits, which is all that the sandbox counts in.
    let sum = query(&host, "add, (.[0] * 1000 | floor), (.[0] | . - 1)", json!([4_294_967_296_u64, 1])).await;
    let expected = json!([4_294_967_297_u64, 4_294_967_296_000_u64, 4_294_967_295_u64]);
    assert_eq!(sum.expect(200)["result"], expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_that_does_not_end_is_ended() {
    let host = Host::start(Options::new().shipped("json-query")).await;
    for (filter, says) in [
        (".[", "closing bracket expected"),
        ("lenght", "did you mean `length`?"),
        (".a", "cannot index"),
        ("repeat(1)", "more than 10000 outputs"),
        ("[range(100000)]", "larger than 200000 bytes"),
    ] {
        let answer = query(&host, filter, json!([1])).await;
        assert_eq!(answer.status, 422, "{filter}: {}", answer.text());
        assert!(answer.text().contains(says), "{filter}: {}", answer.text());
    }
    // By the limits of the sandbox; the next call is served.
    for filter in [
        "last(range(1e12))",
        "[range(1e12)] | length",
        "def f: 1 + f; f",
        "[limit(1e9; repeat(\"x\" * 1000))]",
    ] {
        let answer = query(&host, filter, json!(null)).await;
        assert!(answer.status >= 500, "{filter}: {} {}", answer.status, answer.text());
        assert_eq!(query(&host, ". + 1", json!(1)).await.expect(200)["result"], json!([2]), "after {filter}");
    }
}

/// What is as long and as deep as may be is answered, one way or the other, without a fault of the sandbox.
#[tokio::test(flavor = "multi_thread")]
async fn the_deepest_filters_fit_the_stack() {
    let host = Host::start(Options::new().shipped("json-query")).await;
    let deep: Value = (0..90).fold(json!(1), |inner, _| json!([inner]));
    assert_eq!(query(&host, "[..] | length", deep.clone()).await.expect(200)["result"], json!([91]));
    assert_eq!(query(&host, "., .", deep.clone()).await.expect(200)["result"], json!([deep, deep]));
    for filter in [
        "if ".repeat(500),
        "-".repeat(500) + "1",
        "try ".repeat(500) + "1",
        ".|".repeat(249) + ".",
        "(".repeat(100) + "1" + &")".repeat(100),
        "1,".repeat(500) + "1",
        ".a".repeat(500),
        "1//".repeat(250) + "1",
        "1 and ".repeat(500) + "1",
        "1+".repeat(500) + "1",
        "def f: ".repeat(250) + "1" + &"; f".repeat(250),
    ] {
        let answer = query(&host, &filter, json!(null)).await;
        assert!(matches!(answer.status, 200 | 422), "{filter}: {} {}", answer.status, answer.text());
    }
}

/// A host whose `fetch-page` may fetch what is below `/docs` of the double.
async fn with_pages(site: &Plain) -> Host {
    let (origin, address) = (site.server().origin(), site.server().address());
    let config = format!(
        r#"
[egress]
allow_internal = ["{address}"]

[bindings.manual]
plugin = "fetch-page"
settings = {{ site = "{origin}/docs", about = "The manual.", max_chars = 1000 }}

[bindings.manual.grant]
http = ["GET {origin}/docs"]
"#
    );
    Host::start(Options::new().shipped("fetch-page").config(&config)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_are_fetched_and_read() {
    let site = Plain::start().await.expect("a double");
    let host = with_pages(&site).await;
    let origin = site.server().origin();
    let fetch = |path: &str, offset: usize| {
        let arguments = json!({"url": format!("{origin}{path}"), "offset": offset});
        let client = host.client();
        async move { call(&client, "manual", arguments).await }
    };
    let html = "<title>Install</title><h1>Install</h1><p>See <a href='next'>next</a>.<script>x()</script>";
    site.on("/docs/install", Script::new().header("content-type", "text/html").cut(html, 7));
    let page = fetch("/docs/install#top", 0).await.expect(200)["result"].clone();
    assert_eq!((&page["title"], &page["url"]), (&json!("Install"), &json!(format!("{origin}/docs/install"))));
    assert_eq!(page["text"], format!("# Install\n\nSee [next]({origin}/docs/next)."));

    let latin = Script::new().header("content-type", "text/plain; charset=iso-8859-1").bytes(&b"caf\xe9"[..]);
    site.on("/docs/latin", latin);
    assert_eq!(fetch("/docs/latin", 0).await.expect(200)["result"]["text"], "caf\u{e9}");

    // Nobody follows a redirect, neither inside nor outside of what is allowed.
    for (location, word) in [("/docs/install", "call again"), ("/private", "cannot be fetched")] {
        site.on("/docs/old", Script::new().status(301).header("location", location));
        let before = site.seen().len();
        let answer = fetch("/docs/old", 0).await.expect(200)["result"].clone();
        assert_eq!(answer["redirect"], format!("{origin}{location}"));
        assert!(answer["note"].as_str().is_some_and(|note| note.contains(word)), "{answer}");
        assert_eq!(site.seen().len() - before, 1);
    }
    // A long page, in pieces, and one at the limit of what is read: both within the sandbox's time.
    let row = "<tr><td>a &amp; b<td><a href=x>link</a></tr>";
    let huge = format!("<table>{}", row.repeat((4 << 20) / row.len()));
    site.on("/docs/huge", Script::new().header("content-type", "text/html").bytes(huge));
    let first = fetch("/docs/huge", 0).await.expect(200)["result"].clone();
    let next = first["next_offset"].as_u64().expect("more") as usize;
    assert!(next <= 1_000 && first["total_chars"].as_u64() > Some(1_000_000), "{next}");
    let second = fetch("/docs/huge", next).await.expect(200)["result"].clone();
    assert!(second["text"].as_str().is_some_and(|text| text.starts_with("a & b | [link]")), "{second}");

    site.on("/docs/image", Script::new().header("content-type", "image/png").bytes("123"));
    for (path, status, says) in [
        ("/docs/missing", 502, "there is no such page"),
        ("/docs/image", 502, "image/png"),
        ("/private", 422, "can be fetched"),
        ("/docs/../private", 422, "can be fetched"),
        ("/docsy", 422, "can be fetched"),
    ] {
        let answer = fetch(path, 0).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.text());
        assert!(answer.text().contains(says), "{path}: {}", answer.text());
    }
    // What the plugin would let through by its own reading, the host refuses by its.
    let answer = fetch("/docs/%2e%2e/private", 0).await;
    assert_ne!(answer.status, 200, "{}", answer.text());
    assert!(site.seen().iter().all(|seen| seen.target.starts_with("/docs/")));
}
