//! A disk that is full while documents come in and are read, and a retriever that hangs: what cannot be done is said, nothing
//! is found by halves, and others are not held up.

use std::path::PathBuf;

use bytes::Bytes;
use hardpoint_tests::client::Client;
use hardpoint_tests::disk::Disk;
use hardpoint_tests::host::{Host, Options};
use hardpoint_tests::patience::{soon, until};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::knowledge::{ended, make_base, options, try_upload, upload};
use crate::knowledge_hostile::is_found;
use crate::money::{count, customer};

fn id(document: &Value) -> &str {
    document["id"].as_str().expect("an id")
}

/// Documents' bytes, those on their way among them.
fn blobs(host: &Host) -> Vec<PathBuf> {
    let found = std::fs::read_dir(host.folder().join("data/blobs/documents")).into_iter().flatten();
    found.map(|entry| entry.expect("an entry").path()).collect()
}

/// A search while the disk is full: what was found, or that it has to be asked again.
async fn found_meanwhile(client: &Client, base: &str, words: &str) -> Vec<Value> {
    let query = json!({ "query": words, "knowledge": [base], "use_hybrid": true, "similarity_threshold": 0.0, "top_k": 50 });
    let answer = client.post("/api/v1/search", &query).await;
    match answer.status {
        200 => answer.json()["results"].as_array().expect("hits").clone(),
        503 => Vec::new(),
        other => panic!("{other}: {}", answer.text()),
    }
}

async fn stands(client: &Client, document: &str) -> Value {
    client.get(&format!("/api/v1/documents/{document}")).await.expect(200)
}

/// `HARDPOINT_FULL_READING` rounds, each with a disk that is full at another moment of a reading.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_leaves_nothing_by_halves() {
    const LINES: u32 = 4_000;
    let disk = Disk::new();
    let host = Host::start(disk.under(options().env("HARDPOINT__KNOWLEDGE__LEASE", "2s"))).await;
    let client = host.client();
    let base = make_base(&client, &json!({ "name": "Full" })).await;
    let first = upload(&client, &base, "first.txt", b"A wren sings.").await;
    ended(&client, &base, id(&first)).await;
    let mut documents = vec![first];
    for round in 0..count("HARDPOINT_FULL_READING", 3) {
        let text: String = (0..LINES)
            .map(|line| format!("Note {round} of line {line}: marker{round}x{line} is said here once.\n\n"))
            .collect();
        let sent = upload(&client, &base, &format!("notes{round}.txt"), text.as_bytes()).await;
        // Before anything was read of it, in the midst, or at its end, as it comes.
        if round % 3 > 0 {
            until("something to be read", || async {
                let now = stands(&client, id(&sent)).await;
                (now["progress"]["done"] != 0 || now["status"] != "processing").then_some(())
            })
            .await;
        }
        disk.fill();
        until("a refusal", || async {
            let refused = try_upload_raw(&client, &base, "Ships have hulls.").await;
            let (status, kind, retry) = refused;
            (status == 503 && kind == "storage_full" && retry).then_some(())
        })
        .await;
        for line in [0, LINES / 2, LINES - 1] {
            let hits = found_meanwhile(&client, &base, &format!("marker{round}x{line}")).await;
            let of_it = hits.iter().any(|hit| hit["document_id"] == sent["id"]);
            assert!(!of_it || stands(&client, id(&sent)).await["status"] == "indexed", "{hits:?}");
        }
        assert_ne!(stands(&client, id(&sent)).await["status"], "failed", "the document is not at fault");
        disk.make_room();
        let read = ended(&client, &base, id(&sent)).await;
        assert_eq!(read["status"], "indexed", "{read}");
        for line in [0, LINES / 2, LINES - 1] {
            assert!(
                is_found(&client, &base, &format!("marker{round}x{line}"), id(&sent)).await,
                "line {line}"
            );
        }
        documents.push(sent);
    }
    assert!(is_found(&client, &base, "wren", id(&documents[0])).await);
    let total = &client.get(&format!("/api/v1/knowledge/{base}/documents")).await.expect(200)["total"];
    assert_eq!(total, documents.len(), "nothing of what was refused is there");
    until("nothing of what was refused is left", || async {
        (blobs(&host).len() == documents.len()).then_some(())
    })
    .await;
}

/// Status, kind of error, and whether it says when to come again.
async fn try_upload_raw(client: &Client, base: &str, text: &str) -> (u16, String, bool) {
    let form = format!(
        "--b\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n\r\n{text}\r\n--b--\r\n"
    );
    let kind = [("content-type", "multipart/form-data; boundary=b")];
    let answer = client
        .send(http::Method::POST, &format!("/api/v1/knowledge/{base}/documents"), &kind, Bytes::from(form))
        .await;
    let error = answer.json()["error"]["type"].as_str().unwrap_or_default().to_owned();
    (answer.status, error, answer.header("retry-after").is_some())
}

