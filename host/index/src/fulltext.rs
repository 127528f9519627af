//! Full text: BM25 over the passages of one knowledge base.
//!
//! Each knowledge base has an index of its own, in a folder of its own. So deleting one leaves nothing behind, how
//! rare a word is is asked of its own texts alone (another tenant's neither change the order nor can be guessed
//! from it), and a search is a bare union of words, which tantivy cuts short. A small one costs a dozen files of
//! some kilobytes; what costs memory and threads, the writer, is opened by a change and closed by
//! [`FullText::rest`].

mod analysis;
mod question;
mod schema;
mod sealed;
mod stop_words;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};

use tantivy::collector::{DocSetCollector, TopDocs};
use tantivy::directory::MmapDirectory;
use tantivy::indexer::{IndexWriterOptions, LogMergePolicy, NoMergePolicy};
use tantivy::query::Query;
use tantivy::schema::Field;
use tantivy::tokenizer::{TextAnalyzer, TokenizerManager};
use tantivy::{DocAddress, Index, IndexReader, IndexSettings, IndexWriter, ReloadPolicy, Searcher};
use uuid::Uuid;

use crate::IndexError;
use crate::change::{Change, Filter, Found, MOST_FOUND};
use analysis::Analyzer;
use schema::{ANALYZER, Fields, Ids};
use sealed::Sealed;

/// Bytes of terms that a writer collects before they become a segment.
const WRITER_MEMORY: usize = 64 << 20;

/// The full text of one knowledge base.
pub struct FullText {
    folder: PathBuf,
    fields: Fields,
    columns: [Field; 4],
    /// Held to read while a search uses files, to write while files go.
    opened: RwLock<Opened>,
    writer: Mutex<Option<IndexWriter>>,
    reached: AtomicU64,
    /// Whether files were removed that no commit knows.
    is_swept: AtomicBool,
}

/// The files as they are open.
struct Opened {
    index: Index,
    reader: IndexReader,
}

impl FullText {
    /// Opens the index in `folder`, or begins one. Every file is read once and checked.
    ///
    /// # Errors
    /// [`IndexError::Damaged`] if it is not as it was written: empty the folder, open it again, and apply
    /// everything.
    pub fn open(folder: &Path) -> Result<Self, IndexError> {
        fs::create_dir_all(folder)?;
        let there = Index::exists(&files(folder)?)?;
        let index = if there { Index::open(files(folder)?)? } else { begin(folder)? };
        let reached = check(&index, folder)?;
        Ok(Self {
            folder: folder.to_owned(),
            fields: Fields::of(&index.schema())?,
            columns: schema::columns(&index.schema())?,
            opened: RwLock::new(Opened::of(index)?),
            writer: Mutex::new(None),
            reached: AtomicU64::new(reached),
            is_swept: AtomicBool::new(false),
        })
    }

    /// The sequence number of the last change that searches see; 0 for an index that was just begun.
    pub fn reached(&self) -> u64 {
        self.reached.load(Ordering::Acquire)
    }

    /// How many passages searches see.
    pub fn passages(&self) -> u64 {
        self.opened().reader.searcher().num_docs()
    }

    /// Applies changes in order, durably and all at once: searches see either none or all of them, also after a
    /// crash. What the index reaches already is left out, so that a change may be told twice.
    ///
    /// # Errors
    /// If it cannot be written; then nothing of it was.
    pub fn apply(&self, changes: impl IntoIterator<Item = Change>, up_to: u64) -> Result<(), IndexError> {
        self.apply_read(changes.into_iter().map(Ok), up_to)
    }

