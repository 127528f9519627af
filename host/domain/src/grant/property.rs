//! Whatever a manifest asks, with whatever settings, and whatever an operator allows: a request goes out only
//! where both let it. What each of them lets out is judged here from what was generated, label by label and
//! segment by segment, and not by the code that is tested.

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::json;

use super::*;
use crate::manifest::Manifest;

/// Labels of a host, the last one first; hosts below it where there is a star.
#[derive(Clone, Debug)]
struct Place {
    scheme: &'static str,
    star: bool,
    host: &'static str,
    port: Option<u16>,
    path: &'static str,
}

/// How a wish says where it wants to go.
#[derive(Clone, Debug)]
enum Spelling {
    /// As it is.
    Plain,
    /// As the URL of a setting, with this path below it.
    Whole(&'static str),
    /// With its last labels in a setting.
    Tail,
}

#[derive(Clone, Debug)]
struct Wish {
    place: Place,
    spelling: Spelling,
    methods: Vec<&'static str>,
}

#[derive(Clone, Debug)]
struct Side<Rule> {
    http: Vec<Rule>,
    /// Name and host of the audience.
    secrets: Vec<(&'static str, &'static str)>,
    kv: bool,
    scratch: bool,
}

const HOSTS: [&str; 6] = ["a.test", "b.a.test", "c.b.a.test", "d.test", "127.0.0.1", "[::1]"];
const PATHS: [&str; 6] = ["/", "/v1", "/v1/x", "/v10", "/v1/x/y", "/a;b"];
const METHODS: [&str; 3] = ["GET", "POST", "DELETE"];

impl Place {
    fn port(&self) -> u16 {
        self.port.unwrap_or(default_port(self.scheme))
    }

    fn authority(&self) -> String {
        let port = self.port.map(|port| format!(":{port}")).unwrap_or_default();
        format!("{}{}{port}", if self.star { "*." } else { "" }, self.host)
    }

    /// Whether a request to `url` stays within this place and below `more`.
    fn lets(&self, more: &str, url: &Url) -> bool {
        self.scheme == url.scheme()
            && Some(self.port()) == url.port_or_known_default()
            && self.has_host(url.host_str().unwrap_or_default())
            && begins(&[segments(self.path), segments(more)].concat(), url.path())
    }

    fn has_host(&self, host: &str) -> bool {
        let (wanted, found) = (labels(self.host), labels(host));
        if !self.star {
            return wanted == found;
        }
        let is_below = found.len() > wanted.len() && found[..wanted.len()] == wanted[..];
        is_below && found.iter().all(|label| !label.is_empty())
    }
}

impl Wish {
    fn lets(&self, method: &str, url: &Url) -> bool {
        let more = if let Spelling::Whole(more) = self.spelling { more } else { "/" };
        self.methods.contains(&method) && self.place.lets(more, url)
    }

