//! Filters in Qdrant's words.

use hardpoint_sdk::Failure;
use hardpoint_sdk::index::Filter;
use serde_json::{Map, Value, json};

/// The points that a search may see.
///
/// # Errors
/// `invalid-request` for metadata that Qdrant cannot compare.
pub(crate) fn visible(knowledge_base: &str, filter: &Filter) -> Result<Value, Failure> {
    let mut conditions = vec![equal("knowledge_base", knowledge_base.into())];
    conditions.extend(filter.document_ids.as_deref().map(one_of));
    if let Some(metadata) = &filter.metadata {
        let members: Map<String, Value> = serde_json::from_str(metadata)
            .map_err(|_| Failure::invalid_request("the metadata of the filter is no JSON object"))?;
        for (name, value) in members {
            conditions.push(member(&name, value)?);
        }
    }
    Ok(json!({ "must": conditions }))
}

/// All points of these documents.
pub(crate) fn documents(knowledge_base: &str, document_ids: &[String]) -> Value {
    json!({ "must": [equal("knowledge_base", knowledge_base.into()), one_of(document_ids)] })
}

/// The points of a document from this passage on.
pub(crate) fn rest(knowledge_base: &str, document_id: &str, ordinal: u32) -> Value {
    json!({ "must": [
        equal("knowledge_base", knowledge_base.into()),
        equal("document_id", document_id.into()),
        { "key": "ordinal", "range": { "gte": ordinal } },
    ] })
}

fn equal(key: &str, value: Value) -> Value {
    json!({ "key": key, "match": { "value": value } })
}

fn one_of(document_ids: &[String]) -> Value {
    json!({ "key": "document_id", "match": { "any": document_ids } })
}

/// Qdrant matches texts, integers and truth values; numbers with a fraction it knows as ranges.
fn member(name: &str, value: Value) -> Result<Value, Failure> {
    let cannot = |why: &str| Failure::invalid_request(format!("no filter by the metadata `{name}`: {why}"));
    if name.contains(['"', '\\']) {
        return Err(cannot("Qdrant has no way to write this name"));
    }
    let key = format!("metadata.\"{name}\"");
    match value {
        Value::String(_) | Value::Bool(_) => Ok(equal(&key, value)),
        Value::Number(ref number) if number.is_i64() => Ok(equal(&key, value)),
        Value::Number(_) => Ok(json!({ "key": key, "range": { "gte": value, "lte": value } })),
        Value::Null => Ok(json!({ "is_null": { "key": key } })),
        Value::Array(_) | Value::Object(_) => Err(cannot("Qdrant compares no lists and no objects")),
    }
}
