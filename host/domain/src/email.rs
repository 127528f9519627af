//! E-mail addresses.

/// The longest address, local part and label that mail is sent to, in bytes (RFC 5321, RFC 1035).
const LONGEST: usize = 254;
const LONGEST_LOCAL: usize = 64;
const LONGEST_LABEL: usize = 63;

/// An address in lower case, by which people are told apart; none where it can be no address, or is one that hosts
/// do not send to: quoted, or at a number. Whether anybody reads what is sent there, only sending tells.
pub fn normal(text: &str) -> Option<String> {
    // Lower case may be longer, but not that much.
    if text.len() > LONGEST {
        return None;
    }
    let text = text.to_lowercase();
    let (local, domain) = text.rsplit_once('@')?;
    let is_local = local.len() <= LONGEST_LOCAL && local.split('.').all(is_atom);
    let is_domain = domain.contains('.') && domain.split('.').all(is_label);
    (text.len() <= LONGEST && is_local && is_domain).then_some(text)
}

/// Part of what stands before the `@`, between dots (RFC 5322).
fn is_atom(atom: &str) -> bool {
    let fits = |c: char| c.is_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c);
    !atom.is_empty() && atom.chars().all(fits)
}

fn is_label(label: &str) -> bool {
    label.len() <= LONGEST_LABEL
        && label.starts_with(char::is_alphanumeric)
        && label.ends_with(char::is_alphanumeric)
        && label.chars().all(|c| c.is_alphanumeric() || c == '-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_are_addresses() {
        for (text, expected) in [
            ("admin@sekuire.ai", Some("admin@sekuire.ai")),
            ("Ann.O'Hara+x@Example.COM", Some("ann.o'hara+x@example.com")),
            ("Jürgen@Bücher.example", Some("jürgen@bücher.example")),
            ("a!#$%&'*+-/=?^_`{|}~b@c.de", Some("a!#$%&'*+-/=?^_`{|}~b@c.de")),
            // The Kelvin sign is a K.
            ("ric\u{212a}@b.cd", Some("rick@b.cd")),
        ] {
            assert_eq!(normal(text).as_deref(), expected, "{text}");
        }
        let long = format!("a@{}com", "example.".repeat(32));
        let (local, label) = (format!("{}@b.cd", "a".repeat(65)), format!("a@{}.cd", "b".repeat(64)));
        for text in [
            &local,
            &label,
            ".a@b.cd",
            "a.@b.cd",
            "a..b@c.de",
            "a@b-.cd",
            "a(b)@c.de",
            "a:b@c.de",
            "a\\b@c.de",
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