    /// As `[[http]]`, and the setting that it needs.
    fn written(&self, number: usize) -> (String, Option<(String, String)>) {
        let (place, setting) = (&self.place, format!("s{number}"));
        let methods = format!("methods = {:?}\n", self.methods);
        match self.spelling {
            Spelling::Whole(more) => {
                let url = format!("{}://{}{}", place.scheme, place.authority(), place.path);
                let wish =
                    format!("[[http]]\nhost = \"{{settings.{setting}}}\"\npath = \"{more}\"\n{methods}");
                (wish, Some((setting, url)))
            }
            Spelling::Plain | Spelling::Tail => {
                let port = place.port.map(|port| format!("port = {port}\n")).unwrap_or_default();
                let rest =
                    format!("scheme = \"{}\"\npath = \"{}\"\n{port}{methods}", place.scheme, place.path);
                let star = if place.star { "*." } else { "" };
                match (&self.spelling, place.host.rsplit_once('.')) {
                    (Spelling::Tail, Some((head, tail))) => {
                        let host =
                            format!("[[http]]\nhost = \"{star}{head}.{{settings.{setting}}}\"\n{rest}");
                        (host, Some((setting, tail.to_owned())))
                    }
                    _ => (format!("[[http]]\nhost = \"{star}{}\"\n{rest}", place.host), None),
                }
            }
        }
    }
}

/// The last label first; an address is one label.
fn labels(host: &str) -> Vec<&str> {
    if host.starts_with('[') || host.ends_with(|last: char| last.is_ascii_digit()) {
        return vec![host];
    }
    host.rsplit('.').collect()
}

fn segments(path: &str) -> Vec<String> {
    path.split('/').filter(|segment| !segment.is_empty()).map(str::to_owned).collect()
}

/// Whether a path begins with these segments for a server that decodes it, takes `\` for `/`, cuts parameters
/// off, and follows dots.
fn begins(wanted: &[String], path: &str) -> bool {
    if wanted.is_empty() {
        return true;
    }
    let mut found = Vec::new();
    for segment in decoded(path).replace('\\', "/").split('/').skip(1) {
        match segment.split(';').next() {
            Some("..") => drop(found.pop()),
            Some(".") => {}
            _ => found.push(segment.to_owned()),
        }
    }
    found.len() >= wanted.len() && found[..wanted.len()] == wanted[..]
}

fn decoded(path: &str) -> String {
    let (mut text, mut rest) = (String::new(), path);
    while let Some((before, after)) = rest.split_once('%') {
        text.push_str(before);
        let byte = after.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match byte.filter(u8::is_ascii) {
            Some(byte) => text.push(char::from(byte)),
            None => text.push_str("%??"),
        }
        rest = after.get(2..).unwrap_or_default();
    }
    text + rest
}

fn place() -> impl Strategy<Value = Place> {
    let port = prop_oneof![3 => Just(None), 1 => Just(Some(8443)), 1 => Just(Some(80))];
    let host = (any::<bool>(), prop::sample::select(&HOSTS[..]));
    (prop_oneof![3 => Just("https"), 1 => Just("http")], host, port, prop::sample::select(&PATHS[..]))
        .prop_map(|(scheme, (star, host), port, path)| Place {
            scheme,
            star: star && labels(host).len() > 1,
            host,
            port,
            path,
        })
}

/// Mostly what `base` is: what is generated apart hardly ever meets.
fn near(base: &Place) -> impl Strategy<Value = Place> + use<> {
    let base = base.clone();
    (place(), prop::array::uniform4(prop::bool::weighted(0.15))).prop_map(move |(other, is_other)| {
        let [scheme, host, port, path] = is_other.map(|is_other| if is_other { &other } else { &base });
        Place { scheme: scheme.scheme, star: host.star, host: host.host, port: port.port, path: path.path }
    })
}

fn methods() -> impl Strategy<Value = Vec<&'static str>> {
    prop::sample::subsequence(&METHODS[..], 1..=3)
}

fn wish(base: &Place) -> impl Strategy<Value = Wish> + use<> {
    let more = prop_oneof![Just("/"), prop::sample::select(&PATHS[..])];
    let spelling = prop_oneof![2 => Just(Spelling::Plain), 2 => more.prop_map(Spelling::Whole), 1 => Just(Spelling::Tail)];
    (near(base), spelling, methods()).prop_map(|(mut place, mut spelling, methods)| {
        if matches!(spelling, Spelling::Whole(_)) {
            // No URL has a star in it.
            place.star = false;
        } else if labels(place.host).len() == 1 {
            spelling = Spelling::Plain;
        }
        Wish { place, spelling, methods }
    })
}

fn side<Rule: fmt::Debug>(rule: impl Strategy<Value = Rule>) -> impl Strategy<Value = Side<Rule>> {
    let secrets = prop::sample::subsequence(&["k", "l"][..], 0..=2).prop_flat_map(|names| {
        names.into_iter().map(|name| (Just(name), prop::sample::select(&HOSTS[..2]))).collect::<Vec<_>>()
    });
    (prop::collection::vec(rule, 0..4), secrets, any::<[bool; 2]>())
        .prop_map(|(http, secrets, [kv, scratch])| Side { http, secrets, kv, scratch })
}

