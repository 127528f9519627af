//! Documents that are large, or have very many parts: what is over the limit is refused while it comes, and what is within
//! it is read without being held.

use std::time::Duration;

use hardpoint_tests::client::Client;
use hardpoint_tests::host::{Host, Options};
use hardpoint_tests::patience::{soon, until};
use hardpoint_tests::process::status_bytes;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::knowledge::{make_base, options, upload};
use crate::knowledge_hostile::is_found;
use crate::money::count;

/// What a document may cost a host, whatever its size, in bytes.
const MEMORY: u64 = 512 << 20;
/// How long a test waits for a MiB of text to be read, in a build that is not optimised.
const OF_A_MIB: Duration = Duration::from_secs(20);

fn with_limit(limit: &str) -> Options {
    options().env("HARDPOINT__KNOWLEDGE__MAX_DOCUMENT", limit)
}

/// Files in the folder of documents, those on their way among them.
fn blobs(host: &Host) -> usize {
    std::fs::read_dir(host.folder().join("data/blobs/documents")).into_iter().flatten().count()
}

/// Begins an upload that says to be so long, and sends so many bytes of its file; the answer, which comes without the rest.
async fn answered_after(host: &Host, base: &str, said: usize, sent: usize) -> String {
    let address = host.origin().strip_prefix("http://").expect("an address");
    let mut socket = TcpStream::connect(address).await.expect("a connection");
    let head = format!(
        "POST /api/v1/knowledge/{base}/documents HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {}\r\n\
         content-type: multipart/form-data; boundary=b\r\ncontent-length: {said}\r\n\r\n",
        host.key()
    );
    socket.write_all(head.as_bytes()).await.expect("the head is taken");
    let part = b"--b\r\ncontent-disposition: form-data; name=\"file\"; filename=\"large.txt\"\r\n\r\n";
    let body = [&part[..], &vec![b'x'; sent]].concat();
    // It may have been answered, and closed, before all of this was taken.
    drop(socket.write_all(&body[..if sent == 0 { 0 } else { body.len() }]).await);
    let mut answer = Vec::new();
    let ends = |answer: &[u8]| answer.ends_with(b"}");
    soon("an answer", async {
        let mut piece = [0; 4_096];
        while let Ok(length @ 1..) = socket.read(&mut piece).await {
            answer.extend_from_slice(&piece[..length]);
            if ends(&answer) {
                break;
            }
        }
    })
    .await;
    String::from_utf8(answer).expect("a text")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_over_the_limit_is_refused_while_it_comes() {
    let host = Host::start(with_limit("1MiB")).await;
    let client = host.client();
    let base = make_base(&client, &json!({ "name": "Small" })).await;
    let limit = 1 << 20;
    for (said, sent) in [(90 << 20, limit + 1), (limit + 1_000, limit + 1), (900 << 20, 0)] {
        let answer = answered_after(&host, &base, said, sent).await;
        assert!(answer.starts_with("HTTP/1.1 413 "), "{said} {sent}: {answer}");
        assert!(sent == 0 || answer.contains("large.txt"), "{answer}");
    }
    until("nothing of it is left", || async { (blobs(&host) == 0).then_some(()) }).await;
    assert_eq!(client.get("/api/v1/documents").await.expect(200)["total"], 0);
    // All that is allowed comes in.
    let whole = upload(&client, &base, "whole.txt", &vec![b'x'; limit]).await;
    assert_eq!((&whole["size"], blobs(&host)), (&limit.into(), 1));
}

/// The document once it is no longer read, which may take as long as that many MiB of text.
pub(crate) async fn ended(client: &Client, document: &Value, mib: u32) -> Value {
    let path = format!("/api/v1/documents/{}", document["id"].as_str().expect("an id"));
    let reading = async {
        loop {
            let document = client.get(&path).await.expect(200);
            if document["status"] != "processing" {
                return document;
            }
            // It happens in another process: there is nothing to be woken by.
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    let patience = Duration::from_secs(60) + OF_A_MIB * mib;
    tokio::time::timeout(patience, reading).await.unwrap_or_else(|_| panic!("not read in {patience:?}"))
}

/// `HARDPOINT_LARGE_MIB=100` is all that a document may have by default.
#[tokio::test(flavor = "multi_thread")]
async fn a_large_text_is_read_in_bounded_memory() {
    let mib = count("HARDPOINT_LARGE_MIB", 4);
    let host = Host::start(with_limit(&format!("{mib}MiB"))).await;
    let client = host.client();
    let base = make_base(&client, &json!({ "name": "Large" })).await;
    let first = upload(&client, &base, "first.txt", b"A wren sings.").await;
    ended(&client, &first, 1).await;
    let before = status_bytes(host.pid(), "VmHWM");
    let size = (mib as usize) << 20;
    let mut text = String::with_capacity(size);
    for line in 0.. {
        let next = format!(
            "Line {line} of a long text, which says marker{line} once and then goes on a little.\n\n"
        );
        if text.len() + next.len() > size {
            break;
        }
        text.push_str(&next);
    }
    let last =
        text.rsplit("marker").next().and_then(|rest| rest.split(' ').next()).expect("a line").to_owned();
    // Exactly as large as it may be.
    text.push_str(&"z".repeat(size - text.len()));
    let sent = upload(&client, &base, "large.txt", text.as_bytes()).await;
    let received = status_bytes(host.pid(), "VmHWM") - before;
    // Others are read meanwhile.
    let beside = upload(&client, &base, "beside.txt", b"A heron stands.").await;
    assert_eq!(ended(&client, &beside, mib).await["status"], "indexed");
    let read = ended(&client, &sent, mib).await;
    let taken = status_bytes(host.pid(), "VmHWM") - before;
    eprintln!(
        "\n{mib} MiB of text: {} with {}; {} MiB of memory to take it in, {} MiB to read it",
        read["status"],
        read["coverage"]["chunks"],
        received >> 20,
        taken >> 20
    );
    assert!(received < 64 << 20 && taken < MEMORY, "{} and {} MiB", received >> 20, taken >> 20);
    if read["status"] == "indexed" {
        for line in ["0", &last] {
            let id = sent["id"].as_str().expect("an id");
            assert!(is_found(&client, &base, &format!("marker{line}"), id).await, "line {line}");
        }
    } else {
        assert!(read["reason"].as_str().is_some_and(|reason| !reason.is_empty()), "{read}");
    }
}

/// `HARDPOINT_PARAGRAPHS=1000000` are as many as the issue asks for.
#[tokio::test(flavor = "multi_thread")]
async fn very_many_tiny_paragraphs_are_one_document() {
    let paragraphs = count("HARDPOINT_PARAGRAPHS", 50_000);
    let host = Host::start(options()).await;
    let client = host.client();
    let base = make_base(&client, &json!({ "name": "Tiny" })).await;
    let tiny = |paragraph: &str| paragraph.repeat(paragraphs as usize);
    let before = status_bytes(host.pid(), "VmHWM");
    for (filename, text) in [
        ("tiny.txt", format!("{}A wren sings.", tiny("a\n\n"))),
        ("tiny.html", format!("<!DOCTYPE html>{}<p>A wren sings.", tiny("<p>a"))),
    ] {
        let sent = upload(&client, &base, filename, text.as_bytes()).await;
        let read = ended(&client, &sent, 1 + paragraphs / 50_000).await;
        assert_eq!(read["status"], "indexed", "{read}");
        assert!(is_found(&client, &base, "wren", read["id"].as_str().expect("an id")).await, "{filename}");
        eprintln!("\n{filename} of {paragraphs} paragraphs: {} passages", read["coverage"]["chunks"]);
    }
    let taken = status_bytes(host.pid(), "VmHWM") - before;
    assert!(taken < MEMORY, "{} MiB", taken >> 20);
}
