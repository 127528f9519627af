//! What a file is that came without a word about it: by its content, and by its name where that is of the same sort.

/// What is looked at of the beginning of a file, in bytes.
pub(super) const HEAD: usize = 8 << 10;

/// Whether a declared media type tells as much as none: clients say it of whatever they do not know (RFC 2046, 4.5.1).
pub(super) fn says_nothing(declared: &str) -> bool {
    let essence = declared.split(';').next().unwrap_or_default();
    essence.trim().eq_ignore_ascii_case("application/octet-stream")
}

/// The media type of a file of this name that begins so; none for what is neither text nor known.
pub(super) fn of(filename: &str, head: &[u8]) -> Option<String> {
    let found = infer::get(head).map(|found| found.mime_type());
    if !is_text(head) {
        return found.map(str::to_owned);
    }
    // A text may begin with the two letters that something else begins with; a small PDF has no other bytes than texts.
    let found = found.filter(|found| is_of_text(found) || *found == "application/pdf");
    let named = mime_guess::from_path(filename).first_raw().filter(|named| is_of_text(named));
    Some(found.or(named).unwrap_or("text/plain").to_owned())
}

/// Whether there is nothing in it that no text has; in UTF-16 there may be anything.
fn is_text(head: &[u8]) -> bool {
    let is_of_none = |byte: &u8| *byte < b' ' && !matches!(byte, b'\t' | b'\n' | b'\r' | 0x0c);
    head.starts_with(b"\xff\xfe") || head.starts_with(b"\xfe\xff") || !head.iter().any(is_of_none)
}

fn is_of_text(media_type: &str) -> bool {
    media_type.starts_with("text/")
        || ["json", "xml", "yaml", "toml"].iter().any(|it| media_type.ends_with(it))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_content_decides_and_then_the_name() {
        let docx = b"PK\x03\x04\x14\0\x06\0\x08\0\0\0!\0\0\0\0\0\0\0\0\0\0\0\0\0\x11\0\0\0word/document.xml";
        for (filename, head, media_type) in [
            ("a.pdf", &b"%PDF-1.7\n%\xe2\xe3"[..], Some("application/pdf")),
            ("a.docx", b"%PDF-1.7\n%\xe2\xe3", Some("application/pdf")),
            (
                "document",
                docx,
                Some("application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
            ),
            ("a.pdf", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", Some("image/png")),
            ("a.pdf", b"just words", Some("text/plain")),
            ("a.md", b"# words", Some("text/markdown")),
            ("a.csv", b"a,b\n1,2", Some("text/csv")),
            ("a.json", b"{}", Some("application/json")),
            ("page.html", b"<p>x", Some("text/html")),
            ("page", b"<!DOCTYPE html><p>x", Some("text/html")),
            ("cars", b"BMW is a maker of cars", Some("text/plain")),
            ("a.txt", b"caf\xe9", Some("text/plain")),
            ("a.txt", b"\xff\xfea\0b\0", Some("text/plain")),
            ("a.docx", b"\0\x01\x02\x03", None),
        ] {
            assert_eq!(of(filename, head).as_deref(), media_type, "{filename} {head:.20?}");
        }
    }

    #[test]
    fn what_says_nothing() {
        for (declared, is_nothing) in [
            ("application/octet-stream", true),
            ("Application/Octet-Stream; x=y", true),
            ("text/plain", false),
        ] {
            assert_eq!(says_nothing(declared), is_nothing, "{declared}");
        }
    }
}
