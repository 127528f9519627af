use super::double::{Double, next, raw, read_head};
use super::*;
use tokio::io::AsyncWriteExt;

fn through(proxy: &str) -> Egress {
    let config = EgressConfig {
        proxy: Some(proxy.to_owned()),
        resolver: Some(resolver(&[("inside.test", &["127.0.0.1"])])),
        allow_internal: vec!["inside.test".to_owned()],
        ..EgressConfig::default()
    };
    Egress::new(config).unwrap()
}

#[tokio::test]
async fn plain_requests_go_to_the_proxy_with_the_whole_address() {
    let proxy = Double::ok().await;
    let egress = through(&format!("http://user:p%40ss@127.0.0.1:{}", proxy.port));
    let answer = send(&egress, get("http://far.test/a?b")).await.unwrap();
    assert_eq!(read(answer.body).await.unwrap(), "fine");
    let got = proxy.take().remove(0);
    assert_eq!(got.uri(), "http://far.test/a?b");
    assert_eq!(got.headers()["host"], "far.test");
    assert_eq!(got.headers()["proxy-authorization"], "Basic dXNlcjpwQHNz");
}

#[tokio::test]
async fn secure_requests_go_through_a_tunnel() {
    let (report, mut reports) = tokio::sync::mpsc::unbounded_channel();
    let port = raw(move |mut stream| {
        let report = report.clone();
        async move {
            report.send(read_head(&mut stream).await).unwrap();
            stream.write_all(b"HTTP/1.1 403 Forbidden\r\n\r\n").await.unwrap();
        }
    })
    .await;
    let error =
        send(&through(&format!("http://127.0.0.1:{port}")), get("https://far.test/")).await.unwrap_err();
    assert_eq!(error.kind, EgressErrorKind::Connect);
    assert!(error.message.contains("it answered 403"), "{error}");
    assert_eq!(
        next(&mut reports).await.unwrap(),
        "CONNECT far.test:443 HTTP/1.1\r\nHost: far.test:443\r\n\r\n"
    );
}

#[tokio::test]
async fn a_proxy_is_no_way_to_private_addresses() {
    let proxy = Double::ok().await;
    let egress = through(&format!("http://127.0.0.1:{}", proxy.port));
    for host in ["127.0.0.1", "169.254.169.254", "0x7f.1", "[::1]", "localhost", "a.localhost"] {
        let error = send(&egress, get(&format!("http://{host}/"))).await.unwrap_err();
        assert_eq!(error.kind, EgressErrorKind::Denied, "{host}");
    }
    assert_eq!(proxy.connections(), 0);
}

#[tokio::test]
async fn internal_hosts_are_reached_directly() {
    let (proxy, inside) = (Double::ok().await, Double::ok().await);
    let egress = through(&format!("http://127.0.0.1:{}", proxy.port));
    let answer = send(&egress, get(&format!("http://inside.test:{}/", inside.port))).await.unwrap();
    assert_eq!((answer.status, inside.connections(), proxy.connections()), (200, 1, 0));
}

#[test]
fn proxies_that_are_none_are_refused() {
    for proxy in ["", "proxy", "https://proxy", "socks5://proxy:1080", "http://proxy/path"] {
        let config = EgressConfig { proxy: Some(proxy.to_owned()), ..EgressConfig::default() };
        assert!(Egress::new(config).is_err(), "{proxy}");
    }
    let config =
        EgressConfig { proxy: Some("http://user:secret@proxy:3128".to_owned()), ..EgressConfig::default() };
    assert!(!format!("{:?}", Egress::new(config).unwrap()).contains("secret"));
}