/// Requests as they should be, and as somebody writes them who wants more.
fn request(base: &Place) -> impl Strategy<Value = (&'static str, String)> + use<> {
    let base = base.clone();
    let own = if base.star { format!("x.{}", base.host) } else { base.host.to_owned() };
    let own_port = base.port.map(|port| format!(":{port}")).unwrap_or_default();
    let some = |choice: &[&'static str]| prop::sample::select(choice.to_vec()).prop_map(str::to_owned);
    let odd_method = prop::sample::select(&["get", "PUT", "GET,POST"][..]);
    let method = prop_oneof![9 => prop::sample::select(&METHODS[..]), 1 => odd_method];
    let scheme =
        prop_oneof![8 => Just(base.scheme.to_owned()), 2 => some(&["http", "https", "HTTPS", "ftp"])];
    let user =
        prop_oneof![9 => Just(String::new()), 1 => some(&["u@", "u:p@", "a.test@", ":@", "a.test%40"])];
    let host = prop_oneof![6 => Just(own), 1 => some(&HOSTS), 2 => some(&ODD_HOSTS)];
    let port = prop_oneof![6 => Just(own_port), 2 => some(&["", ":8443", ":443", ":80", ":"])];
    let odd = || prop::collection::vec(some(&PIECES), 0..4).prop_map(|pieces| pieces.concat());
    let path = prop_oneof![
        2 => odd().prop_map(move |odd| format!("{}{odd}", base.path)),
        1 => odd(),
        1 => some(&PATHS),
    ];
    (method, scheme, user, host, port, path).prop_map(|(method, scheme, user, host, port, path)| {
        (method, format!("{scheme}://{user}{host}{port}{path}"))
    })
}

const ODD_HOSTS: [&str; 12] = [
    "A.TEST",
    "a.test.",
    ".a.test",
    "xa.test",
    "a.test.d.test",
    "x.b.a.test",
    "b..a.test",
    "0x7f.1",
    "127.1",
    "[::ffff:7f00:1]",
    "ａ.test",
    "%61.test",
];
const PIECES: [&str; 24] = [
    "/v1",
    "/x",
    "/y",
    "/..",
    "/.",
    "/%2e%2e",
    "/%2E.",
    "%2f..",
    "%2F",
    "%5c..",
    "\\..",
    ";/..",
    "/..;p",
    "/..%3bp",
    "/",
    "//",
    "/%76%31",
    "/V1",
    "/v10",
    "%00",
    "/%252e%252e",
    "/ä",
    "?q=/v1",
    "#/v1",
];

type Grant = Side<(Place, Vec<&'static str>)>;

/// What is asked, what is allowed, and requests that are tried: all of it around one place.
fn scene(requests: usize) -> impl Strategy<Value = (Side<Wish>, Grant, Vec<(&'static str, String)>)> {
    place().prop_flat_map(move |base| {
        let grant = side((near(&base), methods()));
        (side(wish(&base)), grant, prop::collection::vec(request(&base), requests))
    })
}

/// The manifest as an author writes it, and the settings that an operator gives it.
fn written(asks: &Side<Wish>) -> (Manifest, serde_json::Value) {
    let mut toml = format!(
        "id = \"any\"\nversion = \"1.0.0\"\nkind = \"tool\"\ndescription = \"x\"\nkv = {}\nscratch = {}\n",
        asks.kv, asks.scratch
    );
    let (mut settings, mut schema) = (json!({}), String::new());
    for (number, wish) in asks.http.iter().enumerate() {
        let (text, setting) = wish.written(number);
        toml += &text;
        if let Some((name, value)) = setting {
            schema += &format!("{name} = {{ type = \"string\" }}\n");
            settings[name] = value.into();
        }
    }
    for (name, host) in &asks.secrets {
        toml += &format!("[[secret]]\nname = \"{name}\"\naudience = \"https://{host}\"\n");
    }
    toml += &format!("[settings]\ntype = \"object\"\n[settings.properties]\n{schema}");
    let manifest = Manifest::from_toml(&toml).unwrap_or_else(|error| panic!("{error}\n{toml}"));
    (manifest, settings)
}

fn allowed(grant: &Grant) -> Permissions {
    let rule = |(place, methods): &(Place, Vec<&str>)| {
        let text = format!("{} {}://{}{}", methods.join(","), place.scheme, place.authority(), place.path);
        text.parse::<HttpRule>().unwrap_or_else(|error| panic!("{error}"))
    };
    let secret = |(name, host): &(&str, &str)| SecretRule {
        name: (*name).to_owned(),
        audience: Origin::parse(&format!("https://{host}")).unwrap(),
        optional: false,
    };
    Permissions {
        http: grant.http.iter().map(rule).collect(),
        secrets: grant.secrets.iter().map(secret).collect(),
        kv: grant.kv,
        scratch: grant.scratch,
        ..Permissions::default()
    }
}

/// Whether both sides were asked, and both said yes.
fn both_let(asks: &Side<Wish>, grant: &Grant, method: &str, url: &Url) -> bool {
    url.username().is_empty()
        && url.password().is_none()
        && asks.http.iter().any(|wish| wish.lets(method, url))
        && grant.http.iter().any(|(place, methods)| methods.contains(&method) && place.lets("/", url))
}

proptest! {
    #[test]
    fn nothing_is_wider_than_what_is_asked_or_than_what_is_allowed(
        (asks, grant, requests) in scene(40),
    ) {
        let (manifest, settings) = written(&asks);
        let asked = manifest.permissions(&settings).unwrap();
        let (granted, _) = effective(&asked, Some(&allowed(&grant)));
        for (method, text) in &requests {
            let Ok(url) = Url::parse(text) else { continue };
            if granted.permits(method, &url).is_ok() {
                prop_assert!(both_let(&asks, &grant, method, &url), "{method} {text} as {url}: {granted:?}");
            }
        }
        for name in ["k", "l"] {
            let audience = granted.secret_audience(name).map(ToString::to_string);
            for side in [&asks.secrets, &grant.secrets] {
                let known = side.iter().find(|(known, _)| *known == name).map(|(_, host)| format!("https://{host}"));
                prop_assert!(audience.is_none() || audience == known, "{name}: {audience:?} {known:?}");
            }
        }
        prop_assert_eq!(granted.kv, asks.kv && grant.kv);
        prop_assert_eq!(granted.scratch, asks.scratch && grant.scratch);
        prop_assert!(!granted.index && !granted.embed);
        let (without, _) = effective(&asked, None);
        prop_assert!(without.is_empty());
    }
}

/// The property above says nothing where nothing is ever permitted, or nothing is written in an odd way.
#[test]
fn enough_of_what_is_generated_is_permitted() {
    let mut runner = TestRunner::deterministic();
    let (mut tried, mut permitted, mut refused) = (0, 0, 0);
    for _ in 0..500 {
        let (asks, grant, requests) = scene(20).new_tree(&mut runner).unwrap().current();
        let (manifest, settings) = written(&asks);
        let (granted, _) = effective(&manifest.permissions(&settings).unwrap(), Some(&allowed(&grant)));
        for (method, text) in requests {
            let Ok(url) = Url::parse(&text) else { continue };
            tried += 1;
            let is_permitted = granted.permits(method, &url).is_ok();
            permitted += u32::from(is_permitted);
            // What servers might read in two ways is refused though it could be meant well.
            refused += u32::from(!is_permitted && both_let(&asks, &grant, method, &url));
        }
    }
    assert!(permitted * 50 > tried && refused > 10, "{permitted} permitted, {refused} refused of {tried}");
}
