//! What of a model file can be known without taking its weights into memory.

use std::io::{self, BufRead, ErrorKind};

use super::model::{MAGIC, NoModel};

/// What is known of a model whose weights are not loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// As in [`Model`](super::model::Model).
    pub(super) id: String,
    /// As in [`Model`](super::model::Model).
    pub(super) most_tokens: usize,
    /// Components of a vector.
    pub(super) dimension: usize,
}

/// The longest text before the weights, in bytes.
const LONGEST: usize = 4_096;

impl Head {
    /// Reads a file that `Model::write` wrote to its end, and keeps what says whose vectors it makes.
    ///
    /// # Errors
    /// If it cannot be read; is something else, or of another version; or is damaged.
    pub(super) fn read(mut file: impl BufRead) -> Result<Self, ReadError> {
        let mut sum = crc32fast::Hasher::new();
        let mut bytes = |length: usize| {
            let mut bytes = vec![0; length.min(LONGEST)];
            file.read_exact(&mut bytes)?;
            sum.update(&bytes);
            if length > LONGEST {
                Err(ReadError::NoModel(NoModel("a text in it is too long")))
            } else {
                Ok(bytes)
            }
        };
        if bytes(MAGIC.len())? != MAGIC {
            return Err(NoModel("it is of another kind or version").into());
        }
        let length = size(&bytes(4)?);
        let id = String::from_utf8(bytes(length)?).map_err(|_| NoModel("its id is no UTF-8"))?;
        let sizes = bytes(16)?;
        let sizes: Vec<usize> = sizes.chunks_exact(4).map(size).collect();
        let [_heads, most_tokens, pieces, _layers] = sizes[..] else {
            return Err(NoModel("it ends too soon").into());
        };
        for _ in 0..pieces {
            let length = size(&bytes(4)?);
            bytes(length)?;
        }
        let dimension = size(&bytes(4)?);
        check_rest(file, sum)?;
        Ok(Self { id, most_tokens, dimension })
    }
}

/// That what follows up to the last four bytes has, with what came before, the sum that these say.
fn check_rest(mut file: impl BufRead, mut sum: crc32fast::Hasher) -> Result<(), ReadError> {
    let (mut piece, mut last) = (vec![0; 64 << 10], Vec::new());
    loop {
        let length = match file.read(&mut piece) {
            Ok(0) => break,
            Ok(length) => length,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(error.into()),
        };
        last.extend_from_slice(&piece[..length]);
        let body = last.len().saturating_sub(4);
        sum.update(&last[..body]);
        last.drain(..body);
    }
    let stored = last.try_into().map_err(|_| NoModel("it is too short"))?;
    if sum.finalize() == u32::from_le_bytes(stored) {
        return Ok(());
    }
    Err(NoModel("it is not as it was written").into())
}

/// Why the head of a model was not read.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub(super) enum ReadError {
    /// The file cannot be read.
    File(#[from] io::Error),
    /// It is no model.
    NoModel(#[from] NoModel),
}

fn size(bytes: &[u8]) -> usize {
    u32::from_le_bytes(bytes.first_chunk().copied().unwrap_or_default()) as usize
}
