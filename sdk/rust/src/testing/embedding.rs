use std::marker::PhantomData;

use serde_json::Value;

use super::answer::{Answer, Cut};
use super::drive::{Step, drive, every_way};
use super::sent::Sent;
use crate::failure::Failure;
use crate::model::{EmbeddingEffect, EmbeddingRequest, ModelAdapter, Usage};
use crate::settings;

/// An embedding to be driven. Settings are JSON, as a binding has them.
pub fn embedding<A: ModelAdapter>(request: EmbeddingRequest, settings: Value) -> Embedding<A> {
    Embedding { request, settings: settings.to_string(), script: Vec::new(), adapter: PhantomData }
}

/// See [`embedding`].
#[derive(Debug)]
pub struct Embedding<A> {
    request: EmbeddingRequest,
    settings: String,
    script: Vec<Answer>,
    adapter: PhantomData<A>,
}

/// What came of an embedding.
#[derive(Debug, PartialEq)]
pub struct Embedded {
    /// Requests, in order.
    pub sent: Vec<Sent>,
    /// What was used.
    pub usage: Option<Usage>,
    /// One vector an input, or why not.
    pub result: Result<Vec<Vec<f32>>, Failure>,
}

impl<A: ModelAdapter> Embedding<A> {
    /// Adds the answer to the next request.
    pub fn answer(mut self, answer: Answer) -> Self {
        self.script.push(answer);
        self
    }

    /// Runs it once, with the answers cut as the script has them.
    pub fn run(&self) -> Embedded {
        self.run_cut(Cut::AsGiven)
    }

    /// Runs it with the answers cut every way, and requires the same outcome.
    pub fn every_way(&self) -> Embedded {
        every_way(&self.script, |cut| self.run_cut(cut))
    }

    fn run_cut(&self, cut: Cut) -> Embedded {
        let (mut sent, mut usage) = (Vec::new(), None);
        let mut vectors: Vec<Option<Vec<f32>>> = vec![None; self.request.inputs.len()];
        let machine =
            settings::parse(&self.settings).and_then(|settings| A::embed(self.request.clone(), settings));
        let result = machine.and_then(|machine| {
            drive(machine, &self.script, cut, &mut sent, |effect| match effect {
                EmbeddingEffect::Send(request) => Step::Send(request),
                EmbeddingEffect::Usage(used) => {
                    usage = Some(used);
                    Step::Done
                }
                EmbeddingEffect::Vector(embedded) => {
                    let Some(place) = vectors.get_mut(embedded.index as usize) else {
                        panic!("there is no input {}", embedded.index);
                    };
                    assert!(place.is_none(), "input {} has two vectors", embedded.index);
                    *place = Some(embedded.vector);
                    Step::Done
                }
                EmbeddingEffect::Finish => Step::Finish,
                EmbeddingEffect::Again => Step::Resume,
            })
        });
        let result = result.map(|is_finished| {
            assert!(is_finished, "the embedding asked for nothing more and did not finish");
            let all = vectors.into_iter().enumerate();
            all.map(|(index, vector)| vector.unwrap_or_else(|| panic!("input {index} has no vector")))
                .collect()
        });
        Embedded { sent, usage, result }
    }
}
