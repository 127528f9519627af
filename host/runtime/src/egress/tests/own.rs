//! Requests of the host's own: webhooks.

use std::sync::Mutex;

use tokio::io::AsyncWriteExt;

use super::double::{Double, next, raw, read_head};
use super::hosts::HOSTS;
use super::*;

const LIMIT: Duration = Duration::from_secs(5);

fn own(url: &str) -> OwnPost {
    OwnPost { url: url.to_owned(), headers: vec![("x-name", "value".to_owned())], body: "{}".into() }
}

fn webhooks(config: EgressConfig) -> Egress {
    Egress::new(EgressConfig { senders: Senders::Webhooks, ..config }).unwrap()
}

async fn refused(egress: &Egress, url: &str) -> String {
    let error = egress.post(own(url), LIMIT).await.unwrap_err();
    assert_eq!(error.kind, EgressErrorKind::Denied, "{url}: {error}");
    error.message
}

/// Already when an endpoint is made, and when something is sent.
#[tokio::test]
async fn hosts_that_nobody_outside_may_reach_are_refused() {
    let egress = webhooks(EgressConfig::default());
    for (what, host) in HOSTS {
        let url = format!("https://{host}:9/");
        let message = refused(&egress, &url).await;
        assert!(message.contains("egress.allow_internal_webhooks"), "{what}: {message}");
        assert_eq!(egress.check_post(&url).unwrap_err().kind, EgressErrorKind::Denied, "{what}");
        assert!(refused(&egress, &format!("http://{host}:9/")).await.contains("https"), "{what}");
    }
}

#[tokio::test]
async fn names_that_lead_inside_are_refused_when_they_are_used() {
    let names: [(&str, &[&str]); 4] = [
        ("loop.test", &["127.0.0.1"]),
        ("meta.test", &["169.254.169.254"]),
        ("mapped.test", &["::ffff:10.0.0.1"]),
        ("mixed.test", &["93.184.216.34", "10.0.0.1"]),
    ];
    let egress = webhooks(EgressConfig { resolver: Some(resolver(&names)), ..EgressConfig::default() });
    for (name, addresses) in names {
        let url = format!("https://{name}/");
        egress.check_post(&url).unwrap();
        let message = refused(&egress, &url).await;
        assert!(
            !addresses.iter().any(|address| message.contains(address)),
            "tells what is inside: {message}"
        );
    }
}

/// Answers the first look-up of every name with a public address, and all others with the loopback one.
#[derive(Debug, Default)]
struct Turncoat(Mutex<HashMap<String, usize>>);

impl Resolve for Turncoat {
    fn resolve<'a>(&'a self, host: &'a str) -> BoxFuture<'a, std::io::Result<Vec<IpAddr>>> {
        let mut asked = self.0.lock().unwrap();
        let count = asked.entry(host.to_owned()).or_default();
        *count += 1;
        let address = if *count == 1 { "192.88.98.1".parse().unwrap() } else { loopback() };
        Box::pin(async move { Ok(vec![address]) })
    }
}

/// What is looked at is what is connected to, for webhooks and for plugins.
#[tokio::test]
async fn a_name_that_changes_its_answer_leads_nowhere() {
    let double = Double::ok().await;
    let limit = Duration::from_millis(200);
    let config = || EgressConfig { resolver: Some(Arc::new(Turncoat::default())), ..EgressConfig::default() };
    let egress = webhooks(config());
    let url = format!("https://turn.test:{}/", double.port);
    let first = egress.post(own(&url), limit).await.unwrap_err();
    assert_ne!(first.kind, EgressErrorKind::Denied, "it went to the public address: {first}");
    refused(&egress, &url).await;

    let egress = Egress::new(config()).unwrap();
    let url = format!("http://turn.test:{}/", double.port);
    let first = send_with(&egress, get(&url), &impatient()).await.unwrap_err();
    assert_ne!(first.kind, EgressErrorKind::Denied, "{first}");
    let second = send_with(&egress, get(&url), &impatient()).await.unwrap_err();
    assert_eq!((second.kind, double.connections()), (EgressErrorKind::Denied, 0), "{second}");
}

