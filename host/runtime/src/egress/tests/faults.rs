use super::double::{Double, next, raw, read_head, scripted, wait_for_close};
use super::*;
use tokio::io::AsyncWriteExt;

/// What becomes of an answer made of these bytes, after which the server closes.
async fn outcome(answer: &'static [u8]) -> Result<String, EgressError> {
    let port = raw(move |mut stream| async move {
        read_head(&mut stream).await;
        stream.write_all(answer).await.unwrap();
    })
    .await;
    read(send(&egress(), get(&format!("http://{HOST}:{port}/"))).await?.body).await
}

#[tokio::test]
async fn broken_answers_are_told_apart() {
    use EgressErrorKind::{Protocol, Reset};
    let table: [(&[u8], EgressErrorKind); 9] = [
        (b"", Reset),
        (b"HTTP/1.1 200", Reset),
        (b"SSH-2.0-OpenSSH_9.2\r\n", Protocol),
        (b"HTTP/1.1 200 OK\r\nbad header\r\n\r\n", Protocol),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nfour", Reset),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n", Reset),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n", Reset),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzzz\r\none\r\n", Protocol),
        (b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n", Protocol),
    ];
    for (answer, kind) in table {
        let shown = String::from_utf8_lossy(answer);
        assert_eq!(outcome(answer).await.unwrap_err().kind, kind, "{shown}");
    }
    // Without a length the end of the connection is the end of the body (RFC 9112, section 6.3).
    assert_eq!(outcome(b"HTTP/1.1 200 OK\r\n\r\nall of it").await.unwrap(), "all of it");
}

#[tokio::test]
async fn a_head_without_end_is_refused() {
    let port = raw(|mut stream| async move {
        read_head(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\nx: ").await.unwrap();
        while stream.write_all(&[b'a'; 4096]).await.is_ok() {}
    })
    .await;
    let error = send(&egress(), get(&format!("http://{HOST}:{port}/"))).await.unwrap_err();
    assert_eq!(error.kind, EgressErrorKind::Protocol);
}

#[tokio::test]
async fn an_answer_may_have_so_many_bytes_and_no_more() {
    let double = Double::start(|_| http::Response::new("x".repeat(1_000))).await;
    let egress = egress();
    let limited = |bytes| options().max_response(bytes);
    let answer = send_with(&egress, get(&double.url("/")), &limited(1_000)).await.unwrap();
    assert_eq!(read(answer.body).await.unwrap().len(), 1_000);
    let error = send_with(&egress, get(&double.url("/")), &limited(999)).await.unwrap_err();
    assert_eq!(error.kind, EgressErrorKind::TooLarge);

    let endless = raw(|mut stream| async move {
        read_head(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await.unwrap();
        while stream.write_all(b"4\r\nmore\r\n").await.is_ok() {}
    })
    .await;
    let url = format!("http://{HOST}:{endless}/");
    let mut answer = send_with(&egress, get(&url), &limited(10_000)).await.unwrap();
    let mut received = 0;
    let error = loop {
        match answer.body.chunk().await.unwrap() {
            Ok(chunk) => received += chunk.len(),
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind, EgressErrorKind::TooLarge);
    assert!(received <= 10_000);
    assert!(answer.body.chunk().await.is_none());
}

#[tokio::test]
async fn every_stage_has_its_time_limit() {
    let egress = egress();
    let names_the_key = |error: EgressError, key: &str| {
        assert_eq!(error.kind, EgressErrorKind::Timeout, "{error}");
        assert!(error.message.contains(key), "{error}");
    };

    let silent = raw(|mut stream| async move { wait_for_close(&mut stream).await }).await;
    let error = send_with(&egress, get(&format!("http://{HOST}:{silent}/")), &impatient()).await.unwrap_err();
    names_the_key(error, "egress.first_byte_timeout");

    // A server that never shakes hands.
    let error =
        send_with(&egress, get(&format!("https://{HOST}:{silent}/")), &impatient()).await.unwrap_err();
    names_the_key(error, "egress.connect_timeout");

    let (url, mut reports) =
        scripted(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n").await;
    let mut answer = send_with(&egress, get(&url), &impatient()).await.unwrap();
    assert_eq!(answer.body.chunk().await.unwrap().unwrap(), "one");
    names_the_key(answer.body.chunk().await.unwrap().unwrap_err(), "egress.gap_timeout");
    assert!(answer.body.chunk().await.is_none());
    assert_eq!(next(&mut reports).await, Some("answered"));
    assert_eq!(next(&mut reports).await, Some("closed"));

    let never = Arc::new(FakeResolver { never: true, ..FakeResolver::default() });
    let stuck = Egress::new(EgressConfig { resolver: Some(never), ..config() }).unwrap();
    let error = send_with(&stuck, get("http://api.test/"), &impatient()).await.unwrap_err();
    names_the_key(error, "egress.connect_timeout");
    assert_eq!(egress.stats().origins.iter().map(|origin| origin.failures).sum::<u64>(), 3);
}

#[tokio::test(start_paused = true)]
async fn the_gap_is_counted_while_the_reader_waits() {
    let (url, _reports) =
        scripted(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n")
            .await;
    let egress = egress();
    let mut answer = send(&egress, get(&url)).await.unwrap();
    assert_eq!(answer.body.chunk().await.unwrap().unwrap(), "one");
    // A reader that takes its time is no fault of the server.
    tokio::time::advance(Duration::from_secs(3_600)).await;
    assert_eq!(answer.body.chunk().await.unwrap().unwrap(), "two");
    assert!(answer.body.chunk().await.is_none());
}

#[tokio::test]
async fn what_cannot_be_reached_is_no_connection() {
    let listener = tokio::net::TcpListener::bind((loopback(), 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    for url in [format!("http://{HOST}:{port}/"), "http://unknown.test/".to_owned()] {
        let error = send(&egress(), get(&url)).await.unwrap_err();
        assert_eq!(error.kind, EgressErrorKind::Connect, "{error}");
    }
}

#[tokio::test]
async fn the_next_address_is_tried_when_one_does_not_answer() {
    let double = Double::ok().await;
    // Nothing listens on the first.
    let resolver = resolver(&[(HOST, &["127.0.0.2", "::1", "127.0.0.1"])]);
    let egress = Egress::new(EgressConfig { resolver: Some(resolver), ..config() }).unwrap();
    assert_eq!(send(&egress, get(&double.url("/"))).await.unwrap().status, 200);
}
