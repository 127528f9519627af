//! Files that want more than they should get: each ends with a reason, or with what can be read of it, in bounded
//! work. A stack of a MiB stands for the sandbox's: nothing may recurse with its input.

use std::sync::atomic::{AtomicU64, Ordering};

use reading::{Error, Kind, Page, Receiver, Source, Stopped, Unreadable};

use super::{samples, try_read};

/// Reads on a small stack.
fn on_small_stack(bytes: Vec<u8>, filename: &'static str) -> (Result<Kind, Error>, super::Kept) {
    let reader = std::thread::Builder::new().stack_size(4 << 20).spawn(move || try_read(&bytes, filename));
    reader.unwrap().join().expect("no panic")
}

fn refused(bytes: Vec<u8>, filename: &'static str) -> Unreadable {
    match on_small_stack(bytes, filename).0 {
        Err(Error::Unreadable(reason)) => reason,
        other => panic!("{filename} was not refused: {other:?}"),
    }
}

#[test]
fn bombs() {
    let zeros = vec![b' '; 64 << 20];
    let bomb = samples::archive(&[("word/document.xml", &zeros)]);
    assert!(bomb.len() < 100_000);
    assert_eq!(refused(bomb, "bomb.docx"), Unreadable::TooLargeUnpacked(16));
    let strings = [b"<sst><si><t>".as_slice(), &vec![b'a'; 32 << 20], b"</t></si></sst>"].concat();
    let bomb = samples::archive(&[
        ("xl/workbook.xml", b"<workbook xmlns:r='r'><sheets><sheet name='a' r:id='x'/></sheets></workbook>"),
        ("xl/sharedStrings.xml", &strings),
    ]);
    assert_eq!(refused(bomb, "bomb.xlsx"), Unreadable::TooLargeUnpacked(16));
    // Unpacked by nobody.
    let within = samples::archive(&[("ppt/presentation.xml", b"<p/>"), ("ppt/media/inner.zip", &zeros)]);
    assert_eq!(refused(within, "a.pptx"), Unreadable::NoText(""));
    let many: Vec<(String, &[u8])> = (0..20_001).map(|number| (number.to_string(), &b""[..])).collect();
    let many: Vec<(&str, &[u8])> = many.iter().map(|(name, content)| (name.as_str(), *content)).collect();
    assert_eq!(
        refused(samples::archive(&many), "many.docx"),
        Unreadable::TooMany { what: "entries", most: 20_000 }
    );
}

#[test]
fn a_pdf_that_unpacks_to_much_is_not_unpacked() {
    let bomb = samples::deflated(&vec![b' '; 300 << 20]);
    let objects = [
        b"<</Type/Catalog/Pages 2 0 R>>".to_vec(),
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>".to_vec(),
        b"<</Type/Page/Parent 2 0 R/Contents 4 0 R>>".to_vec(),
        samples::stream("/Filter/FlateDecode", &bomb),
    ];
    assert!(matches!(refused(samples::pdf(&objects, ""), "a.pdf"), Unreadable::NoText(_)));
    let twice = samples::deflated(&bomb);
    let objects = [
        objects[0].clone(),
        objects[1].clone(),
        objects[2].clone(),
        samples::stream("/Filter[/FlateDecode/FlateDecode]", &twice),
    ];
    assert!(matches!(
        refused(samples::pdf(&objects, ""), "a.pdf"),
        Unreadable::NoText(_) | Unreadable::Damaged(_)
    ));
}

