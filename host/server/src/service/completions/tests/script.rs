//! An adapter that follows a script and remembers what it was asked.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use hardpoint_domain::failure::Failure;
use hardpoint_domain::message::{CompletionRequest, Delta};
use hardpoint_runtime::CallContext;

/// What happens when it is asked.
pub(in crate::service::completions) enum Scene {
    /// Nothing opens.
    Refuse(Failure),
    /// Deltas, perhaps with a failure at the end.
    Play(Vec<Result<Delta, Failure>>),
    /// Deltas, and then nothing for ever.
    Stall(Vec<Delta>),
}

#[derive(Clone)]
pub(in crate::service::completions) struct Script(Arc<Inner>);

struct Inner {
    scenes: Mutex<VecDeque<Scene>>,
    asked: Mutex<Vec<(CompletionRequest, String)>>,
    /// One more owner for each completion under way.
    playing: Arc<()>,
}

pub(in crate::service::completions) struct Playing {
    deltas: VecDeque<Result<Delta, Failure>>,
    stalls: bool,
    _playing: Arc<()>,
}

impl Script {
    pub(super) fn new(scenes: Vec<Scene>) -> Self {
        Self(Arc::new(Inner {
            scenes: Mutex::new(scenes.into()),
            asked: Mutex::default(),
            playing: Arc::default(),
        }))
    }

    /// The requests so far, with the upstream names they went to.
    pub(super) fn asked(&self) -> Vec<(CompletionRequest, String)> {
        self.0.asked.lock().unwrap().clone()
    }

    pub(super) fn under_way(&self) -> usize {
        Arc::strong_count(&self.0.playing) - 1
    }

    pub(in crate::service::completions) fn play(
        &self,
        _: CallContext,
        request: &CompletionRequest,
        upstream: &str,
    ) -> Result<Playing, Failure> {
        self.0.asked.lock().unwrap().push((request.clone(), upstream.to_owned()));
        let scene = self.0.scenes.lock().unwrap().pop_front().expect("asked more often than the script goes");
        let (deltas, stalls) = match scene {
            Scene::Refuse(failure) => return Err(failure),
            Scene::Play(deltas) => (deltas.into(), false),
            Scene::Stall(deltas) => (deltas.into_iter().map(Ok).collect(), true),
        };
        Ok(Playing { deltas, stalls, _playing: self.0.playing.clone() })
    }

    pub(in crate::service::completions) fn version(&self) -> String {
        "script@1.0.0".to_owned()
    }
}

impl Playing {
    pub(in crate::service::completions) async fn next(&mut self) -> Option<Result<Delta, Failure>> {
        if self.deltas.is_empty() && self.stalls {
            std::future::pending::<()>().await;
        }
        self.deltas.pop_front()
    }
}
