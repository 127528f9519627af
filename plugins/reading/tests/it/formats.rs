//! What each kind becomes.

use reading::Kind;

use super::{read, samples};

#[test]
fn word() {
    let (kind, kept) = read(&samples::usual_docx(), "handbook.docx");
    assert_eq!(kind, Kind::Docx);
    assert_eq!(kept.title.as_deref(), Some("Staff handbook"));
    assert_eq!(
        kept.text(),
        "Staff handbook\n\nLeave\n\nThirty days a year & more if\u{a0}needed.\n\nGrade | Days\nA | 31\n\u{c}\nSickness\n- Call in\n- Rest"
    );
    assert_eq!(kept.headings(), [(1, "Staff handbook"), (1, "Leave"), (2, "Sickness")]);
}

#[test]
fn pages_that_word_saw_are_pages() {
    let seen = "<w:p><w:r><w:t>One </w:t><w:lastRenderedPageBreak/><w:t>two.</w:t></w:r></w:p>";
    let text_box = "<w:p><w:r><w:pict><w:txbxContent><w:p><w:r><w:t>boxed</w:t></w:r></w:p></w:txbxContent></w:pict><w:t>around</w:t></w:r></w:p>";
    let (_, kept) = read(&samples::docx(&format!("{seen}{text_box}")), "a.docx");
    assert_eq!(kept.text(), "One\n\u{c}\ntwo.\n\nboxed\n\naround");
}

#[test]
fn powerpoint() {
    let (kind, kept) = read(&samples::usual_pptx(), "a.pptx");
    assert_eq!(kind, Kind::Pptx);
    assert_eq!(
        kept.text(),
        "Welcome\n\nTo the house\n\nNotes: Speak slowly\n\u{c}\nNo title here\n\u{c}\nGoodbye\n\nAnd thanks"
    );
    let titles: Vec<_> = kept.pages.iter().map(|page| page.title.as_deref()).collect();
    assert_eq!(titles, [Some("Welcome"), None, Some("Goodbye")]);
}

#[test]
fn excel() {
    let (kind, kept) = read(&samples::usual_xlsx(), "a.xlsx");
    assert_eq!(kind, Kind::Xlsx);
    assert_eq!(
        kept.text(),
        "Fish | Price | Since\nFish: Hake | Price: 0.3 | Since: 2024-01-01\nFish: Cod & co | Since: 2024-01-01 18:00:00"
    );
    assert_eq!(kept.pages[0].title.as_deref(), Some("Prices"));
}

