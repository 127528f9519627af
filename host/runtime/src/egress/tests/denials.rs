use super::double::Double;
use super::hosts::HOSTS;
use super::*;
use crate::secret::Secret;

/// The error of a request that must be refused.
async fn refusal(egress: &Egress, request: EgressRequest, permissions: &Permissions) -> String {
    let secrets = BTreeMap::new();
    let error = egress.send(request, permissions, &secrets, &options()).await.unwrap_err();
    assert_eq!(error.kind, EgressErrorKind::Denied, "{error}");
    error.message
}

#[tokio::test]
async fn private_addresses_are_refused_in_every_spelling() {
    let egress = Egress::new(EgressConfig::default()).unwrap();
    for (what, host) in HOSTS {
        for scheme in ["http", "https"] {
            let url = format!("{scheme}://{host}:9/");
            let message = refusal(&egress, get(&url), &permits(&url)).await;
            assert!(message.contains("egress.allow_internal"), "{what}: {message}");
        }
    }
    assert_eq!(egress.stats().refusals, 2 * HOSTS.len() as u64);
}

#[tokio::test]
async fn names_that_lead_to_private_addresses_are_refused() {
    let names: [(&str, &[&str]); 5] = [
        ("loop.test", &["127.0.0.1"]),
        ("meta.test", &["169.254.169.254"]),
        ("six.test", &["fd00::1"]),
        ("mapped.test", &["::ffff:10.0.0.1"]),
        // One public address among the others is no excuse.
        ("mixed.test", &["93.184.216.34", "10.0.0.1"]),
    ];
    let egress =
        Egress::new(EgressConfig { resolver: Some(resolver(&names)), ..EgressConfig::default() }).unwrap();
    for (name, addresses) in names {
        let url = format!("http://{name}/");
        let message = refusal(&egress, get(&url), &permits(&url)).await;
        assert!(message.contains(&format!("\"{name}:80\" in `egress.allow_internal`")), "{message}");
        assert!(
            !addresses.iter().any(|address| message.contains(address)),
            "tells what is inside: {message}"
        );
    }
    assert!(
        refusal(&egress, get("http://loop.test./"), &permits("http://loop.test"))
            .await
            .contains("is not granted")
    );
}

#[tokio::test]
async fn the_operator_allows_hosts_and_ports_and_no_others() {
    let double = Double::ok().await;
    let port = double.port;
    let resolver =
        || Some(resolver(&[("a.test", &["127.0.0.1"]), ("b.a.test", &["127.0.0.1"])]) as Arc<dyn Resolve>);
    let table = [
        ("a.test", "a.test", true),
        (&format!("a.test:{port}"), "a.test", true),
        ("a.test:1", "a.test", false),
        ("a.test", "b.a.test", false),
        ("*.a.test", "b.a.test", true),
        ("127.0.0.1", "127.0.0.1", true),
        ("127.0.0.1", "0x7f.1", true),
        // What a name resolves to does not make it an allowed address.
        ("127.0.0.1", "a.test", false),
        ("::1", "127.0.0.1", false),
        ("[::1]:1", "[::1]", false),
    ];
    for (allowed, host, expected) in table {
        let config = EgressConfig {
            allow_internal: vec![allowed.to_string()],
            resolver: resolver(),
            ..EgressConfig::default()
        };
        let answer = send(&Egress::new(config).unwrap(), get(&format!("http://{host}:{port}/"))).await;
        assert_eq!(answer.is_ok(), expected, "{allowed} {host}: {answer:?}");
    }
    for bad in ["", "http://a.test", "a.test:x", "a.test:70000", "*", "*.test", "0x7f.1", "a/b"] {
        let config = EgressConfig { allow_internal: vec![bad.to_owned()], ..EgressConfig::default() };
        assert!(Egress::new(config).is_err(), "{bad}");
    }
}

