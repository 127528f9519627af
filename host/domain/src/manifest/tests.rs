use serde_json::json;

use super::*;

const OPENAI: &str = r#"
id = "openai"
version = "1.2.3-rc.1"
kind = "model"
description = "Any OpenAI-compatible server."
instance = "warm"

[[http]]
host = "{settings.base_url}"
methods = ["POST", "GET"]
path = "/chat"

[[http]]
host = "*.cdn.example.com"
scheme = "http"
port = 8080

[[http]]
host = "logs.{settings.site}"

[[secret]]
name = "api_key"
audience = "{settings.base_url}"

[[secret]]
name = "extra"
audience = "https://logs.{settings.site}"
optional = true

[limits]
memory_mib = 32

[settings]
type = "object"
required = ["base_url"]

[settings.properties.base_url]
type = "string"
format = "uri"

[settings.properties.site]
type = "string"

[settings.properties.api_key]
type = "string"
secret = true

[settings.properties.depth]
type = "integer"
default = 3
"#;

fn openai() -> Manifest {
    Manifest::from_toml(OPENAI).unwrap()
}

#[test]
fn a_manifest_is_read_and_written() {
    let manifest = openai();
    assert_eq!(manifest.secret_options(), ["api_key"]);
    assert_eq!(manifest.limits.memory_mib, Some(32));
    assert_eq!(Manifest::from_toml(&manifest.to_toml().unwrap()).unwrap(), manifest);
    assert_eq!(manifest.with_defaults(&json!({"site": "a"})), json!({"site": "a", "depth": 3}));
    assert_eq!(manifest.with_defaults(&json!({"depth": 4})), json!({"depth": 4}));

    let small = "id = 'a'\nversion = '0.1.0'\nkind = 'tool'\ndescription = 'd'";
    let small = Manifest::from_toml(small).unwrap();
    assert!(small.permissions(&json!({})).unwrap().is_empty());
    assert_eq!(Manifest::from_toml(&small.to_toml().unwrap()).unwrap(), small);
}

#[test]
fn settings_decide_where_requests_go() {
    let asked = |settings| openai().permissions(&settings);
    let permissions =
        asked(json!({"base_url": "https://API.example.com/v1/", "site": "example.eu"})).unwrap();
    let mut described = permissions.describe();
    described.sort();
    let expected = [
        "send GET http://*.cdn.example.com:8080/",
        "send GET https://logs.example.eu/",
        "send GET,POST https://api.example.com/v1/chat",
        "use the secret `api_key`, only towards https://api.example.com",
        "use the secret `extra`, only towards https://logs.example.eu (optional)",
    ];
    assert_eq!(described, expected);
    let local = asked(json!({"base_url": "http://127.0.0.1:11434"})).unwrap();
    assert!(local.permits("POST", &url::Url::parse("http://127.0.0.1:11434/chat/x").unwrap()).is_ok());
    assert!(local.permits("POST", &url::Url::parse("http://127.0.0.1:11434/other").unwrap()).is_err());
    assert_eq!(local.secrets.len(), 1, "a setting left out asks for nothing");

    let errors = [
        (json!({}), "the setting `base_url` is missing"),
        (json!({"base_url": null}), "the setting `base_url` is missing"),
        (json!({"base_url": 1}), "the setting `base_url` must be a string"),
        (json!({"base_url": "api.example.com"}), "the setting `base_url` must be a URL"),
        (json!({"base_url": "ftp://a"}), "the setting `base_url` must be a URL"),
        (json!({"base_url": "https://u:p@a"}), "the setting `base_url` must be a URL"),
        (json!({"base_url": "https://a?b"}), "the setting `base_url` must be a URL"),
        (json!({"base_url": "https://a/%2f"}), "holds a dot segment"),
        (json!({"base_url": "https://a", "site": "evil.test/x#"}), "the setting `site` must be a host name"),
        (json!({"base_url": "https://a", "site": "a..b"}), "empty label"),
        (json!({"base_url": "https://a."}), "ends with a dot"),
    ];
    for (settings, reason) in errors {
        let error = asked(settings.clone()).unwrap_err().to_string();
        assert!(error.contains(reason), "{settings}: {error}");
    }
}

