//! Vectors of one knowledge base by one embedder, and the exact search through all of them.
//!
//! Components are kept in one byte each. In memory a vector takes its dimension, 24 bytes (its chunk's id, its
//! document, its length) and 5 to 10 for finding it by its chunk: 413 to 418 bytes for 384 components. Nothing is
//! approximate but the rounding; a search looks at every vector.

mod rounded;
mod scan;
mod snapshot;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};

use hashbrown::HashTable;
use uuid::Uuid;

use crate::IndexError;
use crate::change::{Found, MOST_FOUND};
use rounded::Question;
pub use rounded::Rounded;

/// Which texts are compared with which: vectors of different models mean nothing to each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pin {
    /// The embedder's id.
    pub model: String,
    /// Components of its vectors.
    pub dimension: usize,
}

/// A change of a knowledge base's vectors.
#[derive(Clone, Debug, PartialEq)]
pub enum VectorChange {
    /// The vector of a chunk, in place of what it had.
    Set {
        /// The chunk.
        chunk: Uuid,
        /// The document that it is of.
        document: Uuid,
        /// Its vector.
        vector: Rounded,
    },
    /// A document is gone, with all of its vectors.
    Remove(Uuid),
}

/// Which vectors a search may see.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seen<'a> {
    /// Only of these documents, where given.
    pub documents: Option<&'a HashSet<Uuid>>,
    /// Only these chunks, where given ([`crate::fulltext::FullText::permitted`]).
    pub chunks: Option<&'a HashSet<Uuid>>,
}

/// The vectors of one knowledge base.
#[derive(Debug)]
pub struct Vectors {
    pin: Pin,
    reached: u64,
    blocks: Vec<Block>,
    length: usize,
    /// Every document that has, or had, vectors here; rows refer to it by its place.
    documents: Vec<Uuid>,
    places: HashMap<Uuid, u32>,
    /// The row of each chunk, by the chunk's hash.
    rows: HashTable<u32>,
}

/// Vectors in a block: growing one never copies the others.
const ROWS: usize = 4_096;

/// Up to [`ROWS`] vectors, column by column.
#[derive(Debug, Default)]
struct Block {
    components: Vec<i8>,
    /// What a product with the components is multiplied by to be a cosine.
    scales: Vec<f32>,
    chunks: Vec<Uuid>,
    documents: Vec<u32>,
}

impl Vectors {
    /// None yet, and reaching nothing.
    pub fn new(pin: Pin) -> Self {
        Self {
            pin,
            reached: 0,
            blocks: Vec::new(),
            length: 0,
            documents: Vec::new(),
            places: HashMap::new(),
            rows: HashTable::new(),
        }
    }

    /// Whose vectors they are.
    pub fn pin(&self) -> &Pin {
        &self.pin
    }

    /// The sequence number of the last change that is in here.
    pub fn reached(&self) -> u64 {
        self.reached
    }

    /// How many vectors there are.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Applies changes in order. What is reached already is left out, so that a change may be told twice.
    ///
    /// # Errors
    /// If a vector has another dimension; the changes before it were applied, and nothing else is reached.
    pub fn apply(
        &mut self,
        changes: impl IntoIterator<Item = VectorChange>,
        up_to: u64,
    ) -> Result<(), IndexError> {
        self.apply_read(changes.into_iter().map(Ok), up_to)
    }

    /// The same for changes that are read from somewhere while they are applied.
    ///
    /// # Errors
    /// The first that reading met, or a vector of another dimension; the changes before it were applied, and nothing
    /// else is reached.
    pub fn apply_read(
        &mut self,
        changes: impl IntoIterator<Item = Result<VectorChange, IndexError>>,
        up_to: u64,
    ) -> Result<(), IndexError> {
        if up_to <= self.reached {
            return Ok(());
        }
        for change in changes {
            match change? {
                VectorChange::Set { chunk, document, vector } => self.set(chunk, document, &vector)?,
                VectorChange::Remove(document) => self.remove(document),
            }
        }
        self.reached = up_to;
        Ok(())
    }

    /// The vectors nearest to `question` by cosine, nearest first, at most `top` and at most [`MOST_FOUND`].
    ///
    /// # Errors
    /// If `question` has another dimension, or no direction.
    pub fn nearest(&self, question: &[f32], seen: Seen<'_>, top: usize) -> Result<Vec<Found>, IndexError> {
        let question = self.question(question)?;
        let mut best = scan::Best::new(top.min(MOST_FOUND));
        let documents: Option<Vec<bool>> =
            seen.documents.map(|seen| self.documents.iter().map(|id| seen.contains(id)).collect());
        for (number, block) in self.blocks.iter().enumerate() {
            let is_seen = |row: usize| {
                documents.as_ref().is_none_or(|seen| seen[block.documents[row] as usize])
                    && seen.chunks.is_none_or(|seen| seen.contains(&block.chunks[row]))
            };
            if seen.documents.is_none() && seen.chunks.is_none() {
                scan::all(block, &question, number * ROWS, &mut best);
            } else {
                scan::some(block, &question, number * ROWS, &mut best, is_seen);
            }
        }
        Ok(best.into_sorted().into_iter().map(|(score, row)| self.found(row, score)).collect())
    }

    /// The cosine of each chunk with `question`; none where a chunk has no vector.
    ///
    /// # Errors
    /// If `question` has another dimension, or no direction.
    pub fn cosines(&self, question: &[f32], chunks: &[Uuid]) -> Result<Vec<Option<f32>>, IndexError> {
        let question = self.question(question)?;
        let cosine = |chunk: &Uuid| {
            let row = self.row(*chunk)?;
            let block = &self.blocks[row / ROWS];
            Some(scan::cosine(block, &question, row % ROWS))
        };
        Ok(chunks.iter().map(cosine).collect())
    }