    /// The same for changes that are read from somewhere while they are applied, so that they need not all be in
    /// memory.
    ///
    /// # Errors
    /// The first that reading met, or if it cannot be written; nothing was written then.
    pub fn apply_read(
        &self,
        changes: impl IntoIterator<Item = Result<Change, IndexError>>,
        up_to: u64,
    ) -> Result<(), IndexError> {
        let mut place = self.writer();
        if up_to <= self.reached() {
            return Ok(());
        }
        let mut writer = match place.take() {
            Some(writer) => writer,
            None => self.open_writer()?,
        };
        // A writer that failed is dropped, and with it what it did not commit.
        self.commit(&mut writer, changes, up_to)?;
        *place = Some(writer);
        self.opened().reader.reload()?;
        self.reached.store(up_to, Ordering::Release);
        Ok(())
    }

    fn commit(
        &self,
        writer: &mut IndexWriter,
        changes: impl IntoIterator<Item = Result<Change, IndexError>>,
        up_to: u64,
    ) -> Result<(), IndexError> {
        for change in changes {
            match change? {
                Change::Add(passage) => {
                    writer.add_document(self.fields.indexed(&passage, &self.columns))?;
                }
                Change::Remove(document) => {
                    writer.delete_term(self.fields.document_term(document));
                }
            }
        }
        let mut commit = writer.prepare_commit()?;
        commit.set_payload(&up_to.to_string());
        commit.commit()?;
        Ok(())
    }

    /// The passages that have words of the question, best first, at most `top` and at most
    /// [`MOST_FOUND`].
    ///
    /// # Errors
    /// If files cannot be read.
    pub fn search(&self, question: &str, filter: &Filter, top: usize) -> Result<Vec<Found>, IndexError> {
        let top = top.min(MOST_FOUND);
        let Some(query) = question::query(&self.fields, question, filter).filter(|_| top > 0) else {
            return Ok(Vec::new());
        };
        let opened = self.opened();
        let searcher = opened.reader.searcher();
        let best = searcher.search(&query, &TopDocs::with_limit(top).order_by_score())?;
        let ids = ids(&searcher)?;
        let found = best.into_iter().filter_map(|(score, place)| {
            let (chunk, document) = look_up(&ids, place)?;
            Some(Found { chunk, document, score })
        });
        Ok(found.collect())
    }

    /// The most that any passage could score with this question: of each of its words, grammar left out, the inverse
    /// document frequency times k1 + 1, summed. A score is a share of it on a scale that questions have in common.
    ///
    /// # Errors
    /// If files cannot be read.
    pub fn attainable(&self, question: &str) -> Result<f32, IndexError> {
        let searcher = self.opened().reader.searcher();
        Ok(question::attainable(&self.fields, question, &searcher)?)
    }

    /// The chunks that the filter lets through: what a search of vectors may see. None where that is all.
    ///
    /// # Errors
    /// If files cannot be read.
    pub fn permitted(&self, filter: &Filter) -> Result<Option<HashSet<Uuid>>, IndexError> {
        if filter.is_open() {
            return Ok(None);
        }
        let query: Box<dyn Query> = question::permitted(&self.fields, filter);
        let opened = self.opened();
        let searcher = opened.reader.searcher();
        let places = searcher.search(&query, &DocSetCollector)?;
        let ids = ids(&searcher)?;
        Ok(Some(places.into_iter().filter_map(|place| Some(look_up(&ids, place)?.0)).collect()))
    }

    /// Takes what was removed out of the files: until then its terms are still on the disk, where no search finds
    /// them. Rewrites the segments that it was in, so it takes as long as indexing them did, at most; searches go
    /// on meanwhile, and changes wait.
    ///
    /// # Errors
    /// If files cannot be written. What was there can still be searched, and is still to be erased.
    pub fn erase(&self) -> Result<(), IndexError> {
        let mut place = self.writer();
        if let Some(busy) = place.take() {
            busy.wait_merging_threads()?;
        }
        let mut writer = self.open_writer()?;
        writer.set_merge_policy(Box::new(NoMergePolicy));
        for segment in writer.index().searchable_segment_metas()? {
            if segment.num_deleted_docs() > 0 {
                writer.merge(&[segment.id()]).wait()?;
            }
        }
        writer.wait_merging_threads()?;
        // Tantivy keeps files that something still refers to: a search, or a thread that is about to end. Opened
        // anew while nobody looks, nothing does.
        let mut opened = self.opened.write().unwrap_or_else(PoisonError::into_inner);
        *opened = Opened::of(Index::open(files(&self.folder)?)?)?;
        let writer: IndexWriter = opened.index.writer_with_options(options())?;
        writer.garbage_collect_files().wait()?;
        Ok(())
    }

