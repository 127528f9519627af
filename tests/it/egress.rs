//! Where plugins may send to, and where not: through the real resolver and real sockets.

use hardpoint_tests::client::Answer;
use hardpoint_tests::double::plain::Plain;
use hardpoint_tests::double::script::Script;
use hardpoint_tests::host::{Host, Options};
use serde_json::{Value, json};

use crate::operator::call;
use crate::ssrf::refusals;

/// A binding of the prober that may send to this origin, as far as its grant goes.
fn binding(name: &str, origin: &str) -> String {
    format!(
        "[bindings.{name}]\nplugin = \"prober\"\nsettings = {{ target = \"{origin}/\" }}\n\n\
         [bindings.{name}.grant]\nhttp = [\"GET,POST {origin}\"]\nkv = true\nscratch = true\n\n"
    )
}

async fn send(host: &Host, tool: &str, url: &str) -> Value {
    let answer: Answer = call(&host.client(), tool, json!({"do": "send", "url": url})).await;
    answer.expect(200)["result"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn inner_addresses_are_refused_in_every_spelling() {
    let inside = Plain::start().await.expect("a double");
    inside.on("/", Script::new().bytes("secret of the house"));
    let port = inside.server().address().port();
    // The grant covers each of these hosts; what refuses them is where they lead.
    let table = [
        (
            "loopback",
            format!("http://127.0.0.1:{port}"),
            vec![
                format!("http://127.0.0.1:{port}/"),
                format!("http://2130706433:{port}/"),
                format!("http://0x7f000001:{port}/"),
                format!("http://0177.0.0.1:{port}/"),
                format!("http://127.1:{port}/"),
                format!("http://127.0.0.1:{port}/./"),
                format!("http://user:pass@127.0.0.1:{port}/"),
                format!("http://１２７.0.0.1:{port}/"),
            ],
        ),
        ("loopback-2", format!("http://127.8.8.8:{port}"), vec![format!("http://127.8.8.8:{port}/")]),
        (
            "localhost",
            format!("http://localhost:{port}"),
            vec![
                format!("http://localhost:{port}/"),
                format!("http://LOCALHOST:{port}/"),
                format!("http://localhost.:{port}/"),
            ],
        ),
        (
            "unspecified",
            format!("http://0.0.0.0:{port}"),
            vec![format!("http://0.0.0.0:{port}/"), format!("http://0:{port}/")],
        ),
        (
            "loopback-6",
            format!("http://[::1]:{port}"),
            vec![format!("http://[::1]:{port}/"), format!("http://[0:0:0:0:0:0:0:1]:{port}/")],
        ),
        (
            "mapped",
            format!("http://[::ffff:7f00:1]:{port}"),
            vec![format!("http://[::ffff:127.0.0.1]:{port}/"), format!("http://[::ffff:7f00:1]:{port}/")],
        ),
        (
            "nat64",
            format!("http://[64:ff9b::7f00:1]:{port}"),
            vec![format!("http://[64:ff9b::127.0.0.1]:{port}/")],
        ),
        (
            "metadata",
            "http://169.254.169.254".to_owned(),
            vec![
                "http://169.254.169.254/latest/meta-data/".to_owned(),
                "http://2852039166/latest/meta-data/".to_owned(),
                "http://0xa9.0xfe.0xa9.0xfe/".to_owned(),
            ],
        ),
        (
            "private-10",
            "http://10.0.0.1".to_owned(),
            vec!["http://10.0.0.1/".to_owned(), "http://10.1/".to_owned()],
        ),
        ("private-172", "http://172.16.0.1".to_owned(), vec!["http://172.16.0.1/".to_owned()]),
        ("private-192", "http://192.168.1.1".to_owned(), vec!["http://192.168.1.1/".to_owned()]),
        ("shared", "http://100.64.0.1".to_owned(), vec!["http://100.64.0.1/".to_owned()]),
        ("link-local", "http://[fe80::1]".to_owned(), vec!["http://[fe80::1]/".to_owned()]),
        ("unique-local", "http://[fd00::1]".to_owned(), vec!["http://[fd00::1]/".to_owned()]),
        ("multicast", "http://224.0.0.1".to_owned(), vec!["http://224.0.0.1/".to_owned()]),
    ];
    let mut options = Options::new().fixture("prober");
    for (name, origin, _) in &table {
        options = options.config(&binding(name, origin));
    }
    let mut host = Host::start(options).await;
    for (name, _, urls) in &table {
        for url in urls {
            let came = send(&host, name, url).await;
            assert!(came["status"].is_null(), "{url} was reached: {came}");
            assert_eq!(came["error"], "TransportFailureKind::Denied", "{url}: {came}");
        }
    }
    assert_eq!(inside.seen().len(), 0);
    assert_eq!(inside.server().connections_accepted(), 0, "refused before any connection");
    // What a host counts it writes down when it stops.
    assert!(host.stop().await.success());
    host.restart().await;
    let sent: usize = table.iter().map(|(_, _, urls)| urls.len()).sum();
    assert_eq!(refusals(&host.client(), "egress.refused").await, sent as u64);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_operator_names_is_reached_and_nothing_beside_it() {
    let (named, beside) = (Plain::start().await.expect("a double"), Plain::start().await.expect("a double"));
    for double in [&named, &beside] {
        double.on("/", Script::new().bytes("hello from inside"));
    }
    let (origin, address) = (named.server().origin(), named.server().address());
    named
        .on("/away", Script::new().status(302).header("location", &format!("{}/", beside.server().origin())));
    named.on("/round", Script::new().status(307).header("location", "/"));
    let config = format!(
        "[egress]\nallow_internal = [\"{address}\"]\n\n{}{}",
        binding("named", &origin),
        binding("beside", &beside.server().origin())
    );
    let host = Host::start(Options::new().fixture("prober").config(&config)).await;

    let came = send(&host, "named", &format!("{origin}/")).await;
    assert_eq!((&came["status"], &came["body"]), (&json!(200), &json!("hello from inside")));
    // A redirect is an answer; nobody follows it.
    for path in ["/away", "/round"] {
        let came = send(&host, "named", &format!("{origin}{path}")).await;
        assert!(matches!(came["status"].as_u64(), Some(302 | 307)), "{came}");
    }
    assert_eq!(named.seen().len(), 3);
    // Granted, but on an address that the operator did not name.
    let came = send(&host, "beside", &format!("{}/", beside.server().origin())).await;
    assert_eq!(came["error"], "TransportFailureKind::Denied", "{came}");
    let why = came["message"].as_str().unwrap_or_default();
    assert!(why.contains("allow_internal"), "a refusal says what would allow it: {why}");
    // Named, but not granted to this binding; and granted for other methods and paths only.
    let came = send(&host, "named", &format!("{}/", beside.server().origin())).await;
    assert_eq!(came["error"], "TransportFailureKind::Denied", "{came}");
    let why = came["message"].as_str().unwrap_or_default();
    assert!(why.contains("named"), "a refusal names the binding: {why}");
    let delete =
        call(&host.client(), "named", json!({"do": "send", "url": format!("{origin}/"), "method": "DELETE"}))
            .await;
    assert_eq!(delete.expect(200)["result"]["error"], "TransportFailureKind::Denied");
    assert_eq!(beside.server().connections_accepted(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_goes_to_its_audience_and_comes_back_to_nobody() {
    let (audience, other) =
        (Plain::start().await.expect("a double"), Plain::start().await.expect("a double"));
    const TOKEN: &str = "s3cr3t-0123456789-token";
    audience.on("/", Script::new().header("x-echo", TOKEN).bytes(format!("you sent {TOKEN}")));
    other.on("/", Script::new().bytes("got it"));
    let (a, b) = (audience.server().origin(), other.server().origin());
    let config = format!(
        "[egress]\nallow_internal = [\"{}\", \"{}\"]\n\n[secrets.token]\nvalue = \"{TOKEN}\"\naudience = \"{a}\"\n\n\
         [bindings.right]\nplugin = \"prober\"\nsettings = {{ target = \"{a}/\" }}\nsecrets = {{ token = \"token\" }}\n\n\
         [bindings.right.grant]\nhttp = [\"GET,POST {a}\"]\nsecrets = [\"token\"]\nkv = true\nscratch = true\n\n\
         [bindings.wrong]\nplugin = \"prober\"\nsettings = {{ target = \"{b}/\" }}\nsecrets = {{ token = \"token\" }}\n\n\
         [bindings.wrong.grant]\nhttp = [\"GET,POST {b}\"]\nsecrets = [\"token\"]\nkv = true\nscratch = true\n",
        audience.server().address(),
        other.server().address(),
    );
    let host = Host::start(Options::new().fixture("prober").config(&config)).await;
    let probe = |tool: &'static str, url: String| {
        let client = host.client();
        async move {
            call(&client, tool, json!({"do": "send", "url": url, "method": "POST", "token": true})).await
        }
    };
    let came = probe("right", format!("{a}/")).await.expect(200);
    let seen = audience.seen();
    assert_eq!(seen[0].headers["authorization"], format!("Bearer {TOKEN}"));
    assert_eq!(seen[0].body, TOKEN);
    assert!(!came.to_string().contains(TOKEN), "the guest was shown its secret: {came}");
    // To another address the secret does not go, and so neither does the request.
    let answer = probe("wrong", format!("{b}/")).await;
    assert!(!answer.text().contains("got it"), "{}", answer.text());
    assert_eq!(other.seen().len(), 0);
    assert!(!host.log().contains(TOKEN), "the log has the secret");
    let logs = host.client().get("/api/v1/plugins/prober/logs").await.text();
    assert!(!logs.contains(TOKEN));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_grant_a_plugin_waits_and_the_refusal_says_how_to_allow_it() {
    let double = Plain::start().await.expect("a double");
    double.on("/", Script::new().bytes("hello"));
    let origin = double.server().origin();
    let config = format!(
        "[egress]\nallow_internal = [\"{}\"]\n\n[bindings.probe]\nplugin = \"prober\"\nsettings = {{ target = \"{origin}/\" }}\n",
        double.server().address()
    );
    let host = Host::start(Options::new().fixture("prober").config(&config)).await;
    let client = host.client();
    let waiting = crate::operator::plugin(&client, "prober").await;
    assert_eq!(waiting["state"], "pending_approval", "{waiting}");
    let command = "hardpoint plugin grant prober --binding probe";
    assert!(waiting.to_string().contains(command), "{waiting}");
    assert_ne!(call(&client, "probe", json!({"do": "send", "url": origin})).await.status, 200);

    let granted = host.command(&["plugin", "grant", "prober", "--binding", "probe", "--yes"]);
    assert!(granted.status.success(), "{}", String::from_utf8_lossy(&granted.stderr));
    hardpoint_tests::patience::until("the grant to take effect", || async {
        let answer = call(&client, "probe", json!({"do": "send", "url": format!("{origin}/")})).await;
        (answer.status == 200 && answer.json()["result"]["status"] == 200).then_some(())
    })
    .await;
    // Values and files: kept for this binding, and for one call.
    let kv = |what: Value| call(&client, "probe", what);
    assert_eq!(
        kv(json!({"do": "kv-set", "key": "k", "value": "v"})).await.expect(200)["result"],
        json!({"ok": true})
    );
    assert_eq!(kv(json!({"do": "kv-get", "key": "k"})).await.expect(200)["result"]["value"], "v");
    for path in ["/scratch/note", "/scratch/note"] {
        let came = kv(json!({"do": "scratch", "path": path})).await.expect(200)["result"].clone();
        assert_eq!(came, json!({"before": null, "written": null, "after": "kept"}));
    }
    for path in ["/scratch/../etc/passwd", "/etc/passwd", "../../etc/passwd"] {
        let came = kv(json!({"do": "scratch", "path": path})).await.expect(200)["result"].clone();
        assert!(came["before"].is_null() && came["after"].is_null(), "{path}: {came}");
    }

    assert!(host.command(&["plugin", "revoke", "prober", "--binding", "probe", "--yes"]).status.success());
    hardpoint_tests::patience::until("the revocation to take effect", || async {
        let answer = call(&client, "probe", json!({"do": "send", "url": format!("{origin}/")})).await;
        (answer.status != 200).then_some(())
    })
    .await;
}