#[test]
fn what_is_wrong_is_named_with_its_line() {
    let table = [
        ("id = \"openai\"", "id = \"Open AI\"", 2, "is no plugin id"),
        ("1.2.3-rc.1", "1.2", 3, "is no semantic version"),
        ("kind = \"model\"", "kind = \"filter\"", 4, "unknown variant"),
        ("kind = \"model\"", "kind = \"model\"\nsockets = true", 5, "unknown field `sockets`"),
        ("Any OpenAI-compatible server.", " ", 5, "description"),
        ("kind = \"model\"", "kind = \"model\"\nkv = true", 5, "`kv` is for tools only"),
        ("kind = \"model\"", "kind = \"model\"\nembed = true", 5, "`embed` is for retrievers only"),
        ("kind = \"model\"", "kind = \"model\"\nscratch = true", 5, "`scratch` is for tools only"),
        ("kind = \"model\"", "kind = \"model\"\nindex = true", 5, "`index` is for retrievers only"),
        (
            "[limits]\nmemory_mib = 32",
            "[batch]\nmax_events = 1\nmax_bytes = 1",
            30,
            "`batch` is for exporters only",
        ),
        ("instance = \"warm\"", "instance = \"hot\"", 6, "unknown variant"),
        ("/chat\"", "/chat\"\ntls = false", 12, "unknown field `tls`"),
        ("optional = true", "optional = true\nneeded = true", 29, "unknown field `needed`"),
        ("optional = true", "optional = \"yes\"", 28, "invalid type"),
        ("/chat", "/chat?x=1", 11, "may hold no"),
        ("\"POST\", \"GET\"", "\"post\"", 10, "is no method"),
        ("\"POST\", \"GET\"", "\"CONNECT\"", 10, "is no method"),
        ("/chat", "chat", 11, "must begin with `/`"),
        ("/chat", "/a/../b", 11, "dot segment"),
        ("*.cdn.example.com", "*", 14, "is too wide: at least two labels"),
        ("*.cdn.example.com", "https://cdn.example.com/v1", 14, "write its name alone, without scheme"),
        ("*.cdn.example.com", "*.com", 14, "too wide"),
        ("*.cdn.example.com", "*.co.uk", 14, "is too wide: anybody may have a name there"),
        ("*.cdn.example.com", "0x7f.1", 14, "write it as 127.0.0.1"),
        ("*.cdn.example.com", "{settings.nothing}.a", 14, "is not among settings.properties"),
        ("*.cdn.example.com", "{settings.depth}.a", 14, "must be declared with `type = \"string\"`"),
        ("*.cdn.example.com", "{settings.api_key}.a", 14, "is secret"),
        ("*.cdn.example.com", "{settings.site}", 14, "come from the URL"),
        ("*.cdn.example.com", "{other.site}", 14, "no other braces"),
        ("scheme = \"http\"", "scheme = \"ws\"", 15, "must be `https` or `http`"),
        ("port = 8080", "port = 0", 16, "1 to 65535"),
        ("port = 8080", "port = 70000", 16, "invalid value"),
        ("https://logs.{settings.site}", "https://logs.example.com/path", 27, "has a path"),
        ("name = \"extra\"", "name = \"api_key\"", 26, "two secrets named"),
        ("name = \"api_key\"", "name = \"Key\"", 22, "a secret's name"),
        ("name = \"api_key\"", "name = \"key\"", 44, "no [[secret]] has that name"),
        ("memory_mib = 32", "memory_mib = 0", 31, "a limit of 0"),
        ("memory_mib = 32", "memory = 32", 31, "unknown field `memory`"),
        ("type = \"object\"", "type = \"array\"", 33, "JSON Schema of an object"),
        (
            "[settings.properties.base_url]",
            "[settings.properties]\nother = 1\n[settings.properties.base_url]",
            37,
            "properties must be tables",
        ),
        ("default = 3", "default = 2020-01-01", 33, "hold a date"),
        ("description =", "description", 5, ""),
    ];
    for (from, to, line, reason) in table {
        let text = OPENAI.replacen(from, to, 1);
        assert_ne!(text, OPENAI, "{from}");
        let error = Manifest::from_toml(&text).unwrap_err();
        assert_eq!(error.line, Some(line), "{to}: {error}");
        assert!(error.to_string().contains(reason), "{to}: {error}");
    }
    let batch = "id = \"a\"\nversion = \"1.0.0\"\nkind = \"exporter\"\ndescription = \"d\"\n[batch]\nmax_events = 1\nmax_bytes = 0\n";
    assert_eq!(Manifest::from_toml(batch).unwrap_err().to_string(), "line 7: a batch of 0 holds nothing");
    assert!(Manifest::from_toml("").is_err());
    assert!(Manifest::from_toml(&"#".repeat(MAX_BYTES + 1)).unwrap_err().reason.contains("bytes long"));
    assert!(Manifest::from_toml(&format!("a = {}", "[".repeat(10_000))).is_err());
}