#[tokio::test]
async fn an_operator_opens_a_host_to_webhooks_over_http_too() {
    let double = Double::ok().await;
    let egress = webhooks(config());
    let answer = egress.post(own(&double.url("/hook?a=b")), LIMIT).await.unwrap();
    assert_eq!(answer, OwnAnswer { status: 200, retry_after: None });
    let arrived = double.take().remove(0);
    assert_eq!((arrived.method().as_str(), arrived.headers()["x-name"].to_str().unwrap()), ("POST", "value"));
    // And no other.
    assert!(refused(&egress, &format!("http://127.0.0.1:{}/", double.port)).await.contains("https"));
    for url in ["", "/hook", "ftp://api.test/", "https://u:p@api.test/", "https://api.test/#a", "https://"] {
        assert!(refused(&egress, url).await.starts_with("the URL is refused"), "{url}");
    }
}

/// Reports what it is asked for, and opens no tunnel.
async fn proxy() -> (String, tokio::sync::mpsc::UnboundedReceiver<String>) {
    let (report, reports) = tokio::sync::mpsc::unbounded_channel();
    let port = raw(move |mut stream| {
        let report = report.clone();
        async move {
            let head = read_head(&mut stream).await;
            report.send(head.lines().next().unwrap_or_default().to_owned()).unwrap();
            stream.write_all(b"HTTP/1.1 502 Bad Gateway\r\n\r\n").await.unwrap();
        }
    })
    .await;
    (format!("http://127.0.0.1:{port}"), reports)
}

/// A proxy alone would know where a name leads: so it is asked for addresses that were looked at here, and for nothing
/// else.
#[tokio::test]
async fn a_proxy_is_asked_for_what_was_looked_at() {
    let names: [(&str, &[&str]); 3] = [
        ("meta.test", &["169.254.169.254"]),
        ("mixed.test", &["93.184.216.34", "10.0.0.1"]),
        ("far.test", &["93.184.216.34", "2606:2800:220:1::1"]),
    ];
    let (proxy, mut asked) = proxy().await;
    let config =
        EgressConfig { proxy: Some(proxy), resolver: Some(resolver(&names)), ..EgressConfig::default() };
    let egress = webhooks(config);
    for url in ["https://meta.test/", "https://mixed.test/", "https://127.0.0.1/", "https://localhost/"] {
        refused(&egress, url).await;
    }
    let unknown = egress.post(own("https://unknown.test/"), LIMIT).await.unwrap_err();
    assert!(unknown.message.contains("cannot be resolved"), "{unknown}");
    let failed = egress.post(own("https://far.test:8443/"), LIMIT).await.unwrap_err();
    assert_eq!(failed.kind, EgressErrorKind::Connect, "{failed}");
    for address in ["93.184.216.34", "[2606:2800:220:1::1]"] {
        assert_eq!(next(&mut asked).await.unwrap(), format!("CONNECT {address}:8443 HTTP/1.1"));
    }
    assert!(asked.try_recv().is_err(), "the refused did not come to it");
}

/// Also from one attempt to the next.
#[tokio::test]
async fn a_name_that_changes_its_answer_leads_nowhere_behind_a_proxy() {
    let (proxy, mut asked) = proxy().await;
    let resolver = Some(Arc::new(Turncoat::default()) as Arc<dyn Resolve>);
    let egress = webhooks(EgressConfig { proxy: Some(proxy), resolver, ..EgressConfig::default() });
    egress.post(own("https://turn.test/"), LIMIT).await.unwrap_err();
    refused(&egress, "https://turn.test/").await;
    assert_eq!(next(&mut asked).await.unwrap(), "CONNECT 192.88.98.1:443 HTTP/1.1");
    assert!(asked.try_recv().is_err());
}