    /// The vector of each chunk, of length 1, as it was rounded; none where a chunk has no vector.
    pub fn vectors(&self, chunks: &[Uuid]) -> Vec<Option<Vec<f32>>> {
        let vector = |chunk: &Uuid| {
            let row = self.row(*chunk)?;
            let (block, row) = (&self.blocks[row / ROWS], row % ROWS);
            let components = &block.components[row * self.pin.dimension..][..self.pin.dimension];
            Some(components.iter().map(|component| f32::from(*component) * block.scales[row]).collect())
        };
        chunks.iter().map(vector).collect()
    }

    fn row(&self, chunk: Uuid) -> Option<usize> {
        self.rows.find(hash(chunk), |row| self.chunk(*row) == chunk).map(|row| *row as usize)
    }

    fn question(&self, question: &[f32]) -> Result<Question, IndexError> {
        self.fits(question.len())?;
        Question::of(question)
    }

    fn fits(&self, dimension: usize) -> Result<(), IndexError> {
        if dimension == self.pin.dimension {
            return Ok(());
        }
        let Pin { model, dimension: expected } = &self.pin;
        Err(IndexError::Invalid(format!("a vector of {dimension} components; `{model}` has {expected}")))
    }

    fn found(&self, row: usize, score: f32) -> Found {
        let block = &self.blocks[row / ROWS];
        let document = self.documents[block.documents[row % ROWS] as usize];
        Found { chunk: block.chunks[row % ROWS], document, score }
    }

    fn chunk(&self, row: u32) -> Uuid {
        self.blocks[row as usize / ROWS].chunks[row as usize % ROWS]
    }

    fn set(&mut self, chunk: Uuid, document: Uuid, vector: &Rounded) -> Result<(), IndexError> {
        self.fits(vector.components().len())?;
        let document = self.place(document)?;
        match self.row(chunk) {
            Some(row) => self.blocks[row / ROWS].replace(row % ROWS, document, vector),
            None => self.push(chunk, document, vector)?,
        }
        Ok(())
    }

    /// The place of a document in the list of all.
    fn place(&mut self, document: Uuid) -> Result<u32, IndexError> {
        if let Some(place) = self.places.get(&document) {
            return Ok(*place);
        }
        let place = number(self.documents.len())?;
        self.documents.push(document);
        self.places.insert(document, place);
        Ok(place)
    }

    fn push(&mut self, chunk: Uuid, document: u32, vector: &Rounded) -> Result<(), IndexError> {
        let row = number(self.length)?;
        if self.length.is_multiple_of(ROWS) {
            self.blocks.push(Block::default());
        }
        if let Some(last) = self.blocks.last_mut() {
            last.push(chunk, document, vector);
        }
        self.length += 1;
        let blocks = &self.blocks;
        let hash_of = |row: &u32| hash(blocks[*row as usize / ROWS].chunks[*row as usize % ROWS]);
        self.rows.insert_unique(hash(chunk), row, hash_of);
        Ok(())
    }

    /// The last vector takes the place of each that goes.
    fn remove(&mut self, document: Uuid) {
        let Some(document) = self.places.get(&document).copied() else { return };
        for row in (0..self.length).rev() {
            if self.blocks[row / ROWS].documents[row % ROWS] == document {
                self.remove_row(row);
            }
        }
    }

    fn remove_row(&mut self, row: usize) {
        let (gone, last) = (self.chunk(row as u32), self.length - 1);
        if let Ok(entry) = self.rows.find_entry(hash(gone), |known| *known as usize == row) {
            entry.remove();
        }
        let Some(moved) = self.blocks.last_mut().and_then(|block| block.pop(self.pin.dimension)) else {
            return;
        };
        if row != last {
            if let Some(known) = self.rows.find_mut(hash(moved.chunk), |known| *known as usize == last) {
                *known = row as u32;
            }
            self.blocks[row / ROWS].put(row % ROWS, &moved);
        }
        self.length = last;
        if last.is_multiple_of(ROWS) {
            self.blocks.pop();
        }
    }
}

/// A row that is moved.
struct Row {
    components: Vec<i8>,
    scale: f32,
    chunk: Uuid,
    document: u32,
}

impl Block {
    fn push(&mut self, chunk: Uuid, document: u32, vector: &Rounded) {
        self.components.extend_from_slice(vector.components());
        self.scales.push(vector.scale());
        self.chunks.push(chunk);
        self.documents.push(document);
    }

    fn replace(&mut self, row: usize, document: u32, vector: &Rounded) {
        let width = vector.components().len();
        self.components[row * width..][..width].copy_from_slice(vector.components());
        self.scales[row] = vector.scale();
        self.documents[row] = document;
    }

    fn put(&mut self, row: usize, moved: &Row) {
        let width = moved.components.len();
        self.components[row * width..][..width].copy_from_slice(&moved.components);
        self.scales[row] = moved.scale;
        self.chunks[row] = moved.chunk;
        self.documents[row] = moved.document;
    }

    fn pop(&mut self, width: usize) -> Option<Row> {
        let (scale, chunk, document) = (self.scales.pop()?, self.chunks.pop()?, self.documents.pop()?);
        let components = self.components.split_off(self.components.len() - width);
        Some(Row { components, scale, chunk, document })
    }
}

/// A chunk's id is a UUIDv7: its low bits are random already, and mixed so that those of tests are, too.
fn hash(chunk: Uuid) -> u64 {
    let (high, low) = chunk.as_u64_pair();
    (low ^ high.rotate_left(32)).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29)
}

fn number(length: usize) -> Result<u32, IndexError> {
    u32::try_from(length).map_err(|_| IndexError::Invalid("more vectors than 32 bits can count".to_owned()))
}
