//! Names and media types of files, as clients send them.

/// The longest name, in bytes.
pub const LONGEST_NAME: usize = 255;
/// The longest media type, in bytes.
pub const LONGEST_MEDIA_TYPE: usize = 127;
/// The longest ending that a name keeps when it is cut, in bytes.
const LONGEST_ENDING: usize = 16;
/// What a file is called whose name says nothing.
const NAMELESS: &str = "document";

/// The name of a file, without folders, without characters that control a terminal or turn the direction of text, and of at
/// most [`LONGEST_NAME`] bytes. Never empty, never `.` or `..`.
pub fn clean(sent: &str) -> String {
    let last = sent.rsplit(['/', '\\']).next().unwrap_or_default();
    let shown: String = last.chars().filter(|character| !is_hidden(*character)).collect();
    let name = shown.trim();
    if name.trim_matches(['.', ' ']).is_empty() { NAMELESS.to_owned() } else { cut(name) }
}

/// A media type that can be sent in a header; none for what is none.
pub fn media_type(sent: &str) -> Option<String> {
    let is_plain = |text: &str| text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    let fits = sent.len() <= LONGEST_MEDIA_TYPE && is_plain(sent) && sent.split(';').next()?.contains('/');
    fits.then(|| sent.to_owned())
}

fn is_hidden(character: char) -> bool {
    let turns =
        matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    turns || character.is_control() || matches!(character, '\u{2028}' | '\u{2029}' | '\u{feff}')
}

/// A name that is too long loses the end of its stem: its ending says what it is.
fn cut(name: &str) -> String {
    if name.len() <= LONGEST_NAME {
        return name.to_owned();
    }
    let ending = name.rfind('.').map_or("", |at| &name[at..]);
    let ending = if ending.len() <= LONGEST_ENDING { ending } else { "" };
    let end = name.floor_char_boundary(LONGEST_NAME - ending.len());
    format!("{}{ending}", &name[..end])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_names_alone() {
        for (sent, kept) in [
            ("policies.pdf", "policies.pdf"),
            ("../../etc/passwd", "passwd"),
            ("C:\\Users\\ann\\plan.docx", "plan.docx"),
            ("a\r\nX-Evil: yes.txt", "aX-Evil: yes.txt"),
            ("a\0b.txt", "ab.txt"),
            ("invoice\u{202e}fdp.exe", "invoicefdp.exe"),
            (" Bücher.md ", "Bücher.md"),
            ("", "document"),
            ("..", "document"),
            ("a/", "document"),
            (" . ", "document"),
            (".env", ".env"),
        ] {
            assert_eq!(clean(sent), kept, "{sent:?}");
        }
        let long = clean(&format!("{}.pdf", "ü".repeat(200)));
        assert_eq!((long.len(), long.ends_with("ü.pdf")), (254, true));
        assert_eq!(clean(&format!("a.{}", "b".repeat(300))).len(), 255);
    }

    #[test]
    fn media_types_fit_into_a_header() {
        for good in ["text/plain", "text/html; charset=utf-8", "application/vnd.ms-excel"] {
            assert_eq!(media_type(good).as_deref(), Some(good));
        }
        let long = format!("a/{}", "b".repeat(126));
        for bad in ["", "text", "a/b\r\nX: y", "a/ü", "; a/b", &long] {
            assert_eq!(media_type(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_sent_is_a_name(sent in "(?s).{0,400}") {
            let name = clean(&sent);
            prop_assert!(!name.is_empty() && name.len() <= LONGEST_NAME && name != "." && name != "..");
            prop_assert!(!name.contains(['/', '\\']) && !name.chars().any(char::is_control));
            prop_assert_eq!(clean(&name), name);
        }
    }
}
