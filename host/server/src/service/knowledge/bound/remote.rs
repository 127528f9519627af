//! A model of `/models`, as a retriever asks it in one call.

use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::{BoxFuture, FutureExt};
use hardpoint_domain::knowledge::settings;
use hardpoint_runtime::{Embedder, KnowledgeError, Purpose};

use super::super::remote::{self, Asker};
use crate::error::ApiError;
use crate::state::App;

/// Who pays.
pub enum Payer {
    /// Who asks a question.
    Asker(Asker),
    /// The organisation whose document is read.
    Organization(Arc<App>, String),
}

/// For one call of a retriever.
pub struct RemoteEmbedder {
    pinned: settings::Embedder,
    payer: Payer,
    /// The first thing that it could not do: what is told, whatever the retriever makes of it.
    refused: Mutex<Option<ApiError>>,
}

impl RemoteEmbedder {
    /// The model that a knowledge base is pinned to.
    pub fn new(pinned: settings::Embedder, payer: Payer) -> Self {
        Self { pinned, payer, refused: Mutex::default() }
    }

    /// Why it did not make what it was asked for, once; none where it did.
    pub fn refused(&self) -> Option<ApiError> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    async fn ask(&self, texts: Vec<String>) -> Result<Vec<Vec<f32>>, ApiError> {
        match &self.payer {
            Payer::Asker(asker) => remote::of_question(asker, &self.pinned, texts).await,
            Payer::Organization(app, organization_id) => {
                Ok(remote::of_passages(app, organization_id, &self.pinned, texts).await?)
            }
        }
    }
}

impl Embedder for RemoteEmbedder {
    /// Questions and passages are embedded alike.
    fn vectors(
        &self,
        texts: Vec<String>,
        _: Purpose,
    ) -> BoxFuture<'_, Result<Vec<Vec<f32>>, KnowledgeError>> {
        async move {
            self.ask(texts).await.map_err(|error| {
                let reason = error.message().to_owned();
                self.refused.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                KnowledgeError::Unavailable(reason)
            })
        }
        .boxed()
    }
}