#[test]
fn an_embedded_manifest_is_a_custom_section() {
    let component = b"\0asm\x0d\0\x01\0";
    let text = "x".repeat(200);
    let with = embed(component, &text);
    let mut expected = component.to_vec();
    expected.extend_from_slice(&[0, 0xdb, 0x01, 18]);
    expected.extend_from_slice(SECTION.as_bytes());
    expected.extend_from_slice(text.as_bytes());
    assert_eq!(with, expected);
}

#[test]
fn a_stripped_component_is_what_was_packed() {
    let bare = b"\0asm\x0d\0\x01\0\x00\x06\x04nameX".to_vec();
    let packed = super::embed(&bare, "id = \"x\"\n");
    assert_ne!(packed, bare);
    assert_eq!(super::strip(&packed), bare);
    assert_eq!(super::strip(&bare), bare);
    for cut in 0..packed.len() {
        // Whatever is cut short is left as it is from there on.
        assert!(super::strip(&packed[..cut]).len() <= cut);
    }
}

#[test]
fn who_has_no_address_can_send_nothing() {
    let exporter = |hosts: &[&str]| {
        let wishes: String = hosts.iter().map(|host| format!("[[http]]\nhost = \"{host}\"\n")).collect();
        let toml = format!(
            "id = \"collector\"\nversion = \"1.0.0\"\nkind = \"exporter\"\ndescription = \"x\"\n\
             [batch]\nmax_events = 10\nmax_bytes = 1000\n{wishes}[settings]\ntype = \"object\"\n\
             [settings.properties.url]\ntype = \"string\"\n[settings.properties.site]\ntype = \"string\"\n\
             default = \"eu\"\n[settings.properties.region]\ntype = \"string\"\n"
        );
        Manifest::from_toml(&toml).unwrap()
    };
    let (nothing, url) = (json!({}), json!({"url": "https://example.com/"}));
    let one = exporter(&["{settings.url}"]);
    assert_eq!((one.unaddressed(&nothing), one.unaddressed(&url)), (Some("url"), None));
    assert_eq!(one.unaddressed(&json!({"url": null})), Some("url"));
    let either = exporter(&["{settings.url}", "{settings.region}.example.com"]);
    assert_eq!((either.unaddressed(&nothing), either.unaddressed(&url)), (Some("url"), None));
    for hosts in
        [&[][..], &["example.com"], &["{settings.url}", "example.com"], &["{settings.site}.example.com"]]
    {
        assert_eq!(exporter(hosts).unaddressed(&nothing), None, "{hosts:?}");
    }
}
