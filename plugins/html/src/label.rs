//! The encoding that a page says it has.

use alloc::string::{String, ToString};

/// From `<meta charset="x">` or `<meta http-equiv="content-type" content="text/html; charset=x">`, which stand in a
/// page's first 1,024 bytes.
pub fn label(head: &[u8]) -> Option<String> {
    let head = String::from_utf8_lossy(head.get(..1_024).unwrap_or(head)).to_ascii_lowercase();
    let tags = head.split("<meta").skip(1).filter_map(|rest| rest.split('>').next());
    tags.filter_map(|tag| {
        let value = tag.split("charset").nth(1)?.trim_start().strip_prefix('=')?;
        let value = value.trim_start().trim_start_matches(['"', '\'']);
        let label = value.split(['"', '\'', ' ', ';', '/', '\n']).next()?;
        (!label.is_empty()).then(|| label.to_string())
    })
    .next()
}
