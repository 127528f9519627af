use proptest::prelude::*;

use super::*;

fn rule(text: &str) -> HttpRule {
    text.parse().unwrap()
}

fn permissions(rules: &[&str]) -> Permissions {
    Permissions { http: rules.iter().map(|text| rule(text)).collect(), ..Permissions::default() }
}

fn url(text: &str) -> Url {
    Url::parse(text).unwrap()
}

#[test]
fn rules_are_read_and_shown() {
    let table = [
        ("POST https://api.example.com/v1", "POST https://api.example.com/v1"),
        ("POST,GET,POST https://API.example.com:443", "GET,POST https://api.example.com/"),
        ("GET http://localhost:11434/v1/", "GET http://localhost:11434/v1"),
        ("GET https://*.example.com:8443/", "GET https://*.example.com:8443/"),
        ("GET http://[::1]:80/a", "GET http://[::1]/a"),
        ("GET http://[::1]/a", "GET http://[::1]/a"),
    ];
    for (text, shown) in table {
        assert_eq!(rule(text).to_string(), shown);
        assert_eq!(rule(shown), rule(text));
    }
    let bad = [
        "https://a.example",
        "GET a.example",
        "GET ftp://a.example",
        "get https://a.example",
        "CONNECT https://a.example",
        "GET https://*",
        "GET https://*.com",
        "GET https://a.example:0",
        "GET https://a.example:x",
        "GET https://a/../b",
        "GET https://u:p@a.example",
        "GET, https://a.example",
        "",
        "GET https://a.example/*",
    ];
    for text in bad {
        assert!(text.parse::<HttpRule>().is_err(), "{text}");
    }
}

#[test]
fn requests_that_are_covered_and_requests_that_are_not() {
    let granted = permissions(&["POST https://api.example.com/v1", "GET http://*.internal.test:8080"]);
    let table = [
        ("POST", "https://api.example.com/v1/chat?x=1#y", true),
        ("POST", "https://API.EXAMPLE.COM:443/v1", true),
        ("POST", "https://api.example.com/x/../v1/chat", true),
        ("GET", "https://api.example.com/v1/chat", false),
        ("POST", "http://api.example.com/v1/chat", false),
        ("POST", "https://api.example.com:444/v1", false),
        ("POST", "https://api.example.com/v1/../admin", false),
        ("POST", "https://api.example.com/v1/%2e%2e/admin", false),
        ("POST", "https://api.example.com/v1/..%2fadmin", false),
        ("POST", "https://api.example.com./v1", false),
        ("POST", "https://api.example.com@evil.test/v1", false),
        ("POST", "https://user@api.example.com/v1", false),
        ("POST", "https://evil.test/v1?https://api.example.com/v1", false),
        ("GET", "http://a.internal.test:8080/", true),
        ("GET", "http://internal.test:8080/", false),
    ];
    for (method, text, expected) in table {
        assert_eq!(granted.permits(method, &url(text)).is_ok(), expected, "{method} {text}");
    }
    assert_eq!(
        granted.permits("GET", &url("https://evil.test:1/p?token=t")).unwrap_err().to_string(),
        "GET https://evil.test:1/p is not granted; granted: POST https://api.example.com/v1; GET http://*.internal.test:8080/"
    );
    assert!(Permissions::default().permits("GET", &url("https://a.test")).is_err());
}

#[test]
fn a_grant_is_what_is_asked_and_allowed() {
    let secret = |audience: &str, optional| SecretRule {
        name: "key".into(),
        audience: Origin::parse(audience).unwrap(),
        optional,
    };
    let mut asked = permissions(&["GET,POST https://a.test/v1"]);
    asked.secrets.push(secret("https://a.test", false));
    asked.kv = true;

    assert_eq!(effective(&Permissions::default(), None), (Permissions::default(), GrantState::NothingAsked));
    assert_eq!(effective(&asked, Some(&asked)), (asked.clone(), GrantState::Granted));

    let mut allowed = permissions(&["POST https://a.test", "DELETE https://a.test"]);
    allowed.secrets.push(secret("https://b.test", false));
    allowed.scratch = true;
    let (granted, state) = effective(&asked, Some(&allowed));
    assert_eq!(granted, permissions(&["POST https://a.test/v1"]));
    let missing = vec![
        "send GET https://a.test/v1".to_owned(),
        "use the secret `key`, only towards https://a.test".to_owned(),
        "keep small values for each organisation (kv)".to_owned(),
    ];
    assert_eq!(state, GrantState::Pending { missing });

    asked = Permissions { secrets: vec![secret("https://a.test", true)], ..Permissions::default() };
    assert_eq!(effective(&asked, None), (Permissions::default(), GrantState::Granted));
}

#[test]
fn fingerprints_know_no_order_and_every_difference() {
    let one = permissions(&["GET https://a.test", "POST https://b.test"]);
    let two = permissions(&["POST https://b.test", "GET https://a.test", "GET https://a.test"]);
    assert_eq!(one.fingerprint(), two.fingerprint());
    assert!(one.fingerprint().starts_with("sha256:"));
    assert_eq!(one.fingerprint().len(), 71);
    for other in [Permissions { kv: true, ..one.clone() }, permissions(&["GET https://a.test"])] {
        assert_ne!(one.fingerprint(), other.fingerprint());
    }
}