#[test]
fn laughs() {
    let entities = "<!DOCTYPE lolz [<!ENTITY a \"lol\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;\"><!ENTITY c \"&b;&b;&b;&b;&b;&b;\">]>";
    let document = format!(
        "<?xml version=\"1.0\"?>{entities}<w:document><w:body><w:p><w:r><w:t>&c;</w:t></w:r></w:p></w:body></w:document>"
    );
    let laughing = samples::archive(&[("word/document.xml", document.as_bytes())]);
    assert!(
        matches!(refused(laughing, "a.docx"), Unreadable::Damaged(reason) if reason.contains("document type"))
    );
    // The same with forms: each draws the next one ten times.
    let forms: Vec<Vec<u8>> = (0..15)
        .map(|number| {
            let next = 11 + number;
            let content =
                if number == 14 { "BT /F 9 Tf 9 9 Td (ha) Tj ET".to_string() } else { "/X Do ".repeat(10) };
            let dict = format!(
                "/Subtype/Form/BBox[0 0 9 9]/Resources<</Font<</F 3 0 R>>/XObject<</X {next} 0 R>>>>"
            );
            samples::stream(&dict, content.as_bytes())
        })
        .collect();
    let laughing = samples::pages(&["/X Do"], "/XObject<</X 10 0 R>>", &forms);
    assert!(matches!(refused(laughing, "a.pdf"), Unreadable::TooMuchWork(_)));
    // A form that draws itself is drawn to a depth.
    let itself = samples::stream(
        "/Subtype/Form/BBox[0 0 9 9]/Resources<</XObject<</X 10 0 R>>/Font<</F 3 0 R>>>>",
        b"BT /F 9 Tf 9 9 Td (me) Tj ET /X Do",
    );
    let (result, kept) =
        on_small_stack(samples::pages(&["/X Do"], "/XObject<</X 10 0 R>>", &[itself]), "a.pdf");
    assert_eq!(result, Ok(Kind::Pdf));
    assert!(kept.text().starts_with("me"));
}

#[test]
fn page_trees_without_an_end() {
    for kids in ["2 0 R", "2 0 R 3 0 R 2 0 R", "1 0 R", "99 0 R"] {
        let objects = [
            b"<</Type/Catalog/Pages 2 0 R>>".to_vec(),
            format!("<</Type/Pages/Kids[{kids}]/Count 1000000>>").into_bytes(),
            b"<</Type/Pages/Kids[2 0 R]/Parent 2 0 R>>".to_vec(),
        ];
        let (result, _) = on_small_stack(samples::pdf(&objects, ""), "a.pdf");
        assert!(matches!(result, Err(Error::Unreadable(_))), "{kids}: {result:?}");
    }
    // A tree that is a list of 20,000 levels, with a page at its end.
    let deep = 20_000;
    let mut objects = vec![b"<</Type/Catalog/Pages 2 0 R>>".to_vec()];
    objects.extend(
        (0..deep).map(|level| format!("<</Type/Pages/Kids[{} 0 R]/Count 1>>", level + 3).into_bytes()),
    );
    objects.push(b"<</Type/Page/Contents 9 0 R>>".to_vec());
    let (result, _) = on_small_stack(samples::pdf(&objects, ""), "a.pdf");
    assert!(matches!(result, Err(Error::Unreadable(_))), "{result:?}");
}

#[test]
fn nesting() {
    let deep = 300_000;
    assert_eq!(refused("[".repeat(deep).into_bytes(), "a.json"), Unreadable::TooDeep(200));
    assert_eq!(refused("{\"a\":".repeat(deep).into_bytes(), "a.json"), Unreadable::TooDeep(200));
    let xml = format!("<w:document>{}", "<w:p>".repeat(deep));
    assert_eq!(
        refused(samples::archive(&[("word/document.xml", xml.as_bytes())]), "a.docx"),
        Unreadable::TooDeep(1_000)
    );
    for (page, filename) in [
        (format!("{}text", "<div><p><b>".repeat(deep)), "a.html"),
        (format!("{}text", "<ul><li>".repeat(deep)), "a.html"),
        (format!("{}text", "<table><tr><td>".repeat(deep)), "a.html"),
    ] {
        let (result, kept) = on_small_stack(page.into_bytes(), filename);
        assert_eq!(result, Ok(Kind::Html));
        assert!(kept.text().ends_with("text"), "{}", kept.text().len());
    }
    let content = format!("{} Tj BT /F 9 Tf 9 9 Td (x) Tj ET {}", "[".repeat(deep), "<<".repeat(deep));
    let (result, _) = on_small_stack(samples::pages(&[&content], "", &[]), "a.pdf");
    assert!(matches!(result, Ok(Kind::Pdf) | Err(Error::Unreadable(_))), "{result:?}");
    let mut objects = vec![b"<</Type/Catalog/Pages 2 0 R>>".to_vec()];
    objects.push(format!("<</Type/Pages/Kids{}", "[".repeat(deep)).into_bytes());
    let (result, _) = on_small_stack(samples::pdf(&objects, ""), "a.pdf");
    assert!(matches!(result, Err(Error::Unreadable(_))), "{result:?}");
}