/// The bytes come in, and then there is no more room for them.
#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_becomes_full_during_an_upload() {
    let disk = Disk::new();
    let host = Host::start(disk.under(options())).await;
    let client = host.client();
    let base = make_base(&client, &json!({ "name": "Full" })).await;
    let address = host.origin().strip_prefix("http://").expect("an address");
    let mut socket = TcpStream::connect(address).await.expect("a connection");
    let part = "--b\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n\r\n";
    let (text, end) = ("Ships have hulls. ".repeat(1_000), "\r\n--b--\r\n");
    let head = format!(
        "POST /api/v1/knowledge/{base}/documents HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {}\r\n\
         content-type: multipart/form-data; boundary=b\r\ncontent-length: {}\r\n\r\n",
        host.key(),
        part.len() + 2 * text.len() + end.len()
    );
    socket.write_all(format!("{head}{part}{text}").as_bytes()).await.expect("it is taken");
    until("it is on its way", || async { (!blobs(&host).is_empty()).then_some(()) }).await;
    disk.fill();
    socket.write_all(format!("{text}{end}").as_bytes()).await.expect("it is taken");
    let mut answer = [0; 4_096];
    let length = soon("an answer", socket.read(&mut answer)).await.expect("an answer");
    let answer = String::from_utf8_lossy(&answer[..length]).into_owned();
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("storage_full"), "{answer}");
    until("nothing of it is left", || async { blobs(&host).is_empty().then_some(()) }).await;
    disk.make_room();
    until("room", || async { try_upload(&client, &base, "b.txt", b"A wren sings.").await.map(drop) }).await;
    assert_eq!(client.get("/api/v1/documents").await.expect(200)["total"], 1);
}

const HANGING: &str = "[bindings.hanging]\nplugin = \"hostile-retriever\"\nsettings = { remove = \"sleep\" }\n\
                       [bindings.hanging.grant]\nindex = true\nembed = true\n";

fn hanging() -> Options {
    options().fixture("hostile-retriever").config(HANGING).env("HARDPOINT__KNOWLEDGE__AT_ONCE", "4")
}

/// One that sleeps in whatever it is asked, for as long as it may.
#[tokio::test(flavor = "multi_thread")]
async fn a_retriever_that_hangs_holds_up_no_other() {
    let host = Host::start(hanging()).await;
    let client = host.client();
    let slow = make_base(&client, &json!({ "name": "Slow", "retriever": "hanging" })).await;
    let quick = make_base(&client, &json!({ "name": "Quick" })).await;
    let (_, key) = customer(&host, 1_000).await;
    let other = Client::new(host.origin(), Some(&key));
    let others = make_base(&other, &json!({ "name": "Others'" })).await;
    let mut removed = Vec::new();
    // More than a host has places for.
    for number in 0..20 {
        let sent = upload(&client, &slow, "a.txt", format!("harmless {number}").as_bytes()).await;
        assert_eq!(ended(&client, &slow, id(&sent)).await["status"], "indexed");
        removed.push(sent);
    }
    let kept = upload(&client, &quick, "wren.txt", b"A wren sings.").await;
    ended(&client, &quick, id(&kept)).await;

    // Removals: those that hang first.
    for document in &removed {
        assert_eq!(client.delete(&format!("/api/v1/documents/{}", id(document))).await.status, 204);
    }
    assert_eq!(client.delete(&format!("/api/v1/documents/{}", id(&kept))).await.status, 204);
    let is_there = |document: &Value| blobs(&host).iter().any(|path| path.ends_with(id(document)));
    until("what is removed elsewhere to be gone", || async { (!is_there(&kept)).then_some(()) }).await;
    assert!(removed.iter().all(is_there), "each has to be forgotten by its retriever first");
    let gave_up = "a retriever did not forget a document yet";
    assert!(!host.log().contains(gave_up), "none of them was waited for");

    // Ingestions: as many as its organisation has places for.
    let mut stuck = Vec::new();
    for number in 0..4 {
        let base =
            make_base(&client, &json!({ "name": format!("Slow {number}"), "retriever": "hanging" })).await;
        stuck.push(upload(&client, &base, "stuck.txt", b"sleep").await);
    }
    let sent = upload(&other, &others, "heron.txt", b"A heron stands.").await;
    assert_eq!(ended(&other, &others, id(&sent)).await["status"], "indexed");
    assert_eq!(stands(&client, id(&stuck[0])).await["status"], "processing");

    // Searches.
    let asked = tokio::spawn({
        let (client, slow) = (client.clone(), slow.clone());
        async move {
            client.post("/api/v1/search", &json!({ "query": "sleep", "knowledge": [slow] })).await.status
        }
    });
    assert!(is_found(&other, &others, "heron", id(&sent)).await);
    assert!(!is_found(&client, &quick, "wren", id(&kept)).await, "it was removed");
    assert!(!asked.is_finished(), "it still hangs");
    let failed = soon("its call to be ended", asked).await.expect("no panic");
    assert!(failed >= 500, "{failed}");
}
