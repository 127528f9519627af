//! Documents that are not what they say, or want more than they should get: uploaded, read in the sandbox, kept and searched.
//! Each ends in a state and with a reason, and others are found meanwhile.

use hardpoint_tests::client::Client;
use hardpoint_tests::host::Host;
use hardpoint_tests::process::status_bytes;
use serde_json::{Value, json};

use crate::knowledge::{make_base, options, upload};
use crate::knowledge_sizes::ended;
use crate::samples;

/// What a host may take for all of them, above what it takes for one small text, in bytes.
const MEMORY: u64 = 768 << 20;
/// The longest reason that people are to read, in characters.
const LONGEST_REASON: usize = 120;
/// A reading may take a minute of the processor, which others are at too: as long as so many MiB of text.
const PATIENCE: u32 = 10;
/// What nobody who uploads a document knows of.
const INTERNALS: [&str; 6] = ["plugin", "wasm", "trap", "panic", ".rs", "Error"];

/// What a document comes to.
enum End {
    /// It is found by these words, as a document of this media type.
    Found(&'static str, &'static str),
    /// It failed with this reason.
    Failed(&'static str),
}
use End::{Failed, Found};

fn utf16(text: &str, to_bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
    format!("\u{feff}{text}").encode_utf16().flat_map(to_bytes).collect()
}

fn encrypted_pdf() -> Vec<u8> {
    let zeros = "0".repeat(64);
    let trailer =
        format!("/ID[<00><00>]/Encrypt<</Filter/Standard/V 2/R 3/Length 128/P -44/O<{zeros}>/U<{zeros}>>>");
    let objects = [b"<</Type/Catalog/Pages 2 0 R>>".to_vec(), b"<</Type/Pages/Kids[]/Count 0>>".to_vec()];
    samples::pdf(&objects, &trailer)
}

/// As Office files with a password are: a compound file ([MS-OFFCRYPTO]).
fn encrypted_docx() -> Vec<u8> {
    let name: Vec<u8> = "EncryptedPackage".encode_utf16().flat_map(u16::to_le_bytes).collect();
    [&b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"[..], &vec![0; 70_000], &name].concat()
}

/// A page tree that comes back to itself.
fn endless_pages() -> Vec<u8> {
    let objects = [
        b"<</Type/Catalog/Pages 2 0 R>>".to_vec(),
        b"<</Type/Pages/Kids[2 0 R 3 0 R 2 0 R]/Count 1000000>>".to_vec(),
        b"<</Type/Pages/Kids[2 0 R]/Parent 2 0 R>>".to_vec(),
    ];
    samples::pdf(&objects, "")
}

/// One of so many levels, with a page at its end.
fn deep_pages(levels: usize) -> Vec<u8> {
    let mut objects = vec![b"<</Type/Catalog/Pages 2 0 R>>".to_vec()];
    let level = |at: usize| format!("<</Type/Pages/Kids[{} 0 R]/Count 1>>", at + 3).into_bytes();
    objects.extend((0..levels).map(level));
    objects.push(b"<</Type/Page/Contents 9 0 R>>".to_vec());
    samples::pdf(&objects, "")
}

/// Forms that draw the next one ten times each.
fn laughing_pdf() -> Vec<u8> {
    let form = |number: usize| {
        let last = "BT /F 9 Tf 9 9 Td (ha) Tj ET".to_owned();
        let content = if number == 14 { last } else { "/X Do ".repeat(10) };
        let next = 11 + number;
        let dict =
            format!("/Subtype/Form/BBox[0 0 9 9]/Resources<</Font<</F 3 0 R>>/XObject<</X {next} 0 R>>>>");
        samples::stream(&dict, content.as_bytes())
    };
    samples::pages(&["/X Do"], "/XObject<</X 10 0 R>>", &(0..15).map(form).collect::<Vec<_>>())
}

fn laughing_docx() -> Vec<u8> {
    let entities =
        "<!DOCTYPE l [<!ENTITY a \"lol\"><!ENTITY b \"&a;&a;&a;&a;\"><!ENTITY c \"&b;&b;&b;&b;\">]>";
    let document = format!(
        "<?xml version=\"1.0\"?>{entities}<document><body><p><r><t>&c;</t></r></p></body></document>"
    );
    samples::archive(&[("word/document.xml", document.as_bytes())])
}

fn docx_bomb() -> Vec<u8> {
    samples::archive(&[("word/document.xml", &vec![b' '; 64 << 20])])
}

fn xlsx_bomb() -> Vec<u8> {
    let strings = [b"<sst><si><t>".as_slice(), &vec![b'a'; 32 << 20], b"</t></si></sst>"].concat();
    let book = b"<workbook xmlns:r='r'><sheets><sheet name='a' r:id='x'/></sheets></workbook>";
    samples::archive(&[("xl/workbook.xml", book), ("xl/sharedStrings.xml", &strings)])
}

fn documents() -> Vec<(&'static str, Vec<u8>, End)> {
    const TEXT: &str = "text/plain";
    let (docx, pdf) = (samples::usual_docx(), samples::usual_pdf());
    vec![
        ("blank.txt", b" \n\t \n".to_vec(), Failed("there is no text in it")),
        ("zeros.txt", vec![0; 500], Failed("there is no text in it")),
        ("pdf.docx", pdf.clone(), Found("great heading", "application/pdf")),
        ("words.pdf", b"just words".to_vec(), Failed("it is no PDF, though its name says so")),
        (
            "image.pdf",
            b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec(),
            Failed("it is an image, which cannot be read"),
        ),
        (
            "program.txt",
            b"MZ\x90\0\x03\0\0\0\x04\0".to_vec(),
            Failed("it is a program, which cannot be read"),
        ),
        ("archive.docx", samples::archive(&[("x", b"y")]), Failed("it is no DOCX, though its name says so")),
        ("locked.pdf", encrypted_pdf(), Failed("it is encrypted: save it without a password")),
        ("locked.docx", encrypted_docx(), Failed("it is encrypted: save it without a password")),
        ("cut.pdf", pdf[..60].to_vec(), Failed("it is cut off: a PDF ends with %%EOF")),
        (
            "cut.docx",
            docx[..docx.len() / 2].to_vec(),
            Failed("it is cut off: the directory at its end cannot be read"),
        ),
        ("cut.json", b"{\"a\": [1, 2".to_vec(), Failed("it is cut off: a bracket is not closed")),
        ("bomb.docx", docx_bomb(), Failed("it is too large when unpacked: more than 16 MiB")),
        ("bomb.xlsx", xlsx_bomb(), Failed("it is too large when unpacked: more than 16 MiB")),
        (
            "laughs.docx",
            laughing_docx(),
            Failed("it is damaged: its XML declares a document type, which Office files do not"),
        ),
        (
            "laughs.pdf",
            laughing_pdf(),
            Failed("it takes too much work to read: its pages draw the same things again and again"),
        ),
        (
            "endless.pdf",
            endless_pages(),
            Failed("there is no text in it: its pages are pictures, or it has none"),
        ),
        (
            "deep.pdf",
            deep_pages(20_000),
            Failed("there is no text in it: its pages are pictures, or it has none"),
        ),
        (
            "deep.json",
            "[".repeat(300_000).into_bytes(),
            Failed("it is nested too deeply: more than 200 levels"),
        ),
        (
            "deep.html",
            format!("{}pelican", "<div><p><b>".repeat(100_000)).into_bytes(),
            Found("pelican", "text/html"),
        ),
        ("hebrew.txt", "אפשר להחזיר נעליים חדשות בתוך שלושים יום.".into(), Found("נעליים", TEXT)),
        ("arabic.txt", "يمكن إرجاع الأحذية الجديدة خلال ثلاثين يوما.".into(), Found("الأحذية", TEXT)),
        ("japanese.txt", "新しい靴は三十日以内に返品できます。".into(), Found("返品", TEXT)),
        ("chinese.md", "新鞋可以在三十天内退货。".into(), Found("退货", "text/markdown")),
        ("broken.txt", b"Caf\xe9 \xff\xfe\x80 quetzal".to_vec(), Found("quetzal", TEXT)),
        ("little.txt", utf16("Das Schiff heißt Albatros.", u16::to_le_bytes), Found("Albatros", TEXT)),
        ("big.txt", utf16("Das Schiff heißt Kormoran.", u16::to_be_bytes), Found("Kormoran", TEXT)),
        ("nameless", b"<!DOCTYPE html><p>A flamingo stands.".to_vec(), Found("flamingo", "text/html")),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn each_ends_in_a_state_with_a_reason_and_others_are_found() {
    let host = Host::start(options()).await;
    let client = host.client();
    let base = make_base(&client, &json!({ "name": "Hostile" })).await;
    let first = upload(&client, &base, "first.txt", b"A wren sings.").await;
    ended(&client, &first, PATIENCE).await;
    let before = status_bytes(host.pid(), "VmHWM");

    for (number, (filename, bytes, end)) in documents().into_iter().enumerate() {
        let sent = upload(&client, &base, filename, &bytes).await;
        let beside =
            upload(&client, &base, "beside.txt", format!("A heron stands: marker{number}.").as_bytes()).await;
        let document = ended(&client, &sent, PATIENCE).await;
        match end {
            Found(words, media_type) => {
                assert_eq!(document["status"], "indexed", "{document}");
                assert_eq!(document["media_type"], media_type, "{document}");
                let progress = &document["progress"];
                assert!(progress["total"] != 0 && progress["done"] == progress["total"], "{document}");
                assert!(is_found(&client, &base, words, id(&sent)).await, "{filename} by {words}");
            }
            Failed(reason) => {
                assert_eq!(
                    (&document["status"], &document["reason"]),
                    (&"failed".into(), &reason.into()),
                    "{document}"
                );
                assert!(reason.chars().count() <= LONGEST_REASON, "{reason}");
                assert!(!INTERNALS.iter().any(|word| reason.contains(word)), "{reason}");
                let nothing = json!({ "chunks": 0, "embedded": 0, "share": 0.0 });
                assert_eq!(
                    (&document["coverage"], &document["indexed_at"]),
                    (&nothing, &Value::Null),
                    "{document}"
                );
            }
        }
        assert_eq!(ended(&client, &beside, PATIENCE).await["status"], "indexed", "beside {filename}");
        assert!(is_found(&client, &base, &format!("marker{number}"), id(&beside)).await, "beside {filename}");
    }
    let taken = status_bytes(host.pid(), "VmHWM") - before;
    eprintln!("\nall of them took {} MiB at most", taken >> 20);
    assert!(taken < MEMORY, "{} MiB", taken >> 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_file_is_refused_at_once() {
    let host = Host::start(options()).await;
    let client = host.client();
    let base = make_base(&client, &json!({ "name": "Empty" })).await;
    let form =
        "--b\r\ncontent-disposition: form-data; name=\"file\"; filename=\"empty.txt\"\r\n\r\n\r\n--b--\r\n";
    let kind = [("content-type", "multipart/form-data; boundary=b")];
    let path = format!("/api/v1/knowledge/{base}/documents");
    let refused = client.send(http::Method::POST, &path, &kind, form).await.expect(422);
    assert_eq!(refused["error"]["message"], "The file `empty.txt` is empty: there is nothing to read in it.");
    assert_eq!(client.get(&path).await.expect(200)["total"], 0);
}

fn id(document: &Value) -> &str {
    document["id"].as_str().expect("an id")
}

/// Whether the very next search finds a document by these words.
pub(crate) async fn is_found(client: &Client, base: &str, words: &str, document: &str) -> bool {
    let query = json!({ "query": words, "knowledge": [base], "use_hybrid": true, "similarity_threshold": 0.0, "top_k": 50 });
    let found = client.post("/api/v1/search", &query).await.expect(200);
    found["results"].as_array().expect("hits").iter().any(|hit| hit["document_id"] == document)
}