#[test]
fn markdown_that_nests() {
    for part in ["> ", "* ", "[", "![", "*a **a ", "`", "- - ", "1. ", "<a ", "\\["] {
        let (result, _) = on_small_stack(format!("{}text", part.repeat(20_000)).into_bytes(), "a.md");
        assert!(matches!(result, Ok(Kind::Markdown) | Err(Error::Unreadable(_))), "{part}: {result:?}");
    }
}

#[test]
fn a_million_tiny_paragraphs() {
    let count = 1_000_000;
    let tiny = "a\n\n".repeat(count);
    for (bytes, filename) in [
        (tiny.clone().into_bytes(), "a.txt"),
        (tiny.clone().into_bytes(), "a.md"),
        ("<p>a".repeat(count).into_bytes(), "a.html"),
        (format!("[{}1]", "1,".repeat(count)).into_bytes(), "a.json"),
        ("a,b\n".repeat(count).into_bytes(), "a.csv"),
    ] {
        let (result, kept) = on_small_stack(bytes, filename);
        assert!(result.is_ok(), "{filename}: {result:?}");
        let letters =
            kept.pages.iter().flat_map(|page| page.text.chars()).filter(|letter| letter.is_alphanumeric());
        assert!(letters.count() >= count, "{filename}");
        assert!(kept.pages.iter().all(|page| page.text.len() <= 200_000));
    }
    let paragraphs = "<w:p><w:r><w:t>a</w:t></w:r></w:p>".repeat(100_000);
    let (result, kept) = on_small_stack(samples::docx(&paragraphs), "a.docx");
    assert_eq!(result, Ok(Kind::Docx));
    assert_eq!(kept.text().matches('a').count(), 100_000);
}

/// A hundred MiB that nobody holds: what stands there is made when it is asked for.
struct Huge<'c> {
    length: u64,
    read: &'c AtomicU64,
}

impl Source for Huge<'_> {
    fn len(&self) -> u64 {
        self.length
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<usize, Stopped> {
        let length = self.length.saturating_sub(offset).min(into.len() as u64) as usize;
        for (byte, at) in into[..length].iter_mut().zip(offset..) {
            *byte = if at % 61 == 60 { b'\n' } else { b'a' + (at % 7) as u8 };
        }
        self.read.fetch_add(length as u64, Ordering::Relaxed);
        Ok(length)
    }
}

struct Counting {
    bytes: u64,
    longest: usize,
}

impl Receiver for Counting {
    fn title(&mut self, _: &str) -> Result<(), Stopped> {
        Ok(())
    }

    fn page(&mut self, page: Page) -> Result<(), Stopped> {
        self.bytes += page.text.len() as u64;
        self.longest = self.longest.max(page.text.len());
        Ok(())
    }

    fn progress(&mut self, _: u32, _: u32) {}
}

#[test]
fn a_hundred_megabytes_are_read_once_and_never_held() {
    let read = AtomicU64::new(0);
    let source = Huge { length: 100 << 20, read: &read };
    let mut counting = Counting { bytes: 0, longest: 0 };
    assert_eq!(reading::read(&source, "huge.txt", None, &mut counting), Ok(Kind::Text));
    assert!(counting.longest <= 200_000 && counting.bytes > 99 << 20, "{}", counting.bytes);
    let read = read.load(Ordering::Relaxed);
    assert!(read < 103 << 20, "{read} bytes read");
    let source = Huge { length: 300 << 20, read: &AtomicU64::new(0) };
    let result = reading::read(&source, "huge.html", None, &mut counting);
    assert_eq!(result, Err(Unreadable::TooLarge(48).into()));
    let result = reading::read(&source, "huge.txt", None, &mut counting);
    assert_eq!(result, Err(Unreadable::TooMany { what: "MiB of text", most: 160 }.into()));
}
