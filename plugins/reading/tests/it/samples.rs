//! Small documents of each kind, made here.

use std::io::{Cursor, Write};

use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// An archive of these parts.
pub(crate) fn archive(parts: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in parts {
        zip.start_file(*name, SimpleFileOptions::default()).unwrap();
        zip.write_all(content).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

const W: &str = r#"xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main""#;

/// A Word file with this body.
pub(crate) fn docx(body: &str) -> Vec<u8> {
    let styles = format!(
        r#"<w:styles {W}><w:style w:styleId="berschrift1"><w:name w:val="heading 1"/></w:style>
        <w:style w:styleId="berschrift2"><w:name w:val="heading 2"/></w:style>
        <w:style w:styleId="Titel"><w:name w:val="Title"/></w:style></w:styles>"#
    );
    let document = format!(
        r#"<?xml version="1.0" encoding="UTF-8"?><w:document {W}><w:body>{body}</w:body></w:document>"#
    );
    archive(&[
        ("[Content_Types].xml", b"<Types/>"),
        ("word/document.xml", document.as_bytes()),
        ("word/styles.xml", styles.as_bytes()),
    ])
}

/// A paragraph of a Word file.
pub(crate) fn paragraph(style: &str, text: &str) -> String {
    let style = if style.is_empty() {
        String::new()
    } else {
        format!(r#"<w:pPr><w:pStyle w:val="{style}"/></w:pPr>"#)
    };
    format!("<w:p>{style}<w:r><w:t>{text}</w:t></w:r></w:p>")
}

pub(crate) fn usual_docx() -> Vec<u8> {
    let cell = |text: &str| format!("<w:tc>{}</w:tc>", paragraph("", text));
    let body = [
        paragraph("Titel", "Staff handbook"),
        paragraph("berschrift1", "Leave"),
        "<w:p><w:r><w:t>Thirty days a year</w:t></w:r><w:r><w:t xml:space=\"preserve\"> &amp; more </w:t></w:r>\
         <w:del><w:r><w:delText>never</w:delText></w:r></w:del><w:r><w:t>if&#160;needed.</w:t></w:r></w:p>"
            .to_string(),
        format!("<w:tbl><w:tr>{}{}</w:tr><w:tr>{}{}</w:tr></w:tbl>", cell("Grade"), cell("Days"), cell("A"), cell("31")),
        "<w:p><w:r><w:br w:type=\"page\"/></w:r></w:p>".to_string(),
        paragraph("berschrift2", "Sickness"),
        "<w:p><w:pPr><w:numPr/></w:pPr><w:r><w:t>Call in</w:t></w:r></w:p>".to_string(),
        "<w:p><w:pPr><w:numPr/></w:pPr><w:r><w:t>Rest</w:t></w:r></w:p>".to_string(),
    ];
    docx(&body.concat())
}

const A: &str = r#"xmlns:a="a" xmlns:p="p" xmlns:r="r""#;

/// Slides of title and text.
pub(crate) fn pptx(slides: &[(&str, &str)]) -> Vec<u8> {
    let mut parts = vec![("[Content_Types].xml".to_string(), "<Types/>".to_string())];
    let (mut ids, mut rels) = (String::new(), String::new());
    // Numbered against their order.
    for (index, (title, text)) in slides.iter().enumerate() {
        let number = slides.len() - index;
        ids.push_str(&format!(r#"<p:sldId id="{index}" r:id="rId{index}"/>"#));
        rels.push_str(&format!(
            r#"<Relationship Id="rId{index}" Type="x/slide" Target="slides/slide{number}.xml"/>"#
        ));
        let shape = |kind: &str, text: &str| {
            format!(
                r#"<p:sp><p:nvSpPr><p:nvPr><p:ph type="{kind}"/></p:nvPr></p:nvSpPr><p:txBody><a:p><a:r><a:t>{text}</a:t></a:r></a:p></p:txBody></p:sp>"#
            )
        };
        let slide = format!(
            "<p:sld {A}>{}{}{}</p:sld>",
            shape("title", title),
            shape("body", text),
            shape("sldNum", "7")
        );
        parts.push((format!("ppt/slides/slide{number}.xml"), slide));
        let notes = r#"<Relationships><Relationship Id="n" Type="x/notesSlide" Target="../notesSlides/notes1.xml"/></Relationships>"#;
        if index == 0 {
            parts.push((format!("ppt/slides/_rels/slide{number}.xml.rels"), notes.to_string()));
            parts.push((
                "ppt/notesSlides/notes1.xml".to_string(),
                format!("<p:notes {A}>{}</p:notes>", shape("body", "Speak slowly")),
            ));
        }
    }
    parts.push((
        "ppt/presentation.xml".to_string(),
        format!("<p:presentation {A}><p:sldIdLst>{ids}</p:sldIdLst></p:presentation>"),
    ));
    parts.push((
        "ppt/_rels/presentation.xml.rels".to_string(),
        format!("<Relationships>{rels}</Relationships>"),
    ));
    let parts: Vec<(&str, &[u8])> =
        parts.iter().map(|(name, text)| (name.as_str(), text.as_bytes())).collect();
    archive(&parts)
}

pub(crate) fn usual_pptx() -> Vec<u8> {
    pptx(&[("Welcome", "To the house"), ("", "No title here"), ("Goodbye", "And thanks")])
}

/// A workbook with one sheet of these rows in XML, and shared strings.
pub(crate) fn xlsx(rows: &str, strings: &[&str]) -> Vec<u8> {
    let strings: String = strings.iter().map(|text| format!("<si><t>{text}</t></si>")).collect();
    archive(&[
        ("[Content_Types].xml", b"<Types/>"),
        (
            "xl/workbook.xml",
            br#"<workbook xmlns:r="r"><sheets><sheet name="Prices" sheetId="1" r:id="rId1"/><sheet name="Secret" state="hidden" sheetId="2" r:id="rId2"/></sheets></workbook>"#,
        ),
        (
            "xl/_rels/workbook.xml.rels",
            br#"<Relationships><Relationship Id="rId1" Type="x/worksheet" Target="/xl/worksheets/sheet1.xml"/><Relationship Id="rId2" Type="x/worksheet" Target="worksheets/sheet2.xml"/></Relationships>"#,
        ),
        ("xl/worksheets/sheet1.xml", format!("<worksheet><sheetData>{rows}</sheetData></worksheet>").as_bytes()),
        ("xl/worksheets/sheet2.xml", br#"<worksheet><row><c t="inlineStr"><is><t>hidden</t></is></c></row></worksheet>"#),
        ("xl/sharedStrings.xml", format!("<sst>{strings}</sst>").as_bytes()),
        (
            "xl/styles.xml",
            br#"<styleSheet><numFmts><numFmt numFmtId="164" formatCode="dd\.mm\.yyyy"/></numFmts><cellXfs><xf numFmtId="0"/><xf numFmtId="164"/><xf numFmtId="22"/></cellXfs></styleSheet>"#,
        ),
    ])
}

pub(crate) fn usual_xlsx() -> Vec<u8> {
    let rows = r#"<row r="1"><c r="A1" t="s"><v>0</v></c><c r="B1" t="s"><v>1</v></c><c r="C1" t="s"><v>2</v></c></row>
        <row r="2"><c r="A2" t="s"><v>3</v></c><c r="B2"><v>0.30000000000000004</v></c><c r="C2" s="1"><v>45292</v></c></row>
        <row r="4"><c r="A4" t="inlineStr"><is><t>Cod &amp; co</t></is></c><c r="C4" s="2"><v>45292.75</v></c></row>"#;
    xlsx(rows, &["Fish", "Price", "Since", "Hake"])
}

/// A PDF of these objects, the first of which is the catalogue.
pub(crate) fn pdf(objects: &[Vec<u8>], trailer: &str) -> Vec<u8> {
    let mut out = b"%PDF-1.7\n".to_vec();
    let mut offsets = Vec::new();
    for (number, object) in (1..).zip(objects) {
        offsets.push(out.len());
        out.extend_from_slice(format!("{number} 0 obj\n").as_bytes());
        out.extend_from_slice(object);
        out.extend_from_slice(b"\nendobj\n");
    }
    let table = out.len();
    out.extend_from_slice(format!("xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1).as_bytes());
    for offset in offsets {
        out.extend_from_slice(format!("{offset:010} 00000 n \n").as_bytes());
    }
    let size = objects.len() + 1;
    out.extend_from_slice(
        format!("trailer\n<</Size {size}/Root 1 0 R{trailer}>>\nstartxref\n{table}\n%%EOF\n").as_bytes(),
    );
    out
}

pub(crate) fn stream(dict: &str, content: &[u8]) -> Vec<u8> {
    let mut out = format!("<<{dict}/Length {}>>\nstream\n", content.len()).into_bytes();
    out.extend_from_slice(content);
    out.extend_from_slice(b"\nendstream");
    out
}

pub(crate) fn deflated(content: &[u8]) -> Vec<u8> {
    let mut packer = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    packer.write_all(content).unwrap();
    packer.finish().unwrap()
}

/// A PDF with these contents of pages, in Helvetica as `/F`, and these objects from number 10 on.
pub(crate) fn pages(contents: &[&str], resources: &str, more: &[Vec<u8>]) -> Vec<u8> {
    let first = 10 + more.len();
    let kids: String = (0..contents.len()).map(|index| format!("{} 0 R ", first + 2 * index)).collect();
    let mut objects = vec![
        b"<</Type/Catalog/Pages 2 0 R>>".to_vec(),
        format!("<</Type/Pages/Kids[{kids}]/Count {}>>", contents.len()).into_bytes(),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>".to_vec(),
        b"<</Title(A \\(small\\) PDF)>>".to_vec(),
    ];
    objects.resize(9, b"null".to_vec());
    objects.extend_from_slice(more);
    for (index, content) in contents.iter().enumerate() {
        let number = first + 2 * index + 1;
        objects.push(
            format!(
                "<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Resources<</Font<</F 3 0 R>>{resources}>>/Contents {number} 0 R>>"
            )
            .into_bytes(),
        );
        objects.push(stream("/Filter/FlateDecode", &deflated(content.as_bytes())));
    }
    pdf(&objects, "/Info 4 0 R")
}

pub(crate) fn usual_pdf() -> Vec<u8> {
    pages(
        &[
            "BT /F 24 Tf 72 700 Td (The great heading) Tj /F 10 Tf 0 -40 Td (This is the first line of a para-) Tj 0 -12 Td \
             (graph that goes on.) Tj 0 -30 Td [(W)60(ide)-400(gaps)-20(s)] TJ ET",
            "BT /F 10 Tf 1 0 0 1 72 700 Tm (Second page, caf\\351.) Tj 1 0 0 1 300 700 Tm (Beside it.) Tj ET",
            "",
        ],
        "",
        &[],
    )
}

pub(crate) const HTML: &str = "<!DOCTYPE html><html><head><meta charset=iso-8859-2><title>A &amp; B</title><style>p{}</style></head>\
    <body><h1>First <em>heading</em></h1><p>One <a href=/x>link</a>.<p>Two<br>lines.<ul><li>item</ul>\
    <script>no()</script><h3>Third</h3><table><tr><td>a<td>b</table></body></html>";

pub(crate) const MARKDOWN: &str = "---\ndate: 2024\n---\n# Title *here*\n\nSome **bold** [link](https://x.example) and `code`\nwrapped.\n\n\
    ## Second\n\n1. one\n2. two\n   - inner\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n```\nlet x = 1;\n```\n\n<div>raw <b>html</b></div>\n";

pub(crate) const CSV: &str = "name;price;note\nHake;1,50;\"fresh; daily\"\n\nCod;2;\"a \"\"b\"\"\nc\"\n";

pub(crate) const JSON: &str = r#"{"shop": {"name": "Fish \u0026 co \ud83d\udc1f", "open": true, "none": null}, "items": [{"n": 1.5e3}, "x", []], "e": {}}"#;

pub(crate) const TEXT: &str = "A first line.\r\nA second.\rThird\n\u{c}Another page";

/// A small document of each kind, with its name.
pub(crate) fn all() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("a.pdf", usual_pdf()),
        ("a.docx", usual_docx()),
        ("a.pptx", usual_pptx()),
        ("a.xlsx", usual_xlsx()),
        ("a.html", HTML.into()),
        ("a.md", MARKDOWN.into()),
        ("a.csv", CSV.into()),
        ("a.json", JSON.into()),
        ("a.txt", TEXT.into()),
    ]
}
