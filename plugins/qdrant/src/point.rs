//! A passage as a point: what Qdrant keeps of it beside its vector.

use hardpoint_sdk::Failure;
use hardpoint_sdk::retriever::{Chunk, Hit};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use uuid::Uuid;

/// What the ids of points are derived under (RFC 9562, section 5.5).
const NAMESPACE: Uuid = Uuid::from_u128(0x6f1c_52a4_98d7_4b0e_9d53_0c7b_e1f2_a846);

/// A point's payload. Searches filter by the first three and by members of `metadata`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Payload {
    pub(crate) knowledge_base: String,
    pub(crate) document_id: String,
    pub(crate) ordinal: u32,
    pub(crate) text: String,
    first_page: u32,
    last_page: u32,
    start: u32,
    end: u32,
    #[serde(default)]
    metadata: Map<String, Value>,
}

/// A point that a search found.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) id: String,
    pub(crate) cosine: f32,
    pub(crate) payload: Payload,
}

impl Payload {
    pub(crate) fn new(knowledge_base: &str, document_id: &str, chunk: &Chunk) -> Self {
        let metadata = chunk.metadata.as_deref().and_then(|text| serde_json::from_str(text).ok());
        Self {
            knowledge_base: knowledge_base.to_owned(),
            document_id: document_id.to_owned(),
            ordinal: chunk.ordinal,
            // As the host keeps it: it is compared with that.
            text: chunk.text.replace('\0', "\u{fffd}"),
            first_page: chunk.first_page,
            last_page: chunk.last_page,
            start: chunk.start,
            end: chunk.end,
            metadata: metadata.unwrap_or_default(),
        }
    }

    /// The same each time, so that a document that is read again overwrites its points.
    fn id(&self) -> Uuid {
        let name = json!([self.knowledge_base, self.document_id, self.ordinal]).to_string();
        Uuid::new_v5(&NAMESPACE, name.as_bytes())
    }

    /// The point in Qdrant's words.
    ///
    /// # Errors
    /// Where the vector has a value that is no number.
    pub(crate) fn point(&self, vector: &[f32]) -> Result<Vec<u8>, Failure> {
        #[derive(Serialize)]
        struct Point<'a> {
            id: String,
            vector: &'a [f32],
            payload: &'a Payload,
        }
        if vector.iter().any(|value| !value.is_finite()) {
            return Err(Failure::protocol("the embedder gave a vector with a value that is no number"));
        }
        Ok(serde_json::to_vec(&Point { id: self.id().to_string(), vector, payload: self })?)
    }
}

/// With its text: the host does not know it under this name.
impl From<Found> for Hit {
    fn from(found: Found) -> Self {
        let Payload { document_id, ordinal, text, first_page, last_page, start, end, mut metadata, .. } =
            found.payload;
        let place = [
            ("ordinal", ordinal),
            ("first_page", first_page),
            ("last_page", last_page),
            ("start", start),
            ("end", end),
        ];
        metadata.extend(place.map(|(name, value)| (name.to_owned(), Value::from(value))));
        Self {
            chunk_id: found.id,
            document_id,
            cosine: Some(found.cosine),
            fused: found.cosine,
            text: Some(text),
            metadata: Some(Value::Object(metadata).to_string()),
        }
    }
}
