//! Optional content (8.11): layers that are switched off are not read.

use std::collections::HashSet;

use hayro_syntax::object::{Array, Dict, Name, ObjectIdentifier};
use hayro_syntax::xref::XRef;

const MOST_LAYERS: usize = 10_000;

/// The layers that are off.
#[derive(Default)]
pub(super) struct Layers(HashSet<ObjectIdentifier>);

impl Layers {
    pub(super) fn new(xref: &XRef) -> Self {
        let catalogue = xref.get::<Dict<'_>>(xref.root_id());
        let properties = catalogue.and_then(|catalogue| catalogue.get::<Dict<'_>>(b"OCProperties"));
        let Some(properties) = properties else { return Self::default() };
        let config = properties.get::<Dict<'_>>(b"D").unwrap_or_default();
        let mut off = HashSet::new();
        if config.get::<Name<'_>>(b"BaseState").is_some_and(|state| state.as_ref() == b"OFF") {
            off.extend(listed(&properties, b"OCGs"));
            for id in listed(&config, b"ON") {
                off.remove(&id);
            }
        }
        off.extend(listed(&config, b"OFF"));
        Self(off)
    }

    /// Whether what belongs to this layer, or to this combination of layers, is not to be seen.
    pub(super) fn hide(&self, id: Option<ObjectIdentifier>, dict: Option<&Dict<'_>>) -> bool {
        if self.0.is_empty() {
            return false;
        }
        if id.is_some_and(|id| self.0.contains(&id)) {
            return true;
        }
        let Some(dict) = dict else { return false };
        let of_one = dict.get_ref(b"OCGs").map(ObjectIdentifier::from);
        let members: Vec<_> = if dict.get::<Array<'_>>(b"OCGs").is_some() {
            listed(dict, b"OCGs").collect()
        } else {
            of_one.into_iter().collect()
        };
        let is_off = |id: &ObjectIdentifier| self.0.contains(id);
        let policy = dict.get::<Name<'_>>(b"P");
        !members.is_empty()
            && match policy.as_deref() {
                Some(b"AllOn") => members.iter().any(is_off),
                Some(b"AnyOff") => !members.iter().any(is_off),
                Some(b"AllOff") => !members.iter().all(is_off),
                _ => members.iter().all(is_off),
            }
    }
}

fn listed<'a>(dict: &Dict<'a>, key: &[u8]) -> impl Iterator<Item = ObjectIdentifier> + use<'a> {
    let entries = dict.get::<Array<'a>>(key).unwrap_or_default();
    entries.raw_iter().take(MOST_LAYERS).filter_map(|entry| entry.as_obj_ref()).map(ObjectIdentifier::from)
}
