//! One collection: its points, and the search for the nearest.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::{Refusal, filter, malformed};

pub(super) struct Collection {
    size: usize,
    distance: String,
    /// Fields with the schema of their index.
    indexes: BTreeMap<String, Value>,
    points: BTreeMap<String, Point>,
    version: u64,
}

struct Point {
    vector: Vec<f64>,
    payload: Value,
    version: u64,
}

impl Collection {
    pub(super) fn new(vectors: &Value) -> Result<Self, Refusal> {
        let size = vectors["size"].as_u64().filter(|size| (1..=65_536).contains(size));
        let distance = vectors["distance"].as_str().filter(|it| ["Cosine", "Dot", "Euclid"].contains(it));
        let (Some(size), Some(distance)) = (size, distance) else {
            return Err(malformed("missing field `vectors`"));
        };
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let (indexes, points) = (BTreeMap::new(), BTreeMap::new());
        Ok(Self { size, distance: distance.to_owned(), indexes, points, version: 0 })
    }

    pub(super) fn payloads(&self) -> BTreeMap<String, Value> {
        self.points.iter().map(|(id, point)| (id.clone(), point.payload.clone())).collect()
    }

    pub(super) fn vector(&self, id: &str) -> Option<Vec<f64>> {
        Some(self.points.get(id)?.vector.clone())
    }

    pub(super) fn indexes(&self) -> BTreeMap<String, String> {
        self.indexes.iter().map(|(field, schema)| (field.clone(), kind(schema).to_owned())).collect()
    }

    /// As `GET /collections/{name}` tells of it.
    pub(super) fn told(&self) -> Value {
        let schema: Map<String, Value> = self
            .indexes
            .iter()
            .map(|(field, schema)| {
                (field.clone(), json!({ "data_type": kind(schema), "points": self.points.len() }))
            })
            .collect();
        json!({
            "status": "green", "optimizer_status": "ok", "points_count": self.points.len(), "segments_count": 2,
            "config": { "params": {
                "vectors": { "size": self.size, "distance": self.distance },
                "shard_number": 1, "replication_factor": 1, "on_disk_payload": true,
            } },
            "payload_schema": schema,
        })
    }

    pub(super) fn index(&mut self, body: &Value) -> Result<(), Refusal> {
        let field = body["field_name"].as_str().ok_or_else(|| malformed("missing field `field_name`"))?;
        let schema = &body["field_schema"];
        let kinds = ["keyword", "integer", "float", "bool", "geo", "text", "datetime", "uuid"];
        if !kinds.contains(&kind(schema)) {
            return Err(malformed("field_schema"));
        }
        self.indexes.insert(field.to_owned(), schema.clone());
        Ok(())
    }

    /// All points or none.
    pub(super) fn upsert(&mut self, body: &Value) -> Result<(), Refusal> {
        let points = body["points"].as_array().ok_or_else(|| malformed("missing field `points`"))?;
        let mut taken = Vec::with_capacity(points.len());
        for point in points {
            let vector = numbers(&point["vector"])?;
            self.check(&vector)?;
            let payload = match &point["payload"] {
                Value::Null => json!({}),
                payload if payload.is_object() => payload.clone(),
                _ => return Err(malformed("payload is no object")),
            };
            self.version += 1;
            taken.push((id(&point["id"])?, Point { vector, payload, version: self.version }));
        }
        self.points.extend(taken);
        Ok(())
    }

    pub(super) fn delete(&mut self, body: &Value, is_strict: bool) -> Result<(), Refusal> {
        let filter = body.get("filter").ok_or_else(|| malformed("neither `filter` nor `points`"))?;
        self.check_filter(filter, is_strict)?;
        let mut gone = Vec::new();
        for (id, point) in &self.points {
            if filter::admits(filter, &point.payload)? {
                gone.push(id.clone());
            }
        }
        for id in gone {
            self.points.remove(&id);
        }
        Ok(())
    }

    /// The nearest of all points, whatever `exact` says.
    pub(super) fn query(&self, body: &Value, is_strict: bool) -> Result<Value, Refusal> {
        let question = numbers(&body["query"])?;
        self.check(&question)?;
        let limit = body["limit"].as_u64().unwrap_or(10);
        if limit == 0 {
            return Err((422, "Validation error in JSON body: [limit: value 0 invalid]".to_owned()));
        }
        let filter = body.get("filter").cloned().unwrap_or_else(|| json!({}));
        self.check_filter(&filter, is_strict)?;
        let mut found = Vec::new();
        for (id, point) in &self.points {
            if filter::admits(&filter, &point.payload)? {
                found.push((self.score(&question, &point.vector), id, point));
            }
        }
        // What is farther in the Euclidean sense is worse.
        found.sort_by(|one, other| match self.distance.as_str() {
            "Euclid" => one.0.total_cmp(&other.0),
            _ => other.0.total_cmp(&one.0),
        });
        found.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        let with_payload = body["with_payload"] == true;
        let told = |(score, id, point): (f64, &String, &Point)| {
            let mut told = json!({ "id": id, "version": point.version, "score": score as f32 });
            if with_payload {
                told["payload"] = point.payload.clone();
            }
            told
        };
        Ok(json!({ "points": found.into_iter().map(told).collect::<Vec<_>>() }))
    }

    fn score(&self, one: &[f64], other: &[f64]) -> f64 {
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        match self.distance.as_str() {
            "Cosine" => {
                let length = (dot(one, one) * dot(other, other)).sqrt();
                if length > 0.0 { dot(one, other) / length } else { 0.0 }
            }
            "Dot" => dot(one, other),
            _ => one.iter().zip(other).map(|(a, b)| (a - b) * (a - b)).sum::<f64>().sqrt(),
        }
    }

    fn check(&self, vector: &[f64]) -> Result<(), Refusal> {
        if vector.len() == self.size {
            return Ok(());
        }
        let (size, found) = (self.size, vector.len());
        Err((400, format!("Wrong input: Vector dimension error: expected dim: {size}, got {found}")))
    }

    fn check_filter(&self, filter: &Value, is_strict: bool) -> Result<(), Refusal> {
        let indexed: BTreeSet<&str> = self.indexes.keys().map(String::as_str).collect();
        match filter::keys(filter)?.into_iter().find(|key| is_strict && !indexed.contains(key.as_str())) {
            None => Ok(()),
            Some(key) => {
                let help = "Help: Create an index for this key or use a different filter.";
                Err((400, format!("Bad request: Index required but not found for \"{key}\". {help}")))
            }
        }
    }
}

/// `"keyword"`, or `{"type": "keyword", …}`.
fn kind(schema: &Value) -> &str {
    schema.as_str().or_else(|| schema["type"].as_str()).unwrap_or_default()
}

fn numbers(vector: &Value) -> Result<Vec<f64>, Refusal> {
    let values = vector.as_array().ok_or_else(|| malformed("no vector"))?;
    values.iter().map(|value| value.as_f64().ok_or_else(|| malformed("a vector with no number"))).collect()
}

/// A UUID, or an unsigned number.
fn id(id: &Value) -> Result<String, Refusal> {
    if let Some(number) = id.as_u64() {
        return Ok(number.to_string());
    }
    let is_uuid = |text: &&str| {
        let groups: Vec<&str> = text.split('-').collect();
        groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12])
            && text.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit())
    };
    let wrong = || {
        let reason = "is not a valid point ID, valid values are either an unsigned integer or a UUID";
        malformed(&format!("value {id} {reason}"))
    };
    id.as_str().filter(is_uuid).map(str::to_ascii_lowercase).ok_or_else(wrong)
}