#[test]
fn permissions_are_read_back() {
    let mut one = permissions(&["GET https://a.test/x"]);
    one.secrets.push(SecretRule {
        name: "k".into(),
        audience: Origin::parse("https://a.test").unwrap(),
        optional: true,
    });
    let text = serde_json::to_string(&one).unwrap();
    assert_eq!(serde_json::from_str::<Permissions>(&text).unwrap(), one);
    assert_eq!(serde_json::from_str::<Permissions>("{}").unwrap(), Permissions::default());
    assert!(serde_json::from_str::<Permissions>(r#"{"sockets":true}"#).is_err());
}

fn any_host() -> impl Strategy<Value = String> {
    prop_oneof![Just("a.test"), Just("b.a.test"), Just("c.b.a.test"), Just("d.test")].prop_map(str::to_owned)
}

fn any_path() -> impl Strategy<Value = String> {
    prop_oneof![Just("/"), Just("/v1"), Just("/v1/x"), Just("/v10"), Just("/v2")].prop_map(str::to_owned)
}

fn any_rule() -> impl Strategy<Value = HttpRule> {
    let method = prop_oneof![Just("GET"), Just("POST"), Just("GET,POST"), Just("DELETE")];
    let place =
        (prop_oneof![Just("https"), Just("http")], any::<bool>(), any_host(), any::<bool>(), any_path());
    (method, place).prop_map(|(method, (scheme, star, host, port, path))| {
        let (star, port) = (if star { "*." } else { "" }, if port { ":8443" } else { "" });
        rule(&format!("{method} {scheme}://{star}{host}{port}{path}"))
    })
}

fn any_permissions() -> impl Strategy<Value = Permissions> {
    let secret =
        (prop_oneof![Just("k"), Just("l")], any_host(), any::<bool>()).prop_map(|(name, host, optional)| {
            let audience = Origin::parse(&format!("https://{host}")).unwrap();
            SecretRule { name: name.into(), audience, optional }
        });
    let lists = (proptest::collection::vec(any_rule(), 0..4), proptest::collection::vec(secret, 0..3));
    (lists, any::<[bool; 4]>()).prop_map(|((http, secrets), [kv, index, embed, scratch])| Permissions {
        http,
        secrets,
        kv,
        index,
        embed,
        scratch,
    })
}

fn any_request() -> impl Strategy<Value = (String, Url)> {
    let method = prop_oneof![Just("GET"), Just("POST"), Just("DELETE"), Just("PUT")].prop_map(str::to_owned);
    let place = (prop_oneof![Just("https"), Just("http")], any_host(), any::<bool>(), any_path());
    (method, place).prop_map(|(method, (scheme, host, port, path))| {
        (method, url(&format!("{scheme}://{host}{}{path}", if port { ":8443" } else { "" })))
    })
}

/// Value by value: a method more is that method, not another request.
#[test]
fn what_is_beyond_is_told_method_by_method() {
    let beyond = |here: &[&str], there: &[&str]| permissions(here).beyond(&permissions(there));
    let (get, both) = (&["GET https://a.example/x"][..], &["GET,POST https://a.example/x"][..]);
    assert_eq!(beyond(both, get), ["send POST https://a.example/x"]);
    assert_eq!(beyond(get, both), [""; 0]);
    // What a wider rule covers is not gone.
    assert_eq!(beyond(get, &["GET https://a.example"]), [""; 0]);
    assert_eq!(beyond(&["GET https://a.example"], get), ["send GET https://a.example/"]);
    let secret = |optional| {
        let audience = Origin::parse("https://a.example").unwrap();
        let secrets = vec![SecretRule { name: "k".to_owned(), audience, optional }];
        Permissions { secrets, kv: true, ..Permissions::default() }
    };
    let (kv, none) = (Permissions { kv: true, ..Permissions::default() }, Permissions::default());
    assert_eq!(secret(true).beyond(&kv).len(), 1, "an optional secret is something");
    assert_eq!(secret(true).missing_from(&kv), [""; 0], "and never missing");
    assert_eq!(
        (secret(false).beyond(&secret(true)).len(), secret(true).beyond(&secret(false)).len()),
        (1, 0)
    );
    assert_eq!(none.beyond(&kv), [""; 0]);
}

proptest! {
    #[test]
    fn effective_is_exactly_what_both_permit(
        asked in any_permissions(), allowed in any_permissions(), (method, url) in any_request(),
    ) {
        let (granted, state) = effective(&asked, Some(&allowed));
        let permits = |permissions: &Permissions| permissions.permits(&method, &url).is_ok();
        prop_assert_eq!(permits(&granted), permits(&asked) && permits(&allowed));
        for secret in &granted.secrets {
            prop_assert!(asked.has_secret(secret) && allowed.has_secret(secret));
        }
        prop_assert_eq!(granted.kv, asked.kv && allowed.kv);
        prop_assert_eq!(granted.index, asked.index && allowed.index);
        prop_assert_eq!(granted.embed, asked.embed && allowed.embed);
        prop_assert_eq!(granted.scratch, asked.scratch && allowed.scratch);
        if state == GrantState::Granted {
            prop_assert_eq!(permits(&granted), permits(&asked));
        }
        // Granting again changes nothing.
        prop_assert_eq!(granted.intersect(&granted).fingerprint(), granted.fingerprint());
        prop_assert_eq!(asked.missing_from(&asked), Vec::<String>::new());
    }
}
