//! E-mail addresses.

/// Longest address that mail is sent to (RFC 5321).
const LONGEST: usize = 254;

/// An address in lower case, by which people are told apart; none where it can be no address. Whether
/// anybody reads what is sent there, only sending tells.
pub fn normal(text: &str) -> Option<String> {
    let (local, domain) = text.rsplit_once('@')?;
    let is_plain =
        |c: char| !c.is_whitespace() && !c.is_control() && !matches!(c, '@' | ',' | ';' | '<' | '>' | '"');
    let labels = domain.split('.').all(|label| {
        !label.is_empty() && !label.starts_with('-') && label.chars().all(|c| c.is_alphanumeric() || c == '-')
    });
    let fits = text.len() <= LONGEST
        && !local.is_empty()
        && local.chars().all(is_plain)
        && labels
        && domain.contains('.');
    fits.then(|| text.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_are_addresses() {
        for (text, expected) in [
            ("admin@sekuire.ai", Some("admin@sekuire.ai")),
            ("Ann.O'Hara+x@Example.COM", Some("ann.o'hara+x@example.com")),
            ("jürgen@bücher.example", Some("jürgen@bücher.example")),
        ] {
            assert_eq!(normal(text).as_deref(), expected, "{text}");
        }
        let long = format!("{}@example.com", "a".repeat(250));
        for text in [
            "",
            "@",
            "a@",
            "@b.c",
            "a@b",
            "a@b.",
            "a@.b",
            "a b@c.de",
            "a@b@c.de",
            "a\r\nBcc: x@y.zz",
            "a\0@b.cd",
            "<a@b.cd>",
            "a,c@b.de",
            "a@-b.cd",
            "a@b.c d",
            &long,
        ] {
            assert_eq!(normal(text), None, "{text}");
        }
    }
}