#[tokio::test]
async fn what_is_not_granted_is_refused_with_the_command_that_grants_it() {
    let double = Double::ok().await;
    let egress = egress();
    let granted = rules(&[&format!("POST {}", double.url("/v1"))]);
    let table = [
        get(&double.url("/v1")),
        post(&double.url("/v2"), vec![]),
        post(&double.url("/v1/../v2"), vec![]),
        post(&double.url("/v1/%2e%2e/v2"), vec![]),
        post(&double.url("/v1/..%2fv2"), vec![]),
        post("http://api.test:1/v1", vec![]),
        EgressRequest { method: "post".into(), ..post(&double.url("/v1"), vec![]) },
        EgressRequest { method: "POST /v1 HTTP/1.1\r\nx:".into(), ..post(&double.url("/v1"), vec![]) },
    ];
    for request in table {
        let message = refusal(&egress, request, &granted).await;
        assert!(message.ends_with("hardpoint plugin grant mine"), "{message}");
    }
    let urls = [
        "",
        "/v1",
        "ftp://api.test/",
        "file:///etc/passwd",
        "http://user@api.test/",
        "http://u:p@api.test/",
        "http://api.test/#@evil.test",
        "http://api.test\\@evil.test/",
        "http://api.te\nst/",
        " http://api.test/",
        "http://",
        "http://api.test/a b",
    ];
    for url in urls {
        let message = refusal(&egress, get(url), &granted).await;
        assert!(message.starts_with("the URL is refused"), "{url}: {message}");
    }
    assert_eq!(double.connections(), 0);
}

#[tokio::test]
async fn headers_that_frame_or_split_a_message_are_refused() {
    let double = Double::ok().await;
    let egress = egress();
    let with = |name: &str, value: &str| EgressRequest {
        headers: vec![(name.to_owned(), vec![text(value)])],
        ..get(&double.url("/"))
    };
    let names = [
        "Host",
        "content-length",
        "Transfer-Encoding",
        "connection",
        "keep-alive",
        "TE",
        "trailer",
        "upgrade",
        "expect",
        "proxy-authorization",
        "proxy-connection",
        "",
        "a b",
        "a:b",
        "a\r\nb",
        "ä",
    ];
    for name in names {
        refusal(&egress, with(name, "1"), &permits(&double.url("/"))).await;
    }
    for value in ["a\r\nx: y", "a\nb", "a\0b", "a\rb"] {
        refusal(&egress, with("x-value", value), &permits(&double.url("/"))).await;
    }
    let many = EgressRequest { headers: vec![("x".to_owned(), vec![]); 101], ..get(&double.url("/")) };
    refusal(&egress, many, &permits(&double.url("/"))).await;
    refusal(&egress, with("x", &"v".repeat(70_000)), &permits(&double.url("/"))).await;
    assert_eq!(double.connections(), 0);
}

#[tokio::test]
async fn a_body_that_is_too_large_is_not_sent() {
    let double = Double::ok().await;
    let egress = Egress::new(EgressConfig { max_request_bytes: 10, ..config() }).unwrap();
    let request = post(&double.url("/"), vec![text("123456"), text("78901")]);
    assert!(refusal(&egress, request, &permits(&double.url("/"))).await.contains("11 bytes, 10 may be sent"));
}

