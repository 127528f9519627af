//! What a search may answer. A hit is of this knowledge base and of what the search may see, or the whole
//! answer is a fault.

use std::collections::{HashMap, HashSet};

use super::draft::{object, without_nul};
use super::{Hit, SearchRequest};
use crate::bindings::retriever::exports::hardpoint::plugin::retriever as wit;
use crate::secret::SecretSet;

/// The longest text of a hit, in bytes.
const TEXT_BYTES: usize = 64 << 10;
/// The largest metadata of a hit, in bytes.
const METADATA_BYTES: usize = 16 << 10;
/// The longest name that an engine outside the host may have for a chunk or a document, in bytes.
const ID_BYTES: usize = 512;
/// How far a cosine may be beyond 1 by rounding.
const ROUNDING: f32 = 1e-3;

/// The hits of a search, in words of the host; says which rule is broken.
pub(crate) fn check(
    hits: Vec<wit::Hit>,
    request: &SearchRequest,
    answered: &HashMap<String, String>,
    secrets: &SecretSet,
) -> Result<Vec<Hit>, String> {
    if hits.len() > request.top as usize {
        return Err(format!("{} hits, where {} were asked for", hits.len(), request.top));
    }
    let visible: Option<HashSet<&str>> =
        request.filter.document_ids.as_ref().map(|ids| ids.iter().map(String::as_str).collect());
    let mut seen = HashSet::new();
    let mut last = f32::INFINITY;
    let mut found = Vec::with_capacity(hits.len());
    for (hit, number) in hits.into_iter().zip(1_u32..) {
        let wrong = |reason: String| Err(format!("hit {number}: {reason}"));
        if hit.chunk_id.len() > ID_BYTES || hit.document_id.len() > ID_BYTES {
            return wrong(format!("an id of more than {ID_BYTES} bytes"));
        }
        if !seen.insert(hit.chunk_id.clone()) {
            return wrong(format!("chunk `{}` a second time", hit.chunk_id));
        }
        if !hit.fused.is_finite() || hit.fused > last {
            return wrong(format!("`fused` is {}: hits come best first", hit.fused));
        }
        last = hit.fused;
        if hit.cosine.is_some_and(|cosine| !cosine.is_finite() || cosine.abs() > 1.0 + ROUNDING) {
            return wrong(format!("a cosine of {}", hit.cosine.unwrap_or_default()));
        }
        if visible.as_ref().is_some_and(|visible| !visible.contains(hit.document_id.as_str())) {
            return wrong(format!("document `{}`, which the search may not see", hit.document_id));
        }
        if hit.text.is_none() && answered.get(&hit.chunk_id) != Some(&hit.document_id) {
            let (chunk, document) = (&hit.chunk_id, &hit.document_id);
            return wrong(format!("chunk `{chunk}` of document `{document}`, which no index answered"));
        }
        if hit.text.as_ref().is_some_and(|text| text.len() > TEXT_BYTES) {
            return wrong(format!("a text of more than {} KiB", TEXT_BYTES >> 10));
        }
        let redact = |text: String| secrets.redact_text(&without_nul(text)).into_owned();
        let metadata = hit.metadata.map(|text| object(&redact(text), METADATA_BYTES)).transpose();
        let metadata = match metadata {
            Ok(metadata) => metadata,
            Err(reason) => return wrong(format!("its metadata {reason}")),
        };
        found.push(Hit {
            chunk_id: hit.chunk_id,
            document_id: hit.document_id,
            cosine: hit.cosine.map(|cosine| cosine.clamp(-1.0, 1.0)),
            fused: hit.fused,
            text: hit.text.map(redact),
            metadata,
        });
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::knowledge::Filter;

    fn hit(chunk: &str, fused: f32) -> wit::Hit {
        wit::Hit {
            chunk_id: chunk.to_owned(),
            document_id: "doc-1".to_owned(),
            cosine: Some(0.5),
            fused,
            text: None,
            metadata: None,
        }
    }

    fn checked(hits: Vec<wit::Hit>) -> Result<Vec<Hit>, String> {
        let answered = ["a", "b", "c"].map(|chunk| (chunk.to_owned(), "doc-1".to_owned())).into();
        let filter = Filter { document_ids: Some(vec!["doc-1".into(), "doc-2".into()]), metadata: None };
        let request = SearchRequest { query: "q".into(), top: 2, filter, hybrid: true };
        check(hits, &request, &answered, &SecretSet::new(Default::default()))
    }

    #[test]
    fn each_rule_by_itself() {
        assert_eq!(checked(vec![hit("a", 2.0), hit("b", 2.0)]).unwrap().len(), 2);
        let outside = |document: &str, text: &str| wit::Hit {
            document_id: document.to_owned(),
            text: Some(text.to_owned()),
            ..hit("their own", 1.0)
        };
        assert_eq!(checked(vec![outside("doc-2", "a\0")]).unwrap()[0].text.as_deref(), Some("a\u{fffd}"));
        for (bad, words) in [
            (vec![hit("a", 3.0), hit("b", 2.0), hit("c", 1.0)], "3 hits"),
            (vec![hit("a", 1.0), hit("b", 2.0)], "best first"),
            (vec![hit("a", f32::NAN)], "best first"),
            (vec![hit("a", f32::INFINITY)], "best first"),
            (vec![hit("a", 1.0), hit("a", 1.0)], "a second time"),
            (vec![hit("d", 1.0)], "no index answered"),
            (vec![wit::Hit { document_id: "doc-2".into(), ..hit("a", 1.0) }], "no index answered"),
            (vec![outside("doc-3", "text")], "may not see"),
            (vec![outside("doc-1", &"x".repeat(TEXT_BYTES + 1))], "a text of more"),
            (vec![wit::Hit { cosine: Some(f32::NAN), ..hit("a", 1.0) }], "a cosine"),
            (vec![wit::Hit { cosine: Some(-1.1), ..hit("a", 1.0) }], "a cosine"),
            (vec![wit::Hit { metadata: Some("[]".into()), ..hit("a", 1.0) }], "metadata"),
            (vec![wit::Hit { chunk_id: "x".repeat(ID_BYTES + 1), ..hit("a", 1.0) }], "an id"),
        ] {
            let reason = checked(bad).unwrap_err();
            assert!(reason.contains(words), "{words}: {reason}");
        }
    }
}