    /// Waits for segments that are being merged, shows them to searches, and gives back the writer's memory and
    /// threads. For a knowledge base that has not changed for a while.
    ///
    /// # Errors
    /// If merging failed. Nothing is lost by that.
    pub fn rest(&self) -> Result<(), IndexError> {
        if let Some(writer) = self.writer().take() {
            writer.wait_merging_threads()?;
            self.opened().reader.reload()?;
        }
        Ok(())
    }

    fn opened(&self) -> RwLockReadGuard<'_, Opened> {
        self.opened.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn writer(&self) -> MutexGuard<'_, Option<IndexWriter>> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open_writer(&self) -> Result<IndexWriter, IndexError> {
        let writer: IndexWriter = self.opened().index.writer_with_options(options())?;
        if !self.is_swept.swap(true, Ordering::AcqRel) {
            // What a host wrote that went down before its commit has the names that the next commit gives its files.
            writer.garbage_collect_files().wait()?;
        }
        let mut policy = LogMergePolicy::default();
        policy.set_del_docs_ratio_before_merge(0.2);
        writer.set_merge_policy(Box::new(policy));
        Ok(writer)
    }
}

impl Opened {
    fn of(mut index: Index) -> Result<Self, IndexError> {
        let tokenizers = TokenizerManager::default();
        tokenizers.register(ANALYZER, TextAnalyzer::from(Analyzer));
        index.set_tokenizers(tokenizers);
        let reader = index.reader_builder().reload_policy(ReloadPolicy::Manual).try_into()?;
        Ok(Self { index, reader })
    }
}

fn options() -> IndexWriterOptions {
    IndexWriterOptions::builder()
        .memory_budget_per_thread(WRITER_MEMORY)
        .num_worker_threads(1)
        .num_merge_threads(1)
        .build()
}

fn files(folder: &Path) -> Result<Sealed, IndexError> {
    Ok(Sealed(MmapDirectory::open(folder).map_err(tantivy::TantivyError::from)?))
}

/// A new index. What else is in the folder is of one whose list of segments is lost.
fn begin(folder: &Path) -> Result<Index, IndexError> {
    if fs::read_dir(folder)?.next().is_some() {
        return Err(IndexError::Damaged("there are files and no list of segments".to_owned()));
    }
    Ok(Index::create(files(folder)?, schema::schema(), IndexSettings::default())?)
}

/// Reads every file that the index is made of, and says which sequence number it reaches.
fn check(index: &Index, folder: &Path) -> Result<u64, IndexError> {
    if !folder.join(".managed.json").exists() {
        return Err(IndexError::Damaged("the list of files is gone".to_owned()));
    }
    if index.schema() != schema::schema() {
        return Err(IndexError::Damaged("it has the fields of another version".to_owned()));
    }
    if let Some(file) = index.validate_checksum()?.into_iter().next() {
        return Err(IndexError::Damaged(format!("{} is not as it was written", file.display())));
    }
    match index.load_metas()?.payload {
        None => Ok(0),
        Some(reached) => {
            reached.parse().map_err(|_| IndexError::Damaged("it does not say what it reaches".to_owned()))
        }
    }
}

fn ids(searcher: &Searcher) -> Result<Vec<Ids>, IndexError> {
    let ids = searcher.segment_readers().iter().map(Ids::of);
    Ok(ids.collect::<Result<_, _>>()?)
}

fn look_up(ids: &[Ids], place: DocAddress) -> Option<(Uuid, Uuid)> {
    ids.get(place.segment_ord as usize)?.get(place.doc_id)
}
