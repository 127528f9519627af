use std::io::Read;

use super::double::{Double, next, raw, read_head, scripted, wait_for_close};
use super::*;
use crate::secret::Secret;
use tokio::io::AsyncWriteExt;

/// A million parts that name a secret cost a guest a few bytes each; joined they would be 64 GiB.
#[tokio::test]
async fn what_is_too_large_is_refused_before_it_is_put_together() {
    let origin = Origin::parse("http://far.test").unwrap();
    let mut permissions = permits("http://far.test/");
    permissions.secrets.push(hardpoint_domain::grant::SecretRule {
        name: "k".into(),
        audience: origin.clone(),
        optional: false,
    });
    let secrets = BTreeMap::from([("k".to_owned(), Secret::new("s".repeat(64 << 10), origin))]);
    let parts = vec![Part::Secret { name: "k".into(), encoding: SecretEncoding::Raw }; 1_000_000];
    let headers = vec![("x-long".to_owned(), parts.clone())];
    for request in
        [post("http://far.test/", parts), EgressRequest { headers, ..post("http://far.test/", Vec::new()) }]
    {
        let error = egress().send(request, &permissions, &secrets, &options()).await.unwrap_err();
        assert_eq!(error.kind, EgressErrorKind::Denied);
        assert!(error.message.contains("65536000000 bytes") || error.message.contains("64 KiB"), "{error}");
    }
}

#[tokio::test]
async fn parts_are_joined_and_secrets_written_as_asked() {
    let double = Double::ok().await;
    let origin = Origin::parse(&double.url("")).unwrap();
    let mut permissions = permits(&double.url(""));
    permissions.secrets.push(hardpoint_domain::grant::SecretRule {
        name: "k".into(),
        audience: origin.clone(),
        optional: false,
    });
    let secrets = BTreeMap::from([("k".to_owned(), Secret::new("p\"w ö/1", origin))]);
    let secret = |encoding| Part::Secret { name: "k".into(), encoding };
    let body = vec![
        text("{\"k\":\""),
        secret(SecretEncoding::Json),
        text("\",\"b\":\""),
        secret(SecretEncoding::Base64),
        text("\",\"u\":\""),
        secret(SecretEncoding::Url),
        text("\"}"),
    ];
    let expected = r#"{"k":"p\"w ö/1","b":"cCJ3IMO2LzE=","u":"p%22w%20%C3%B6%2F1"}"#;
    for gzip in [false, true] {
        let headers =
            vec![("X-Two".to_owned(), vec![text("a"), text("b")]), ("x-two".to_owned(), vec![text("c")])];
        let request = EgressRequest { headers, gzip, ..post(&double.url("/p?q=%20"), body.clone()) };
        let answer = egress().send(request, &permissions, &secrets, &options()).await.unwrap();
        assert_eq!((answer.status, read(answer.body).await.unwrap().as_str()), (200, "fine"));

        let got = double.take().remove(0);
        assert_eq!((got.method().as_str(), got.uri().to_string().as_str()), ("POST", "/p?q=%20"));
        let values = |name: &str| got.headers().get_all(name).iter().cloned().collect::<Vec<_>>();
        assert_eq!(values("x-two"), ["ab", "c"]);
        assert_eq!(values("host"), [format!("api.test:{}", double.port).as_str()]);
        assert_eq!(values("accept-encoding"), ["identity"]);
        assert_eq!(values("content-length"), [got.body().len().to_string().as_str()]);
        assert!(values("user-agent")[0].to_str().unwrap().starts_with("hardpoint/"));
        let mut sent = String::new();
        if gzip {
            assert_eq!(values("content-encoding"), ["gzip"]);
            flate2::read::GzDecoder::new(&got.body()[..]).read_to_string(&mut sent).unwrap();
        } else {
            sent = String::from_utf8(got.body().to_vec()).unwrap();
        }
        assert_eq!(sent, expected);
    }
}