#[test]
fn excels_days() {
    for (days, shown) in [
        ("1", "1900-01-01"),
        ("59", "1900-02-28"),
        ("61", "1900-03-01"),
        ("0.5", "12:00:00"),
        ("2958465", "9999-12-31"),
    ] {
        let row = format!(r#"<row><c s="1"><v>{days}</v></c></row>"#);
        assert_eq!(read(&samples::xlsx(&row, &[]), "a.xlsx").1.text(), shown);
    }
}

#[test]
fn pdf() {
    let (kind, kept) = read(&samples::usual_pdf(), "a.pdf");
    assert_eq!(kind, Kind::Pdf);
    assert_eq!(kept.title.as_deref(), Some("A (small) PDF"));
    assert_eq!(kept.pages.len(), 3, "the empty one too: the numbers are those that people see");
    assert_eq!(
        kept.pages[0].text,
        "The great heading\n\nThis is the first line of a paragraph that goes on.\n\nWide gapss"
    );
    assert_eq!(kept.pages[1].text, "Second page, café.  Beside it.");
    assert_eq!(kept.headings(), [(1, "The great heading")]);
}

#[test]
fn pdfs_draw_by_forms_layers_and_marks() {
    let form = samples::stream(
        "/Type/XObject/Subtype/Form/BBox[0 0 99 99]/Matrix[1 0 0 1 0 -20]",
        b"BT /F 10 Tf 72 700 Td (In a form.) Tj ET",
    );
    let content = "BT /F 10 Tf 72 740 Td (Above.) Tj ET /X Do q 1 0 0 1 0 -40 cm \
        BT /F 10 Tf 72 700 Td /Span<</ActualText<FEFF00E400DF>>>BDC (xx) Tj EMC ( fine) Tj 0 -12 Td (gone) ' ET Q \
        BT /F 10 Tf 5000 700 Td (outside) Tj ET";
    let (_, kept) = read(&samples::pages(&[content], "/XObject<</X 10 0 R>>", &[form]), "a.pdf");
    assert_eq!(kept.text(), "Above.\n\nIn a form.\n\näß fine\ngone");
}

#[test]
fn html() {
    let mut page = samples::HTML.as_bytes().to_vec();
    // In ISO 8859-2, as it says.
    page.extend_from_slice(b"<p>\xb3\xf3d\xbc");
    let (kind, kept) = read(&page, "a.htm");
    assert_eq!(kind, Kind::Html);
    assert_eq!(kept.title.as_deref(), Some("A & B"));
    assert_eq!(kept.text(), "First heading\n\nOne link.\n\nTwo\nlines.\n\n- item\n\nThird\n\na | b\n\nłódź");
    assert_eq!(kept.headings(), [(1, "First heading"), (3, "Third")]);
}

#[test]
fn markdown() {
    let (kind, kept) = read(samples::MARKDOWN.as_bytes(), "README.md");
    assert_eq!(kind, Kind::Markdown);
    assert_eq!(kept.title.as_deref(), Some("Title here"));
    assert_eq!(
        kept.text(),
        "Title here\n\nSome bold link and code wrapped.\n\nSecond\n\n1. one\n2. two\n  - inner\n\na | b\n1 | 2\n\nlet x = 1;\n\nraw html"
    );
    assert_eq!(kept.headings(), [(1, "Title here"), (2, "Second")]);
}

#[test]
fn csv() {
    let (kind, kept) = read(samples::CSV.as_bytes(), "prices.csv");
    assert_eq!(kind, Kind::Csv);
    assert_eq!(
        kept.text(),
        "name | price | note\nname: Hake | price: 1,50 | note: fresh; daily\nname: Cod | price: 2 | note: a \"b\" c"
    );
    let (_, kept) = read(b"1,2\n3,4", "numbers.csv");
    assert_eq!(kept.text(), "1 | 2\n3 | 4");
    let (_, kept) = read(b"a\tb\nx,y\tz\n", "a.tsv");
    assert_eq!(kept.text(), "a | b\na: x,y | b: z");
}

#[test]
fn json() {
    let (kind, kept) = read(samples::JSON.as_bytes(), "a.json");
    assert_eq!(kind, Kind::Json);
    assert_eq!(
        kept.text(),
        "shop.name: Fish & co \u{1f41f}\nshop.open: true\nitems[0].n: 1.5e3\nitems[1]: x"
    );
    let (_, kept) = read(b"{\"a\": 1}\n{\"a\": 2}\n", "lines.jsonl");
    assert_eq!(kept.text(), "a: 1\na: 2");
}

#[test]
fn plain_text() {
    let (kind, kept) = read(samples::TEXT.as_bytes(), "notes");
    assert_eq!(kind, Kind::Text);
    assert_eq!(kept.text(), "A first line.\nA second.\nThird\n\u{c}\nAnother page");
}

#[test]
fn encodings() {
    let wide: Vec<u8> = "Grüße aus Łódź".encode_utf16().flat_map(u16::to_be_bytes).collect();
    let marked =
        [&b"\xff\xfe"[..], &"Ünïcode".encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>()].concat();
    let russian = "Привет, мир. Это обычный русский текст, в котором достаточно букв.";
    let shift_jis =
        encoding_rs::SHIFT_JIS.encode("これは日本語の文章です。漢字とかなが混ざっています。").0.into_owned();
    for (bytes, text) in [
        (b"\xef\xbb\xbfcaf\xc3\xa9".to_vec(), "café"),
        (b"The caf\xe9 on the corner is na\xefve.".to_vec(), "The café on the corner is naïve."),
        (wide, "Grüße aus Łódź"),
        (marked, "Ünïcode"),
        (encoding_rs::WINDOWS_1251.encode(russian).0.into_owned(), russian),
        (shift_jis, "これは日本語の文章です。漢字とかなが混ざっています。"),
        ([russian.as_bytes(), b"\xff", russian.as_bytes()].concat(), &format!("{russian}\u{fffd}{russian}")),
        ("שלום עולם, מה שלומך?".as_bytes().to_vec(), "שלום עולם, מה שלומך?"),
    ] {
        assert_eq!(read(&bytes, "a.txt").1.text(), text);
    }
}
