//! `hardpoint:plugin/index`: full text and vectors of the knowledge base that a retriever is called for.

use std::sync::Arc;

use crate::bindings::index::{self as wit, Error, Host};
use crate::knowledge::{Filter, KnowledgeCall, KnowledgeError, KnowledgeIndex, Ranked};
use crate::sandbox::CallState;

/// The longest list of hits that one question is answered with.
const TOP: u32 = 1_000;
/// The longest question, in bytes.
const QUERY_BYTES: usize = 16 << 10;
/// The most ids that one question names.
const IDS: usize = 10_000;
/// The most dimensions of a vector.
const DIMENSIONS: usize = 8_192;
/// The most vectors that are handed over at once.
const VECTORS: usize = 100;
/// The most texts that are handed over at once.
const TEXTS: usize = 1_000;

impl Host for CallState {
    async fn full_text(
        &mut self,
        query: String,
        filter: wit::Filter,
        top: u32,
    ) -> wasmtime::Result<Result<Vec<wit::Ranked>, Error>> {
        let asked = self.ask_index();
        let checked = asked.and_then(|index| {
            most(query.len(), QUERY_BYTES, "bytes of a question")?;
            most(top as usize, TOP as usize, "hits")?;
            Ok((index, filter_of(filter)?))
        });
        Ok(match checked {
            Ok((index, filter)) => {
                let found = index.full_text(query, filter, top).await;
                self.found(found, top)
            }
            Err(error) => Err(error),
        })
    }

    async fn nearest(
        &mut self,
        vector: Vec<f32>,
        filter: wit::Filter,
        top: u32,
    ) -> wasmtime::Result<Result<Vec<wit::Ranked>, Error>> {
        let asked = self.ask_index();
        let checked = asked.and_then(|index| {
            check_vector(&vector)?;
            most(top as usize, TOP as usize, "hits")?;
            Ok((index, filter_of(filter)?))
        });
        Ok(match checked {
            Ok((index, filter)) => {
                let found = index.nearest(vector, filter, top).await;
                self.found(found, top)
            }
            Err(error) => Err(error),
        })
    }

    async fn cosines(
        &mut self,
        vector: Vec<f32>,
        chunk_ids: Vec<String>,
    ) -> wasmtime::Result<Result<Vec<Option<f32>>, Error>> {
        let asked = self.ask_index();
        let checked = asked.and_then(|index| {
            check_vector(&vector)?;
            most(chunk_ids.len(), IDS, "chunks")?;
            Ok(index)
        });
        let count = chunk_ids.len();
        Ok(match checked {
            Ok(index) => {
                let cosines = index.cosines(vector, chunk_ids).await;
                self.told(cosines).and_then(|cosines| each(cosines, count))
            }
            Err(error) => Err(error),
        })
    }

    async fn vectors(
        &mut self,
        chunk_ids: Vec<String>,
    ) -> wasmtime::Result<Result<Vec<Option<Vec<f32>>>, Error>> {
        let asked = self.ask_index();
        let checked = asked.and_then(|index| {
            most(chunk_ids.len(), VECTORS, "vectors")?;
            Ok(index)
        });
        let count = chunk_ids.len();
        Ok(match checked {
            Ok(index) => {
                let vectors = index.vectors(chunk_ids).await;
                self.told(vectors).and_then(|vectors| each(vectors, count))
            }
            Err(error) => Err(error),
        })
    }

    async fn texts(&mut self, chunk_ids: Vec<String>) -> wasmtime::Result<Result<Vec<String>, Error>> {
        let asked = self.ask_index();
        let checked = asked.and_then(|index| {
            most(chunk_ids.len(), TEXTS, "texts")?;
            Ok(index)
        });
        let count = chunk_ids.len();
        Ok(match checked {
            Ok(index) => {
                let texts = index.texts(chunk_ids).await;
                self.told(texts).and_then(|texts| each(texts, count))
            }
            Err(error) => Err(error),
        })
    }
}

impl CallState {
    /// The index, where the call may ask it once more.
    fn ask_index(&mut self) -> Result<Arc<dyn KnowledgeIndex>, Error> {
        if !self.binding.permissions().index {
            return Err(Error::Denied(self.how_to_allow("index", self.binding.generation.manifest().index)));
        }
        let Some(errand) = &mut self.knowledge else {
            return Err(Error::Unavailable("this call is for no knowledge base".into()));
        };
        match errand.ask_index() {
            Ok(()) => Ok(Arc::clone(&errand.index)),
            Err(most) => Err(Error::Denied(format!("more than {most} questions to the index in one call"))),
        }
    }

    /// Why a capability of retrievers is refused, and what would allow it.
    pub(super) fn how_to_allow(&self, capability: &str, is_asked_for: bool) -> String {
        let (binding, plugin) = (self.binding.name(), &self.binding.generation.manifest().id);
        if is_asked_for {
            let remedy = self.binding.holder().how_to_allow();
            format!("binding {binding} has no grant for {capability}; {remedy}")
        } else {
            format!("plugin {plugin} does not ask for it: put `{capability} = true` into its plugin.toml")
        }
    }

    fn found(
        &mut self,
        found: Result<Vec<Ranked>, KnowledgeError>,
        top: u32,
    ) -> Result<Vec<wit::Ranked>, Error> {
        let mut found = self.told(found)?;
        found.truncate(top as usize);
        if let Some(errand) = &mut self.knowledge {
            errand.answer(&found);
        }
        Ok(found.into_iter().zip(1..).map(ranked).collect())
    }

    fn told<T>(&mut self, outcome: Result<T, KnowledgeError>) -> Result<T, Error> {
        let noted = match &mut self.knowledge {
            Some(errand) => KnowledgeCall::note(errand, outcome),
            None => outcome,
        };
        noted.map_err(Error::from)
    }
}

fn ranked((ranked, rank): (Ranked, u32)) -> wit::Ranked {
    wit::Ranked { chunk_id: ranked.chunk_id, document_id: ranked.document_id, rank, score: ranked.score }
}

fn filter_of(filter: wit::Filter) -> Result<Filter, Error> {
    most(filter.document_ids.as_ref().map_or(0, Vec::len), IDS, "documents")?;
    let metadata = filter.metadata.map(|text| serde_json::from_str(&text)).transpose();
    let metadata =
        metadata.map_err(|_| Error::Invalid("the metadata of a filter is no JSON object".into()))?;
    Ok(Filter { document_ids: filter.document_ids, metadata })
}

fn check_vector(vector: &[f32]) -> Result<(), Error> {
    most(vector.len(), DIMENSIONS, "dimensions")?;
    if vector.is_empty() || vector.iter().any(|value| !value.is_finite()) {
        return Err(Error::Invalid("a vector without dimensions, or with a value that is no number".into()));
    }
    Ok(())
}

fn most(count: usize, most: usize, what: &str) -> Result<(), Error> {
    if count <= most {
        return Ok(());
    }
    Err(Error::Invalid(format!("{count} {what}; at most {most} at once")))
}

/// What comes for a list has as many members.
fn each<T>(answers: Vec<T>, count: usize) -> Result<Vec<T>, Error> {
    if answers.len() == count {
        return Ok(answers);
    }
    Err(Error::Unavailable(format!("the index gave {} answers for {count} chunks", answers.len())))
}

impl From<KnowledgeError> for Error {
    fn from(error: KnowledgeError) -> Self {
        match error {
            KnowledgeError::Unavailable(reason) => Self::Unavailable(reason),
            KnowledgeError::TooLarge(reason) | KnowledgeError::Invalid(reason) => Self::Invalid(reason),
        }
    }
}
