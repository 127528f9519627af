//! What a document is taken for, and what is refused with which words.

use reading::{Kind, Unreadable};

use super::{read, refused, samples};

#[test]
fn the_content_decides_then_the_name() {
    for (bytes, filename, kind) in [
        (samples::usual_pdf(), "a.docx", Kind::Pdf),
        (samples::usual_docx(), "a.pdf", Kind::Docx),
        (samples::usual_xlsx(), "no extension", Kind::Xlsx),
        (b"<!DOCTYPE html><p>x".to_vec(), "page.txt", Kind::Html),
        (b"  <HTML><p>x".to_vec(), "page", Kind::Html),
        (b"<p>x".to_vec(), "page.html", Kind::Html),
        (b"{\"a\": 1}".to_vec(), "data", Kind::Json),
        (b"{\"a\": 1}".to_vec(), "notes.txt", Kind::Text),
        (b"# x".to_vec(), "README.MD", Kind::Markdown),
        (b"BMW is a maker of cars".to_vec(), "cars", Kind::Text),
    ] {
        assert_eq!(read(&bytes, filename).0, kind, "{filename}");
    }
    let mut kept = super::Kept::default();
    assert_eq!(
        reading::read(&&b"a,b\n1,2"[..], "upload", Some("text/csv; charset=utf-8"), &mut kept),
        Ok(Kind::Csv)
    );
}

#[test]
fn what_cannot_be_read_is_refused_with_a_reason() {
    let encrypted = [
        &b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"[..],
        &vec![0; 70_000],
        &"EncryptedPackage".encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>(),
    ]
    .concat();
    let docx = samples::usual_docx();
    let pdf = samples::usual_pdf();
    let locked = samples::pdf(
        &[b"<</Type/Catalog/Pages 2 0 R>>".to_vec(), b"<</Type/Pages/Kids[]/Count 0>>".to_vec()],
        "/ID[<00112233445566778899aabbccddeeff><00112233445566778899aabbccddeeff>]/Encrypt<</Filter/Standard/V 2/R 3/Length 128/P -44\
         /O<0000000000000000000000000000000000000000000000000000000000000000>/U<0000000000000000000000000000000000000000000000000000000000000000>>>",
    );
    for (bytes, filename, words) in [
        (Vec::new(), "a.txt", "the file is empty"),
        (b" \n\t ".to_vec(), "a.txt", "there is no text in it"),
        (vec![0; 500], "a.txt", "there is no text in it"),
        (b"just words".to_vec(), "a.pdf", "it is no PDF, though its name says so"),
        (b"just words".to_vec(), "a.xlsx", "it is no XLSX, though its name says so"),
        (samples::archive(&[("x", b"y")]), "a.docx", "it is no DOCX, though its name says so"),
        (samples::archive(&[("x", b"y")]), "a.zip", "it is an archive, which cannot be read"),
        (docx[..docx.len() / 2].to_vec(), "a.docx", "it is cut off: the directory at its end cannot be read"),
        (encrypted, "a.docx", "it is encrypted: save it without a password"),
        (
            b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1 old".to_vec(),
            "a.doc",
            "it is an Office file of before 2007: save it as DOCX, PPTX or XLSX, which cannot be read",
        ),
        (locked, "a.pdf", "it is encrypted: save it without a password"),
        (pdf[..60].to_vec(), "a.pdf", "it is cut off: a PDF ends with %%EOF"),
        (b"\x89PNG\r\n\x1a\n\0\0\0".to_vec(), "a.png", "it is an image, which cannot be read"),
        (b"\x7fELF\x02\x01\x01\0\0\0\0\0".to_vec(), "a.txt", "it is a program, which cannot be read"),
        (
            (0..=255).cycle().take(4_000).collect(),
            "a.txt",
            "it is no text and of no known kind, which cannot be read",
        ),
        (b"{\"a\": [1, 2".to_vec(), "a.json", "it is cut off: a bracket is not closed"),
        (b"{\"a\" 1}".to_vec(), "a.json", "it is damaged: it is no JSON: unexpected `1` near byte 7"),
        (b"{}".to_vec(), "a.json", "there is no text in it"),
        (
            samples::pages(&[""], "", &[]),
            "scan.pdf",
            "there is no text in it: its pages are pictures, or it has none",
        ),
        (
            samples::docx("<!DOCTYPE x>"),
            "a.docx",
            "it is damaged: its XML declares a document type, which Office files do not",
        ),
    ] {
        assert_eq!(refused(&bytes, filename).to_string(), words, "{filename}");
    }
}

#[test]
fn a_receiver_may_stop() {
    struct Full;
    impl reading::Receiver for Full {
        fn title(&mut self, _: &str) -> Result<(), reading::Stopped> {
            Ok(())
        }
        fn page(&mut self, _: reading::Page) -> Result<(), reading::Stopped> {
            Err(reading::Stopped)
        }
        fn progress(&mut self, _: u32, _: u32) {}
    }
    for (filename, bytes) in samples::all() {
        assert_eq!(
            reading::read(&&bytes[..], filename, None, &mut Full),
            Err(reading::Error::Stopped),
            "{filename}"
        );
    }
}

#[test]
fn a_source_may_fail() {
    /// Fails behind its beginning.
    struct Failing(Vec<u8>);
    impl reading::Source for Failing {
        fn len(&self) -> u64 {
            self.0.len() as u64
        }
        fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<usize, reading::Stopped> {
            if offset > 0 { Err(reading::Stopped) } else { (&self.0[..]).read_at(0, into) }
        }
    }
    let mut kept = super::Kept::default();
    for (filename, bytes) in
        [("a.docx", samples::usual_docx()), ("a.txt", "long text ".repeat(100_000).into_bytes())]
    {
        assert_eq!(
            reading::read(&Failing(bytes), filename, None, &mut kept),
            Err(reading::Error::Stopped),
            "{filename}"
        );
    }
    assert!(matches!(refused(b"", "x"), Unreadable::Empty));
}
