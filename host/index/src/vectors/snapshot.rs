//! Vectors on disk, so that a start need not read them all from the store.
//!
//! One file: what it is, the pin, the sequence that it reaches, documents, rows, and a CRC-32 of all before it.
//! Numbers are little-endian.

use std::fs::{self, File};
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::Path;

use uuid::Uuid;

use super::{Block, Pin, ROWS, Vectors, hash, number, rounded};
use crate::IndexError;

/// What the file is, and the version of its layout.
const MAGIC: &[u8; 8] = b"HPVECT01";

impl Vectors {
    /// Writes all vectors to `file`, in place of what is there, durably and all at once.
    ///
    /// # Errors
    /// If it cannot be written; then what was there is still there.
    pub fn save(&self, file: &Path) -> Result<(), IndexError> {
        let beside = file.with_extension("new");
        let result = self.write(&beside).and_then(|()| Ok(fs::rename(&beside, file)?));
        if result.is_err() {
            // Half of a file helps nobody, least of all on a full disk.
            let _ = fs::remove_file(&beside);
        }
        result?;
        // The name, too, outlives a power cut.
        Ok(file.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())?)
    }

    fn write(&self, file: &Path) -> Result<(), IndexError> {
        let mut out =
            Summed { inner: BufWriter::with_capacity(1 << 20, File::create(file)?), sum: Default::default() };
        out.write_all(MAGIC)?;
        out.write_all(&number(self.pin.model.len())?.to_le_bytes())?;
        out.write_all(self.pin.model.as_bytes())?;
        out.write_all(&number(self.pin.dimension)?.to_le_bytes())?;
        out.write_all(&self.reached.to_le_bytes())?;
        out.write_all(&number(self.documents.len())?.to_le_bytes())?;
        out.write_all(&number(self.length)?.to_le_bytes())?;
        self.documents.iter().try_for_each(|document| out.write_all(document.as_bytes()))?;
        for block in &self.blocks {
            block.chunks.iter().try_for_each(|chunk| out.write_all(chunk.as_bytes()))?;
            block.documents.iter().try_for_each(|document| out.write_all(&document.to_le_bytes()))?;
            let components: Vec<u8> = block.components.iter().map(|byte| byte.cast_unsigned()).collect();
            out.write_all(&components)?;
        }
        let sum = out.sum.finalize();
        let mut inner = out.inner;
        inner.write_all(&sum.to_le_bytes())?;
        let file = inner.into_inner().map_err(std::io::IntoInnerError::into_error)?;
        Ok(file.sync_all()?)
    }

    /// Reads what [`Vectors::save`] wrote. None where there is no file.
    ///
    /// # Errors
    /// [`IndexError::Damaged`] if it is not what was written, or of another pin: begin with [`Vectors::new`] and
    /// apply everything.
    pub fn load(file: &Path, pin: Pin) -> Result<Option<Self>, IndexError> {
        let opened = match File::open(file) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            opened => opened?,
        };
        let size = opened.metadata()?.len();
        let mut reader = Summed { inner: BufReader::with_capacity(1 << 20, opened), sum: Default::default() };
        let vectors = Self::read(&mut reader, pin, size)?;
        let sum = reader.sum.finalize();
        let mut written = Vec::new();
        reader.inner.read_to_end(&mut written)?;
        if written != sum.to_le_bytes() {
            return Err(damaged("they are not as they were written"));
        }
        Ok(Some(vectors))
    }

    fn read(reader: &mut impl Read, pin: Pin, size: u64) -> Result<Self, IndexError> {
        if bytes::<8>(reader)? != *MAGIC {
            return Err(damaged("the file is of another kind or version"));
        }
        let length = u32::from_le_bytes(bytes(reader)?) as usize;
        if length != pin.model.len() || many(reader, length)? != pin.model.as_bytes() {
            return Err(damaged("they are of another embedder"));
        }
        if u32::from_le_bytes(bytes(reader)?) as usize != pin.dimension {
            return Err(damaged("they are of another dimension"));
        }
        let mut vectors = Self::new(pin);
        vectors.reached = u64::from_le_bytes(bytes(reader)?);
        let documents = u32::from_le_bytes(bytes(reader)?);
        let rows = u32::from_le_bytes(bytes(reader)?) as usize;
        // Before memory is asked for: damage must not ask for all of it.
        if 16 * u64::from(documents) + rows as u64 * (20 + vectors.pin.dimension as u64) > size {
            return Err(damaged("the file is shorter than it says"));
        }
        for place in 0..documents {
            let document = Uuid::from_bytes(bytes(reader)?);
            vectors.documents.push(document);
            vectors.places.insert(document, place);
        }
        vectors.rows.reserve(rows, |_| 0);
        while vectors.length < rows {
            vectors.read_block(reader, ROWS.min(rows - vectors.length))?;
        }
        Ok(vectors)
    }

    fn read_block(&mut self, reader: &mut impl Read, rows: usize) -> Result<(), IndexError> {
        let mut block = Block::default();
        for _ in 0..rows {
            block.chunks.push(Uuid::from_bytes(bytes(reader)?));
        }
        for _ in 0..rows {
            let document = u32::from_le_bytes(bytes(reader)?);
            if document as usize >= self.documents.len() {
                return Err(damaged("a vector of no document"));
            }
            block.documents.push(document);
        }
        let components = many(reader, rows * self.pin.dimension)?;
        block.components = components.into_iter().map(u8::cast_signed).collect();
        block.scales = block.components.chunks_exact(self.pin.dimension).map(rounded::scale).collect();
        self.blocks.push(block);
        for row in self.length..self.length + rows {
            let blocks = &self.blocks;
            let hash_of = |row: &u32| hash(blocks[*row as usize / ROWS].chunks[*row as usize % ROWS]);
            self.rows.insert_unique(hash_of(&(row as u32)), row as u32, hash_of);
        }
        self.length += rows;
        Ok(())
    }
}

/// Sums up what passes through.
struct Summed<T> {
    inner: T,
    sum: crc32fast::Hasher,
}

impl<T: Write> Write for Summed<T> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.sum.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.inner.flush()
    }
}

impl<T: Read> Read for Summed<T> {
    fn read(&mut self, bytes: &mut [u8]) -> std::io::Result<usize> {
        let read = self.inner.read(bytes)?;
        self.sum.update(&bytes[..read]);
        Ok(read)
    }
}

fn bytes<const N: usize>(reader: &mut impl Read) -> Result<[u8; N], IndexError> {
    let mut bytes = [0; N];
    reader.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn many(reader: &mut impl Read, length: usize) -> Result<Vec<u8>, IndexError> {
    let mut bytes = vec![0; length];
    reader.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn damaged(why: &str) -> IndexError {
    IndexError::Damaged(format!("vectors: {why}"))
}
