//! Bodies: entries put together in the shape that the endpoint takes, with the credential where it is wanted.

use alloc::vec::Vec;

use hardpoint_sdk::request::Parts;
use hardpoint_sdk::{Failure, secret};

use crate::settings::{CREDENTIAL, Settings, Shape};

/// Entries of one body, without the credential's value.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    shape: Shape,
    /// Before the entries, up to the credential's value where the object has it, and after that value.
    open: (Vec<u8>, Option<Vec<u8>>),
    /// After the entries.
    close: &'static [u8],
    /// What each entry begins with, up to the credential's value.
    entry: Option<Vec<u8>>,
}

impl Layout {
    pub(crate) fn of(settings: &Settings) -> Result<Self, Failure> {
        let name = settings.body_credential.as_ref().map(serde_json::to_string).transpose()?;
        let with_credential = |name: &str| [b"{", name.as_bytes(), b":\""].concat();
        let entry = name.as_deref().filter(|_| settings.shape != Shape::Object).map(with_credential);
        let (open, close): (_, &[u8]) = match settings.shape {
            Shape::Array => ((Vec::from(*b"["), None), b"]"),
            Shape::Lines => ((Vec::new(), None), b"\n"),
            Shape::Event => ((Vec::new(), None), b""),
            Shape::Object => {
                let mut rest = Vec::new();
                for (name, value) in &settings.envelope {
                    if *name == settings.member || settings.body_credential.as_ref() == Some(name) {
                        continue;
                    }
                    rest.extend(serde_json::to_vec(name)?);
                    rest.push(b':');
                    rest.extend_from_slice(value.get().as_bytes());
                    rest.push(b',');
                }
                rest.extend(serde_json::to_vec(&settings.member)?);
                rest.extend_from_slice(b":[");
                let open = match name {
                    Some(name) => (with_credential(&name), Some([b"\",", rest.as_slice()].concat())),
                    None => ([b"{", rest.as_slice()].concat(), None),
                };
                (open, b"]}")
            }
        };
        Ok(Self { shape: settings.shape, open, close, entry })
    }

    /// Bytes of a body beside its entries.
    pub(crate) fn around(&self) -> usize {
        self.open.0.len() + self.open.1.as_ref().map_or(0, Vec::len) + self.close.len()
    }

    /// Bytes that an entry takes.
    pub(crate) fn size(&self, entry: &[u8]) -> usize {
        // A comma or line break, and `",` behind a credential.
        entry.len() + 1 + self.entry.as_ref().map_or(0, |before| before.len() + 2)
    }

    pub(crate) fn body<'a>(&self, entries: impl Iterator<Item = &'a [u8]>) -> Parts {
        let mut parts = Parts::default();
        let mut bytes = self.open.0.clone();
        let mut credential = |bytes: &mut Vec<u8>| {
            parts.push(core::mem::take(bytes));
            parts.push(secret(CREDENTIAL).json());
        };
        if let Some(rest) = &self.open.1 {
            credential(&mut bytes);
            bytes.extend_from_slice(rest);
        }
        for (index, entry) in entries.enumerate() {
            if index > 0 {
                bytes.push(if self.shape == Shape::Lines { b'\n' } else { b',' });
            }
            match &self.entry {
                None => bytes.extend_from_slice(entry),
                Some(before) => {
                    bytes.extend_from_slice(before);
                    credential(&mut bytes);
                    bytes.push(b'"');
                    // The rest of the object, or its end.
                    if entry.len() > 2 {
                        bytes.push(b',');
                    }
                    bytes.extend_from_slice(entry.get(1..).unwrap_or(b"}"));
                }
            }
        }
        bytes.extend_from_slice(self.close);
        parts.push(bytes);
        parts
    }
}
