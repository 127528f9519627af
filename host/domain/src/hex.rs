//! Bytes as two lower-case digits each.

/// The digits of bytes.
pub fn show(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
}

/// Exactly so many bytes, from digits of either case; none for anything else.
pub fn parse<const N: usize>(text: &str) -> Option<[u8; N]> {
    if text.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let digit = |at: usize| char::from(pair[at]).to_digit(16);
        *byte = u8::try_from(digit(0)? * 16 + digit(1)?).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_read_back() {
        assert_eq!(show(&[0, 0x1f, 0xff]), "001fff");
        assert_eq!(parse(&show(&[0, 0x1f, 0xff])), Some([0, 0x1f, 0xff]));
        assert_eq!(parse("AB"), Some([0xab]));
        for bad in ["", "a", "abc", "0g", "+1", "é"] {
            assert_eq!(parse::<1>(bad), None, "{bad}");
        }
    }
}