#[tokio::test]
async fn a_large_body_is_compressed_and_sent_whole() {
    let double = Double::ok().await;
    let large = "0123456789".repeat(200_000);
    for gzip in [false, true] {
        let request = EgressRequest { gzip, ..post(&double.url("/"), vec![text(&large)]) };
        assert_eq!(send(&egress(), request).await.unwrap().status, 200);
        let got = double.take().remove(0);
        assert_eq!(got.body().len() < 100_000, gzip);
    }
}

#[tokio::test]
async fn redirects_are_answers() {
    let target = Double::ok().await;
    let location = target.url("/elsewhere");
    for status in [301, 302, 303, 307, 308] {
        let location = location.clone();
        let double = Double::start(move |_| {
            http::Response::builder()
                .status(status)
                .header("location", &location)
                .body(String::new())
                .unwrap()
        })
        .await;
        let answer = send(&egress(), get(&double.url("/"))).await.unwrap();
        assert_eq!(answer.status, status);
        assert!(answer.headers["location"].to_str().unwrap().ends_with("/elsewhere"));
    }
    assert_eq!(target.connections(), 0);
}

#[tokio::test]
async fn a_connection_is_used_again_and_its_name_resolved_once() {
    let double = Double::ok().await;
    let resolver = resolver(&[(HOST, &["127.0.0.1"])]);
    let egress =
        Egress::new(EgressConfig { resolver: Some(Arc::clone(&resolver) as _), ..config() }).unwrap();
    for _ in 0..20 {
        let answer = send(&egress, get(&double.url("/"))).await.unwrap();
        assert_eq!(read(answer.body).await.unwrap(), "fine");
    }
    assert_eq!(double.connections(), 1);
    assert_eq!(resolver.asked.load(Ordering::SeqCst), 1);
    let stats = egress.stats();
    let origin = &stats.origins[0];
    assert_eq!(origin.origin, double.url(""));
    assert_eq!((origin.requests, origin.connections, origin.idle, origin.failures), (20, 1, 1, 0));
    assert_eq!(origin.bytes_received, 80);
}

#[tokio::test]
async fn an_answer_without_a_body_gives_its_connection_back_at_once() {
    let double = Double::start(|_| http::Response::builder().status(204).body(String::new()).unwrap()).await;
    let egress = egress();
    let first = send(&egress, get(&double.url("/"))).await.unwrap();
    let second = send(&egress, get(&double.url("/"))).await.unwrap();
    assert_eq!((first.status, second.status, double.connections()), (204, 204, 1));
}

