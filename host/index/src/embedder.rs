//! From texts to vectors, by a BERT sentence encoder such as all-MiniLM-L6-v2, in Rust alone.
//!
//! The weights have a byte a component ([`model`]); they take 23 MB on disk and, from the first
//! text on, about 50 MB of memory.

mod encoder;
mod head;
pub mod model;
#[cfg(test)]
mod tests;
mod wordpiece;

use std::fs::{self, File};
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rayon::{ThreadPool, ThreadPoolBuilder};
use rten_gemm::GemmError;

use crate::IndexError;
use crate::vectors::Pin;
use encoder::{Encoder, Gemm};
use head::{Head, ReadError};
use model::{Model, NoModel};
use wordpiece::WordPiece;

/// A model file, and what is loaded of it once somebody asks for a vector: until then it takes no memory.
pub struct Embedder {
    file: PathBuf,
    pin: Pin,
    most_tokens: usize,
    /// How many calls may run at once.
    lanes: usize,
    loaded: Mutex<Option<Arc<Loaded>>>,
}

impl Embedder {
    /// Reads a model file, and keeps nothing of it but whose vectors it makes. `lanes` is how many calls may run at once,
    /// each on one core; others wait.
    ///
    /// # Errors
    /// [`IndexError::Damaged`] if the file is no model, or not as it was written.
    pub fn open(file: &Path, lanes: usize) -> Result<Self, IndexError> {
        let head = Head::read(BufReader::new(File::open(file)?))?;
        Ok(Self {
            file: file.to_owned(),
            pin: Pin { model: head.id, dimension: head.dimension },
            most_tokens: head.most_tokens,
            lanes: lanes.max(1),
            loaded: Mutex::new(None),
        })
    }

    /// What vectors of this embedder are pinned to.
    pub fn pin(&self) -> Pin {
        self.pin.clone()
    }

    /// Tokens of a text, the two around it included; of a longer text the beginning is embedded.
    pub fn most_tokens(&self) -> usize {
        self.most_tokens
    }

    /// How many tokens `text` has for this model, cut where it is too long.
    ///
    /// # Errors
    /// As for [`Embedder::embed`].
    pub fn count_tokens(&self, text: &str) -> Result<usize, IndexError> {
        Ok(self.loaded()?.pieces.tokens(text).len())
    }

    /// A vector of length 1 for each text, in order. Passages and questions are embedded alike. `goes_on` is asked
    /// before each text.
    ///
    /// # Errors
    /// [`IndexError::Cancelled`] once `goes_on` says no; [`IndexError::Damaged`] if the file is no more what it was when
    /// it was opened.
    pub fn embed<T: AsRef<str> + Sync>(
        &self,
        texts: &[T],
        goes_on: &(dyn Fn() -> bool + Sync),
    ) -> Result<Vec<Vec<f32>>, IndexError> {
        let loaded = self.loaded()?;
        loaded.in_lane(|| {
            let gemm = Gemm::new();
            let vector = |text: &T| match goes_on() {
                true => Ok(loaded.vector(&gemm, text.as_ref())?),
                false => Err(IndexError::Cancelled),
            };
            texts.iter().map(vector).collect()
        })
    }

    /// Who comes first loads it, and others wait for that.
    fn loaded(&self) -> Result<Arc<Loaded>, IndexError> {
        let mut there = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(loaded) = &*there {
            return Ok(Arc::clone(loaded));
        }
        let loaded = Arc::new(Loaded::read(&self.file, self.lanes)?);
        let Model { id, .. } = &loaded.model;
        if (id, loaded.model.dimension()) != (&self.pin.model, self.pin.dimension) {
            let message = "the embedder's model: it was replaced by another one; restart to use that";
            return Err(IndexError::Damaged(message.to_owned()));
        }
        *there = Some(Arc::clone(&loaded));
        Ok(loaded)
    }
}

/// A loaded encoder.
struct Loaded {
    pieces: WordPiece,
    encoder: Encoder,
    /// What is left of the model: words, positions, sizes.
    model: Model,
    /// Threads that texts are embedded on, one for each call at a time: multiplying matrices would take every
    /// core that it finds.
    lanes: Vec<Mutex<ThreadPool>>,
    next: AtomicUsize,
}

impl Loaded {
    fn read(file: &Path, lanes: usize) -> Result<Self, IndexError> {
        let mut model = Model::read(&fs::read(file)?)?;
        model.vocabulary.shrink_to_fit();
        let pieces = WordPiece::of(&model)?;
        model.vocabulary = Vec::new();
        let lane = |number| {
            let pool =
                ThreadPoolBuilder::new().num_threads(1).thread_name(move |_| format!("embed-{number}"));
            pool.build().map(Mutex::new).map_err(|error| IndexError::Unavailable(error.to_string()))
        };
        let lanes = (0..lanes).map(lane).collect::<Result<_, _>>()?;
        Ok(Self { pieces, encoder: Encoder::take(&mut model), model, lanes, next: AtomicUsize::new(0) })
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

impl From<ReadError> for IndexError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::File(error) => error.into(),
            ReadError::NoModel(error) => error.into(),
        }
    }
}

impl From<GemmError> for IndexError {
    /// The parts of a model were found to fit when it was read, so it is this machine that cannot.
    fn from(error: GemmError) -> Self {
        Self::Unavailable(format!("the embedder: {error}"))
    }
}
