//! From texts to vectors, by a BERT sentence encoder such as all-MiniLM-L6-v2, in Rust alone.
//!
//! The weights have a byte a component ([`model`]); they take 23 MB on disk and about 30 MB of memory.

mod encoder;
pub mod model;
#[cfg(test)]
mod tests;
mod wordpiece;

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use rayon::{ThreadPool, ThreadPoolBuilder};
use rten_gemm::GemmError;

use crate::IndexError;
use crate::vectors::Pin;
use encoder::{Encoder, Gemm};
use model::{Model, NoModel};
use wordpiece::WordPiece;

/// A loaded encoder.
pub struct Embedder {
    pieces: WordPiece,
    encoder: Encoder,
    /// What is left of the model: words, positions, sizes.
    model: Model,
    /// Threads that texts are embedded on, one for each call at a time: multiplying matrices would take every
    /// core that it finds.
    lanes: Vec<Mutex<ThreadPool>>,
    next: AtomicUsize,
}

impl Embedder {
    /// Reads a model file. `lanes` is how many calls may run at once, each on one core; others wait.
    ///
    /// # Errors
    /// [`IndexError::Damaged`] if the file is no model, or not as it was written.
    pub fn open(file: &Path, lanes: usize) -> Result<Self, IndexError> {
        let mut model = Model::read(&fs::read(file)?)?;
        model.vocabulary.shrink_to_fit();
        let pieces = WordPiece::of(&model)?;
        model.vocabulary = Vec::new();
        let lane = |number| {
            let pool =
                ThreadPoolBuilder::new().num_threads(1).thread_name(move |_| format!("embed-{number}"));
            pool.build().map(Mutex::new).map_err(|error| IndexError::Unavailable(error.to_string()))
        };
        Ok(Self {
            pieces,
            encoder: Encoder::take(&mut model),
            model,
            lanes: (0..lanes.max(1)).map(lane).collect::<Result<_, _>>()?,
            next: AtomicUsize::new(0),
        })
    }

    /// What vectors of this embedder are pinned to.
    pub fn pin(&self) -> Pin {
        Pin { model: self.model.id.clone(), dimension: self.model.dimension() }
    }

    /// Tokens of a text, the two around it included; of a longer text the beginning is embedded.
    pub fn most_tokens(&self) -> usize {
        self.model.most_tokens
    }

    /// How many tokens `text` has for this model, cut where it is too long.
    pub fn count_tokens(&self, text: &str) -> usize {
        self.pieces.tokens(text).len()
    }

    /// A vector of length 1 for each text, in order. Passages and questions are embedded alike. `goes_on` is asked
    /// before each text.
    ///
    /// # Errors
    /// [`IndexError::Cancelled`] once `goes_on` says no.
    pub fn embed<T: AsRef<str> + Sync>(
        &self,
        texts: &[T],
        goes_on: &(dyn Fn() -> bool + Sync),
    ) -> Result<Vec<Vec<f32>>, IndexError> {
        self.in_lane(|| {
            let gemm = Gemm::new();
            let vector = |text: &T| match goes_on() {
                true => Ok(self.vector(&gemm, text.as_ref())?),
                false => Err(IndexError::Cancelled),
            };
            texts.iter().map(vector).collect()
        })
    }

    /// Runs `work` on a thread of its own that multiplies matrices on that one core.
    fn in_lane<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        let free = self.lanes.iter().find_map(|lane| lane.try_lock().ok());
        let lane = free.unwrap_or_else(|| {
            let next = self.next.fetch_add(1, Ordering::Relaxed) % self.lanes.len();
            self.lanes[next].lock().unwrap_or_else(PoisonError::into_inner)
        });
        lane.install(work)
    }

    /// The mean of what the encoder makes of each token, brought to length 1.
    fn vector(&self, gemm: &Gemm, text: &str) -> Result<Vec<f32>, GemmError> {
        let tokens = self.pieces.tokens(text);
        let mut states = self.looked_up(&tokens);
        let width = self.model.dimension();
        self.encoder.run(gemm, &mut states, width)?;
        let mut vector = vec![0.0; width];
        for state in states.chunks_exact(width) {
            vector.iter_mut().zip(state).for_each(|(sum, component)| *sum += component);
        }
        let length = vector.iter().map(|component| component * component).sum::<f32>().sqrt();
        vector.iter_mut().for_each(|component| *component /= length.max(f32::MIN_POSITIVE));
        Ok(vector)
    }

    /// The sum of word, place and segment of each token.
    fn looked_up(&self, tokens: &[u32]) -> Vec<f32> {
        let (model, width) = (&self.model, self.model.dimension());
        let mut states = Vec::with_capacity(tokens.len() * width);
        for (token, position) in tokens.iter().zip(model.positions.chunks_exact(width)) {
            let row = *token as usize;
            let word = &model.words.components[row * width..][..width];
            let scale = model.words.scales[row];
            let parts = word.iter().zip(position).zip(&model.segment);
            states.extend(
                parts.map(|((word, position), segment)| f32::from(*word) * scale + position + segment),
            );
        }
        encoder::normalise(&mut states, &model.norm);
        states
    }
}

impl From<NoModel> for IndexError {
    fn from(error: NoModel) -> Self {
        Self::Damaged(format!("the embedder's model: {error}"))
    }
}

impl From<GemmError> for IndexError {
    /// The parts of a model were found to fit when it was read, so it is this machine that cannot.
    fn from(error: GemmError) -> Self {
        Self::Unavailable(format!("the embedder: {error}"))
    }
}
