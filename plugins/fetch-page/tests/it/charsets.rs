use hardpoint_sdk::serde_json::json;
use hardpoint_sdk::testing::Answer;
use hardpoint_sdk::tool::ToolError;

use super::{PAGE, fetched};

fn read(content_type: &str, body: &[u8]) -> Result<String, ToolError> {
    let answer = Answer::new(200).header("Content-Type", content_type).chunk(body);
    Ok(fetched(json!({ "url": PAGE }), answer)?["text"].as_str().unwrap().to_owned())
}

#[test]
fn bytes_become_text() {
    for (content_type, body, expected) in [
        ("text/plain; charset=UTF-8", "h\u{fc}\u{1F600}".as_bytes(), "h\u{fc}\u{1F600}"),
        ("text/plain; charset=\"utf8\"", "\u{fc}".as_bytes(), "\u{fc}"),
        ("text/plain;charset=ISO-8859-1", b"h\xfc\x80\x93x\x94", "h\u{fc}\u{20ac}\u{201c}x\u{201d}"),
        ("text/plain; foo=bar; charset=windows-1252", b"\x99\xe9\x9f", "\u{2122}\u{e9}\u{178}"),
        ("text/plain; charset=iso-8859-15", b"5\xa4 \xbc\xe9", "5\u{20ac} \u{152}\u{e9}"),
        ("text/plain; charset=latin1", b"\xa4", "\u{a4}"),
        ("text/plain; charset=utf-16le", b"h\0\xfc\0", "h\u{fc}"),
        ("text/plain; charset=utf-16be", b"\0h\0\xfc\xd8\x3d\xde\x00", "h\u{fc}\u{1F600}"),
        // A mark goes before the header, and no word at all means what is likely.
        ("text/plain; charset=latin1", b"\xef\xbb\xbf\xc3\xbc", "\u{fc}"),
        ("text/plain; charset=utf-8", b"\xff\xfeh\0", "h"),
        ("text/plain", "\u{fc}".as_bytes(), "\u{fc}"),
        ("text/plain", b"\xfc", "\u{fc}"),
        ("text/html", b"<meta charset='windows-1252'>\x80", "\u{20ac}"),
        (
            "text/html",
            b"<META http-equiv=Content-Type content=\"text/html; CHARSET=iso-8859-15\">\xa4",
            "\u{20ac}",
        ),
        ("text/html", b"<meta name=x content='charset'><meta charset = utf-8 >\xc3\xbc", "\u{fc}"),
        ("text/html; charset=utf-8", b"<meta charset=latin1>\xc3\xbc", "\u{fc}"),
        // Half a character, and bytes that are none.
        ("text/plain; charset=utf-8", b"a\xc3", "a\u{fffd}"),
        ("text/plain; charset=utf-8", b"a\xff\xfeb", "a\u{fffd}\u{fffd}b"),
        ("text/plain; charset=utf-16le", b"\x00\xd8a", "\u{fffd}"),
        ("text/plain; charset=shift_jis", b"only ASCII", "only ASCII"),
    ] {
        assert_eq!(read(content_type, body), Ok(expected.to_owned()), "{content_type} {body:?}");
    }
    let unknown = read("text/plain; charset=shift_jis", b"\x83e\x83X").unwrap_err();
    assert!(matches!(&unknown, ToolError::Failed(reason) if reason.contains("`shift_jis`")), "{unknown:?}");
}
