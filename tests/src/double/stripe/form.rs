//! Forms as Stripe reads them: `line_items[0][price]=price_1`.

use std::collections::BTreeMap;

use super::state::Refused;

/// Parameters by their whole names.
pub(super) struct Form(BTreeMap<String, String>);

impl Form {
    pub(super) fn parse(text: &str) -> Self {
        let pairs = text.split('&').filter(|pair| !pair.is_empty());
        let decoded = pairs.map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name), decode(value))
        });
        Self(decoded.collect())
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// A parameter that must be there.
    pub(super) fn need(&self, name: &str) -> Result<&str, Refused> {
        let missing =
            || Refused::new(400, "parameter_missing", name, &format!("Missing required param: {name}."));
        self.get(name).filter(|value| !value.is_empty()).ok_or_else(missing)
    }

    /// What stands under a name in brackets, all of it text.
    pub(super) fn table(&self, name: &str) -> BTreeMap<String, String> {
        let inner =
            |key: &String| Some(key.strip_prefix(name)?.strip_prefix('[')?.strip_suffix(']')?.to_owned());
        self.0.iter().filter_map(|(key, value)| Some((inner(key)?, value.clone()))).collect()
    }

    /// Refuses what is none of these, nor stands under one of them in brackets.
    pub(super) fn only(&self, known: &[&str]) -> Result<(), Refused> {
        let is_known = |key: &str| known.contains(&key.split('[').next().unwrap_or(key));
        match self.0.keys().find(|key| !is_known(key)) {
            Some(key) => Err(Refused::new(
                400,
                "parameter_unknown",
                key,
                &format!("Received unknown parameter: {key}"),
            )),
            None => Ok(()),
        }
    }
}

fn decode(text: &str) -> String {
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let [first, after @ ..] = rest {
        let code = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let code = code.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match (first, code) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            (b'+', _) => {
                bytes.push(b' ');
                rest = after;
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_are_read_and_unknown_names_refused() {
        let form = Form::parse("metadata%5Ba%5D=1+2&mode=payment&line_items[0][price]=p%C3%A9");
        assert_eq!(form.table("metadata"), BTreeMap::from([("a".to_owned(), "1 2".to_owned())]));
        assert_eq!(form.get("line_items[0][price]"), Some("pé"));
        assert!(form.only(&["metadata", "mode", "line_items"]).is_ok());
        assert!(form.only(&["metadata", "mode"]).is_err());
        assert!(form.need("customer").is_err());
    }
}
