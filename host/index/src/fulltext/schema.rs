//! What is kept of a passage: nothing that could be read back but its terms.

use serde_json::Value;
use sha2::{Digest, Sha256};
use tantivy::schema::{
    BytesOptions, Field, IndexRecordOption, NumericOptions, Schema, TextFieldIndexing, TextOptions,
};
use tantivy::{TantivyDocument, TantivyError, Term};
use uuid::Uuid;

use crate::change::Passage;

/// The analyzer's name, in which its version is: an index of another is made anew.
pub(super) const ANALYZER: &str = "hardpoint-2";

/// The fields of the schema.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fields {
    /// Terms and how often each occurs. Positions are not kept: there are no phrases in a question.
    pub(super) text: Field,
    document: Field,
    metadata: Field,
}

/// Columns that hits are read from: a UUID is two numbers.
const COLUMNS: [&str; 4] = ["chunk-high", "chunk-low", "document-high", "document-low"];

/// The schema of every index.
pub(super) fn schema() -> Schema {
    let mut schema = Schema::builder();
    let text = TextFieldIndexing::default()
        .set_tokenizer(ANALYZER)
        .set_fieldnorms(true)
        .set_index_option(IndexRecordOption::WithFreqs);
    schema.add_text_field("text", TextOptions::default().set_indexing_options(text));
    schema.add_bytes_field("document", BytesOptions::default().set_indexed());
    schema.add_bytes_field("metadata", BytesOptions::default().set_indexed());
    for column in COLUMNS {
        schema.add_u64_field(column, NumericOptions::default().set_fast());
    }
    schema.build()
}

impl Fields {
    pub(super) fn of(schema: &Schema) -> Result<Self, TantivyError> {
        let field = |name| schema.get_field(name);
        Ok(Self { text: field("text")?, document: field("document")?, metadata: field("metadata")? })
    }

    /// The term that every passage of a document has.
    pub(super) fn document_term(&self, document: Uuid) -> Term {
        Term::from_field_bytes(self.document, document.as_bytes())
    }

    /// The term of every passage whose metadata has this member.
    pub(super) fn metadata_term(&self, name: &str, value: &Value) -> Term {
        Term::from_field_bytes(self.metadata, &member_digest(name, value))
    }

    /// A passage as it is indexed.
    pub(super) fn indexed(&self, passage: &Passage, columns: &[Field; 4]) -> TantivyDocument {
        let mut indexed = TantivyDocument::default();
        indexed.add_text(self.text, &passage.text);
        if let Some(above) = above(&passage.text) {
            indexed.add_text(self.text, above);
        }
        indexed.add_bytes(self.document, passage.document.as_bytes());
        for (name, value) in &passage.metadata {
            indexed.add_bytes(self.metadata, &member_digest(name, value));
        }
        let (chunk, document) = (passage.chunk.as_u64_pair(), passage.document.as_u64_pair());
        for (column, half) in columns.iter().zip([chunk.0, chunk.1, document.0, document.1]) {
            indexed.add_u64(*column, half);
        }
        indexed
    }
}

/// The columns as fields, in their order.
pub(super) fn columns(schema: &Schema) -> Result<[Field; 4], TantivyError> {
    let [a, b, c, d] = COLUMNS.map(|name| schema.get_field(name));
    Ok([a?, b?, c?, d?])
}

/// Where the ids of a segment's passages are read.
pub(super) struct Ids([tantivy::columnar::Column<u64>; 4]);

impl Ids {
    pub(super) fn of(segment: &tantivy::SegmentReader) -> Result<Self, TantivyError> {
        let column = |name| segment.fast_fields().u64(name);
        let [a, b, c, d] = COLUMNS;
        Ok(Self([column(a)?, column(b)?, column(c)?, column(d)?]))
    }

    /// The ids of the chunk and the document; none for what was not indexed here.
    pub(super) fn get(&self, row: u32) -> Option<(Uuid, Uuid)> {
        let [a, b, c, d] = self.0.each_ref().map(|column| column.first(row));
        Some((Uuid::from_u64_pair(a?, b?), Uuid::from_u64_pair(c?, d?)))
    }
}

/// The longest text that is taken for title and headings, in bytes.
const LONGEST_ABOVE: usize = 400;

/// What stands above a passage, up to the first blank line. Its words count twice, as one field of two with a weight of
/// two (BM25F: Robertson, Zaragoza and Taylor, 2004): what is in a title says what the text is about.
fn above(text: &str) -> Option<&str> {
    let (above, below) = text.split_once("\n\n")?;
    (above.len() <= LONGEST_ABOVE && !below.trim().is_empty()).then_some(above)
}

/// A member of the metadata in 16 bytes, however long it is. Equal members have equal bytes.
fn member_digest(name: &str, value: &Value) -> [u8; 16] {
    let mut hash = Sha256::new();
    hash.update((name.len() as u64).to_le_bytes());
    hash.update(name);
    hash.update(by_value(value).to_string());
    let mut digest = [0; 16];
    digest.copy_from_slice(&hash.finalize()[..16]);
    digest
}

/// With one spelling for each number: `2.0` is `2`. Members are sorted already.
fn by_value(value: &Value) -> Value {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match value {
        Value::Number(number) => match number.as_f64() {
            Some(float) if number.is_f64() && float.fract() == 0.0 && float.abs() < EXACT => {
                Value::from(float as i64)
            }
            _ => value.clone(),
        },
        Value::Array(values) => values.iter().map(by_value).collect(),
        Value::Object(members) => {
            members.iter().map(|(name, value)| (name.clone(), by_value(value))).collect()
        }
        _ => value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn title_and_headings_end_at_a_blank_line() {
        assert_eq!(above("Wings\nLift\n\nIt rises.\n\nAnd falls."), Some("Wings\nLift"));
        for text in ["", "Wings", "Wings\nIt rises.", "Wings\n\n \n"] {
            assert_eq!(above(text), None, "{text:?}");
        }
        assert_eq!(above(&format!("{}\n\nb", "a".repeat(LONGEST_ABOVE + 1))), None, "that is a paragraph");
    }

    #[test]
    fn members_are_equal_by_value() {
        let same = |a: Value, b: Value| member_digest("a", &a) == member_digest("a", &b);
        assert!(same(json!(2), json!(2.0)));
        assert!(same(json!({"x": 1, "y": [2.0]}), json!({"y": [2], "x": 1})));
        assert!(!same(json!(2), json!("2")));
        assert!(!same(json!(2), json!(2.5)));
        assert!(!same(json!(null), json!(false)));
        assert_ne!(member_digest("ab", &json!("c")), member_digest("a", &json!("bc")));
    }
}
