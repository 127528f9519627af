//! Embeddings by `batchEmbedContents` (<https://ai.google.dev/api/embeddings>), as many requests as it takes,
//! one after the other.

use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use hardpoint_sdk::failure::retry_after_ms;
use hardpoint_sdk::model::{EmbeddingEffect, EmbeddingRequest, Usage};
use hardpoint_sdk::request::{BodyBytes, Gathered, ResponseHead};
use hardpoint_sdk::{Effects, Failure, Machine};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::extra;
use crate::settings::Settings;
use crate::wire::EmbeddingAnswer;
use crate::{error, model};

/// The most texts of one request.
const MAX_BATCH: usize = 100;
/// The largest answer: 100 vectors of 3,072 numbers are 4 to 6 MiB.
const MAX_ANSWER: usize = 20 * 1024 * 1024;
/// As much of an error is read.
const MAX_ERROR: usize = 64 * 1024;

pub struct Embedding {
    request: EmbeddingRequest,
    settings: Settings,
    /// The model's resource.
    path: String,
    options: Options,
    /// Inputs that have their vectors.
    done: usize,
    usage: Option<Usage>,
    status: u16,
    retry_after_ms: Option<u64>,
    body: Gathered,
}

/// What every text is embedded with.
#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct Options {
    #[serde(skip_serializing_if = "Option::is_none")]
    output_dimensionality: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    task_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<Box<RawValue>>,
}

#[derive(Serialize)]
struct BatchJson<'a> {
    requests: Vec<RequestJson<'a>>,
}

#[derive(Serialize)]
struct RequestJson<'a> {
    model: &'a str,
    content: ContentJson<'a>,
    #[serde(flatten)]
    options: &'a Options,
}

#[derive(Serialize)]
struct ContentJson<'a> {
    parts: [TextJson<'a>; 1],
}

#[derive(Serialize)]
struct TextJson<'a> {
    text: &'a str,
}

impl Embedding {
    /// # Errors
    /// If the model's name is none, or the extra members are no JSON.
    pub(crate) fn new(request: EmbeddingRequest, settings: Settings) -> Result<Self, Failure> {
        let path = model::path(&request.upstream_model)?;
        let extra = extra::members(request.extra.as_deref())?;
        let task_type = ["taskType", "task_type"].iter().find_map(|name| extra.get(*name).copied());
        let options = Options {
            output_dimensionality: request.dimensions,
            task_type: extra::parse(task_type).or_else(|| settings.task_type.clone()),
            title: extra.get("title").map(|title| (*title).to_owned()),
        };
        let body = Gathered::default();
        Ok(Self {
            path,
            options,
            done: 0,
            usage: None,
            status: 0,
            retry_after_ms: None,
            body,
            request,
            settings,
        })
    }

    /// The texts of the request under way.
    fn batch(&self) -> &[String] {
        let rest = self.request.inputs.get(self.done..).unwrap_or_default();
        &rest[..rest.len().min(MAX_BATCH)]
    }

    fn send(&self, out: &mut Effects<EmbeddingEffect>) -> Result<(), Failure> {
        let (model, options) = (self.path.as_str(), &self.options);
        let request =
            |text| RequestJson { model, content: ContentJson { parts: [TextJson { text }] }, options };
        let json = BatchJson { requests: self.batch().iter().map(String::as_str).map(request).collect() };
        out.send(self.settings.post(&self.path, ":batchEmbedContents", false).json(&json)?);
        Ok(())
    }

    fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    fn count(&mut self, usage: Usage) {
        let before = self.usage.map_or(0, |usage| usage.input_tokens);
        let input_tokens = before.saturating_add(usage.input_tokens);
        self.usage = Some(Usage { input_tokens, ..usage });
    }
}

impl Machine for Embedding {
    type Effect = EmbeddingEffect;

    fn started(&mut self, out: &mut Effects<EmbeddingEffect>) -> Result<(), Failure> {
        self.send(out)
    }

    fn head(&mut self, head: ResponseHead, _: &mut Effects<EmbeddingEffect>) -> Result<(), Failure> {
        self.status = head.status;
        self.retry_after_ms = retry_after_ms(&head.headers);
        self.body = Gathered::new(if self.is_success() { MAX_ANSWER } else { MAX_ERROR });
        Ok(())
    }

    fn body(&mut self, body: BodyBytes, _: &mut Effects<EmbeddingEffect>) -> Result<(), Failure> {
        if self.is_success() {
            return self.body.push(body.bytes);
        }
        self.body.push_some(&body.bytes);
        Ok(())
    }

    fn ended(&mut self, _: u32, out: &mut Effects<EmbeddingEffect>) -> Result<(), Failure> {
        if !self.is_success() {
            return Err(error::of_answer(self.status, &self.body.text(), self.retry_after_ms));
        }
        let answer: EmbeddingAnswer<'_> = self.body.json()?;
        if let Some(error) = answer.error.filter(|error| error.get() != "null") {
            return Err(error::of_object(error.get()));
        }
        let (embeddings, sent) = (answer.embeddings.unwrap_or_default(), self.batch().len());
        if embeddings.len() != sent {
            let message = format!("{sent} texts were sent and {} vectors came", embeddings.len());
            return Err(Failure::protocol(message));
        }
        let usage = answer.usage_metadata;
        for (index, embedding) in (self.done as u32..).zip(embeddings) {
            out.vector(index, embedding.values);
        }
        self.done += sent;
        if let Some(usage) = usage {
            self.count(Usage::from(usage));
        }
        if self.done < self.request.inputs.len() {
            return self.send(out);
        }
        if let Some(usage) = self.usage {
            out.usage(usage);
        }
        out.finish();
        Ok(())
    }
}
