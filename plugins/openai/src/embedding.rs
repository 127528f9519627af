//! An embedding: one request, one answer.

use alloc::format;

use hardpoint_sdk::failure::retry_after_ms;
use hardpoint_sdk::model::{EmbeddingEffect, Usage};
use hardpoint_sdk::request::{BodyBytes, Gathered, ResponseHead};
use hardpoint_sdk::{Effects, Failure, Machine, Request};

use crate::error;
use crate::wire::EmbeddingAnswer;

/// The largest answer: 2,048 vectors of 3,072 numbers in base64 do not fit, 1,024 do.
const MAX_ANSWER: usize = 20 * 1024 * 1024;
const MAX_ERROR: usize = 64 * 1024;

pub struct Embedding {
    request: Option<Request>,
    inputs: usize,
    status: u16,
    retry_after_ms: Option<u64>,
    body: Gathered,
}

impl Embedding {
    pub(crate) fn new(request: Request, inputs: usize) -> Self {
        Self {
            request: Some(request),
            inputs,
            status: 0,
            retry_after_ms: None,
            body: Gathered::new(MAX_ANSWER),
        }
    }

    fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

impl Machine for Embedding {
    type Effect = EmbeddingEffect;

    fn started(&mut self, out: &mut Effects<EmbeddingEffect>) -> Result<(), Failure> {
        if let Some(request) = self.request.take() {
            out.send(request);
        }
        Ok(())
    }

    fn head(&mut self, head: ResponseHead, _: &mut Effects<EmbeddingEffect>) -> Result<(), Failure> {
        self.status = head.status;
        self.retry_after_ms = retry_after_ms(&head.headers);
        if !self.is_success() {
            self.body = Gathered::new(MAX_ERROR);
        }
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
        if answer.data.len() != self.inputs {
            let message = format!("{} texts were sent and {} vectors came", self.inputs, answer.data.len());
            return Err(Failure::protocol(message));
        }
        let mut seen = alloc::vec![false; self.inputs];
        for (position, vector) in answer.data.into_iter().enumerate() {
            let index = vector.index.unwrap_or(position as u32);
            match seen.get_mut(index as usize) {
                Some(seen) if !*seen => *seen = true,
                _ => return Err(Failure::protocol(format!("there is no one place for vector {index}"))),
            }
            out.vector(index, vector.embedding.0);
        }
        if let Some(usage) = answer.usage {
            out.usage(Usage::from(usage));
        }
        out.finish();
        Ok(())
    }
}