#[tokio::test]
async fn a_connection_that_was_closed_while_it_waited_is_not_used() {
    // Announces nothing and closes after each answer.
    let port = raw(|mut stream| async move {
        read_head(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
    })
    .await;
    let egress = egress();
    for _ in 0..5 {
        let answer = send(&egress, get(&format!("http://{HOST}:{port}/"))).await.unwrap();
        assert_eq!(read(answer.body).await.unwrap(), "ok");
        // The close is noticed once the event loop has seen it.
        while egress.shared.pool.take(&egress.shared.pool.origin(&format!("http://{HOST}:{port}"))).is_some()
        {
            tokio::task::yield_now().await;
        }
    }
    assert_eq!(egress.stats().origins[0].connections, 5);
}

#[tokio::test]
async fn connections_that_nobody_asks_for_again_are_closed() {
    let (url, mut reports) = scripted(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
    let egress = Egress::new(EgressConfig { idle_timeout: Duration::from_millis(40), ..config() }).unwrap();
    read(send(&egress, get(&url)).await.unwrap().body).await.unwrap();
    assert_eq!(egress.stats().origins[0].idle, 1);
    assert_eq!(next(&mut reports).await, Some("answered"));
    assert_eq!(next(&mut reports).await, Some("closed"));
    assert_eq!(egress.stats().origins[0].idle, 0);
}

#[tokio::test]
async fn a_body_comes_as_it_is_sent() {
    let port = raw(|mut stream| async move {
        read_head(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n").await.unwrap();
        // The second piece leaves once the reader of the first says so, by a second request's bytes.
        let mut go = [0; 1];
        tokio::io::AsyncReadExt::read(&mut stream, &mut go).await.unwrap();
    })
    .await;
    let mut answer = send(&egress(), get(&format!("http://{HOST}:{port}/"))).await.unwrap();
    assert_eq!(answer.body.chunk().await.unwrap().unwrap(), "one");
}

#[tokio::test]
async fn dropping_a_body_closes_its_connection() {
    let (url, mut reports) =
        scripted(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n").await;
    let egress = egress();
    let mut answer = send(&egress, get(&url)).await.unwrap();
    assert_eq!(answer.body.chunk().await.unwrap().unwrap(), "one");
    assert_eq!(next(&mut reports).await, Some("answered"));
    drop(answer);
    assert_eq!(next(&mut reports).await, Some("closed"));
}

#[tokio::test]
async fn dropping_a_request_closes_its_connection() {
    let (report, mut reports) = tokio::sync::mpsc::unbounded_channel();
    let port = raw(move |mut stream| {
        let report = report.clone();
        async move {
            read_head(&mut stream).await;
            report.send("asked").unwrap();
            wait_for_close(&mut stream).await;
            report.send("closed").unwrap();
        }
    })
    .await;
    let egress = egress();
    let request = send(&egress, get(&format!("http://{HOST}:{port}/")));
    tokio::select! {
        _ = request => panic!("nobody answers"),
        asked = next(&mut reports) => assert_eq!(asked, Some("asked")),
    }
    assert_eq!(next(&mut reports).await, Some("closed"));
}

#[tokio::test]
async fn draining_gives_a_connection_back() {
    let chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n";
    let (url, _reports) = scripted(chunked).await;
    let egress = egress();
    let mut answer = send(&egress, get(&url)).await.unwrap();
    assert_eq!(answer.body.chunk().await.unwrap().unwrap(), "one");
    answer.body.drain();
    while egress.stats().origins[0].idle == 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn draining_does_not_wait_long() {
    let (url, mut reports) = scripted(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\none").await;
    let egress = egress();
    send(&egress, get(&url)).await.unwrap().body.drain();
    assert_eq!(next(&mut reports).await, Some("answered"));
    assert_eq!(next(&mut reports).await, Some("closed"));
}

#[tokio::test]
async fn interim_answers_are_passed_over() {
    let (url, _reports) = scripted(
        b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
    )
    .await;
    let answer = send(&egress(), get(&url)).await.unwrap();
    assert_eq!((answer.status, read(answer.body).await.unwrap().as_str()), (200, "ok"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_requests_at_once() {
    raise_open_files();
    let double = Double::start(|got| http::Response::new(got.uri().path().to_owned())).await;
    let egress = egress();
    for round in 0..2 {
        let one = |number: usize| {
            let (egress, url) = (egress.clone(), double.url(&format!("/{round}/{number}")));
            async move {
                let answer = send(&egress, get(&url)).await.unwrap();
                assert_eq!(read(answer.body).await.unwrap(), format!("/{round}/{number}"));
            }
        };
        let all: Vec<_> = (0..1_000).map(|number| tokio::spawn(one(number))).collect();
        for request in all {
            request.await.unwrap();
        }
    }
    let stats = egress.stats();
    assert_eq!((stats.origins[0].requests, stats.origins[0].failures), (2_000, 0));
    assert!(stats.origins[0].idle <= EgressConfig::default().max_idle_per_origin);
}

/// Both ends of every connection are in this process.
fn raise_open_files() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum.map_or(Some(16_384), |most| Some(most.min(16_384)));
    setrlimit(Resource::Nofile, limit).unwrap();
}