#[tokio::test]
async fn a_secret_goes_to_its_audience_only_and_into_no_message() {
    const VALUE: &str = "top-secret-value";
    let (here, there) = (Double::ok().await, Double::ok().await);
    let egress = egress();
    let origin = |double: &Double| Origin::parse(&double.url("")).unwrap();
    let uses = |double: &Double, name: &str| EgressRequest {
        headers: vec![(
            "authorization".to_owned(),
            vec![text("Bearer "), Part::Secret { name: name.to_owned(), encoding: SecretEncoding::Raw }],
        )],
        ..get(&double.url("/"))
    };
    let rule = |name: &str, double: &Double| hardpoint_domain::grant::SecretRule {
        name: name.to_owned(),
        audience: origin(double),
        optional: false,
    };
    let mut permissions = rules(&[&format!("GET {}", here.url("")), &format!("GET {}", there.url(""))]);
    permissions.secrets = vec![rule("key", &here), rule("valueless", &here), rule("elsewhere", &here)];
    let secrets = BTreeMap::from([
        ("key".to_owned(), Secret::new(VALUE, origin(&here))),
        ("ungranted".to_owned(), Secret::new(VALUE, origin(&here))),
        // The operator gave the value for another address than the manifest says.
        ("elsewhere".to_owned(), Secret::new(VALUE, origin(&there))),
    ]);
    let answer = egress.send(uses(&here, "key"), &permissions, &secrets, &options()).await.unwrap();
    assert_eq!(answer.status, 200);
    assert_eq!(here.take()[0].headers()["authorization"], format!("Bearer {VALUE}"));

    let table = [
        (uses(&there, "key"), "may be sent to"),
        (uses(&here, "elsewhere"), "may be sent to"),
        (uses(&here, "ungranted"), "hardpoint plugin grant mine"),
        (uses(&here, "unknown"), "hardpoint plugin grant mine"),
        (uses(&here, "valueless"), "[bindings.mine.secrets]"),
    ];
    for (request, reason) in table {
        let error = egress.send(request, &permissions, &secrets, &options()).await.unwrap_err();
        assert_eq!(error.kind, EgressErrorKind::Denied);
        assert!(error.message.contains(reason), "{error}");
        assert!(!format!("{error:?}").contains(VALUE));
    }
    assert!(there.take().is_empty());

    // A value that no header can hold is refused without being told.
    let secrets =
        BTreeMap::from([("key".to_owned(), Secret::new(format!("{VALUE}\r\nx: y"), origin(&here)))]);
    let error = egress.send(uses(&here, "key"), &permissions, &secrets, &options()).await.unwrap_err();
    assert_eq!(error.message, "the value of the header `authorization` holds control characters");
}

#[tokio::test]
async fn internal_hosts_are_closed_to_addresses_that_no_operator_chose() {
    let double = Double::ok().await;
    let egress = egress();
    let url = format!("http://{HOST}:{}/in", double.port);
    let (chosen, granted) = (permits(&url), rules(&[&format!("GET http://{HOST}:{}/out", double.port)]));
    let secrets = BTreeMap::new();
    // A connection that waits makes no difference.
    read(send(&egress, get(&url)).await.unwrap().body).await.unwrap();
    let guarded = options().public_beyond(&granted);
    let error = egress.send(get(&url), &chosen, &secrets, &guarded).await.unwrap_err();
    assert_eq!(error.kind, EgressErrorKind::Denied);
    assert!(error.message.contains("must be a public one"), "{error}");
    assert_eq!(double.take().len(), 1);
    // What the operator's grant covers is open to it as ever.
    let out = get(&format!("http://{HOST}:{}/out", double.port));
    assert_eq!(egress.send(out, &chosen, &secrets, &guarded).await.unwrap().status, 200);
    // A host that is not named is judged by its addresses.
    let mut config = config();
    config.allow_internal.clear();
    let error = Egress::new(config).unwrap().send(get(&url), &chosen, &secrets, &guarded).await.unwrap_err();
    assert!(error.message.contains("loopback"), "{error}");
}

#[tokio::test]
async fn a_proxy_does_not_lead_to_internal_hosts_that_no_operator_chose() {
    let proxy = Double::ok().await;
    let config = EgressConfig {
        proxy: Some(format!("http://127.0.0.1:{}", proxy.port)),
        resolver: Some(resolver(&[("far.test", &["93.184.215.14"]), ("near.test", &["10.0.0.1"])])),
        ..config()
    };
    let nothing = Permissions::default();
    let guarded = options().public_beyond(&nothing);
    let egress = Egress::new(config).unwrap();
    let error = send_with(&egress, get(&format!("http://{HOST}/")), &guarded).await.unwrap_err();
    assert_eq!((error.kind, proxy.connections()), (EgressErrorKind::Denied, 0));
    // The proxy would not know what nobody here may reach; what cannot be looked up cannot be judged.
    for url in ["http://near.test/", "http://unknown.test/"] {
        send_with(&egress, get(url), &guarded).await.unwrap_err();
        assert_eq!(proxy.connections(), 0, "{url}");
    }
    // Others go through it.
    assert_eq!(send_with(&egress, get("http://far.test/"), &guarded).await.unwrap().status, 200);
}
