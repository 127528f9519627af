//! The full text and the vectors of one knowledge base, as they are open. Everything here blocks.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use hardpoint_index::IndexError;
use hardpoint_index::change::{Filter, Found};
use hardpoint_index::fulltext::FullText;
use hardpoint_index::place::Place;
use hardpoint_index::vectors::{Pin, Seen, VectorChange, Vectors};
use hardpoint_store::knowledge::changes::{Change, Kind};
use uuid::Uuid;

use super::reader::{Reader, pin};
use super::uuid_of;

/// The vectors of one generation. Whoever searches them has them to the end, whatever takes their place meanwhile.
#[derive(Clone)]
pub struct Held(Arc<RwLock<Vectors>>);

/// What is searched.
pub struct Opened {
    knowledge_base: Uuid,
    text: FullText,
    /// By generation. Those that are not searched yet are made beside the one that is.
    vectors: RwLock<BTreeMap<i64, Held>>,
    /// Whether something is only in memory.
    is_changed: AtomicBool,
    /// Whether something that was removed is still in files.
    is_to_erase: AtomicBool,
}

impl Opened {
    /// Opens what is there, and makes anew what is damaged or missing. None where there is no such knowledge base.
    pub(super) fn open(
        place: &Place,
        knowledge_base: Uuid,
        reader: &Reader,
    ) -> Result<Option<Self>, IndexError> {
        // Before what can be found is read: what is changed after this number is told once more.
        let head = number(reader.head()?.seq);
        let Some(base) = reader.base()? else { return Ok(None) };
        let text = match place.full_text(knowledge_base) {
            Err(IndexError::Damaged(reason)) => {
                tracing::warn!(knowledge_base = base.id, reason, "the full text is made anew");
                place.forget_full_text(knowledge_base)?;
                place.full_text(knowledge_base)?
            }
            other => other?,
        };
        if text.reached() == 0 {
            text.apply_read(reader.all_texts(), head)?;
        }
        // What was switched away while this was closed.
        let wanted: Vec<Pin> = base.generations().map(pin).collect();
        place.forget_other_vectors(knowledge_base, &wanted)?;
        let mut vectors = BTreeMap::new();
        for generation in base.generations() {
            let pin = pin(generation);
            let mut loaded = match place.vectors(knowledge_base, pin.clone()) {
                Err(IndexError::Damaged(reason)) => {
                    tracing::warn!(knowledge_base = base.id, reason, "the vectors are read anew");
                    Vectors::new(pin)
                }
                other => other?,
            };
            if loaded.reached() == 0 {
                loaded.apply_read(reader.all_vectors(generation.number), head)?;
            }
            vectors.insert(generation.number, Held::new(loaded));
        }
        Ok(Some(Self {
            knowledge_base,
            text,
            vectors: RwLock::new(vectors),
            is_changed: AtomicBool::new(true),
            is_to_erase: AtomicBool::new(false),
        }))
    }

    /// Applies changes in order; what is reached already is left out.
    pub(super) fn apply(&self, place: &Place, reader: &Reader, changes: &[Change]) -> Result<(), IndexError> {
        let Some(last) = changes.last() else { return Ok(()) };
        self.is_changed.store(true, Ordering::Release);
        let takes_away = |change: &Change| matches!(change.kind, Kind::Published | Kind::Removed);
        if changes.iter().any(takes_away) {
            self.is_to_erase.store(true, Ordering::Release);
        }
        self.text.apply_read(changes.iter().flat_map(|change| reader.texts_of(change)), number(last.seq))?;
        changes.iter().try_for_each(|change| self.apply_to_vectors(place, reader, change))
    }

    fn apply_to_vectors(&self, place: &Place, reader: &Reader, change: &Change) -> Result<(), IndexError> {
        let seq = number(change.seq);
        match change.kind {
            Kind::Published | Kind::Removed => {
                let document = uuid_of(change.document_id.as_deref().unwrap_or_default())?;
                let remove = |own: &Held| own.write().apply([VectorChange::Remove(document)], seq);
                self.vectors().values().try_for_each(remove)
            }
            Kind::Embedded => self.embed(reader, change, seq),
            Kind::Switched => self.switch(place, reader),
            Kind::BaseRemoved => Ok(()),
        }
    }

    fn embed(&self, reader: &Reader, change: &Change, seq: u64) -> Result<(), IndexError> {
        let number = change.generation.unwrap_or_default();
        let is_known = self.vectors().contains_key(&number);
        if !is_known {
            let base = reader.base()?;
            let generation = base.iter().flat_map(|base| base.generations()).find(|it| it.number == number);
            // One that was given up meanwhile is searched by nobody.
            let Some(generation) = generation else { return Ok(()) };
            self.vectors_mut().entry(number).or_insert_with(|| Held::new(Vectors::new(pin(generation))));
        }
        let read = reader.vectors_of(change)?;
        self.held(number).map_or(Ok(()), |own| own.write().apply(read, seq))
    }

    /// Forgets the vectors of generations that are not searched any more, or will not be.
    fn switch(&self, place: &Place, reader: &Reader) -> Result<(), IndexError> {
        let base = reader.base()?;
        let wanted: Vec<i64> = base.iter().flat_map(|base| base.generations()).map(|it| it.number).collect();
        let mut vectors = self.vectors_mut();
        for (_, gone) in vectors.extract_if(.., |number, _| !wanted.contains(number)) {
            place.forget_vectors(self.knowledge_base, gone.read().pin())?;
        }
        Ok(())
    }

    /// Writes down what is only in memory, and takes out of the files what was removed.
    pub(super) fn keep(&self, place: &Place, knowledge_base: Uuid) -> Result<(), IndexError> {
        if self.is_to_erase.swap(false, Ordering::AcqRel) {
            self.text.erase().inspect_err(|_| self.is_to_erase.store(true, Ordering::Release))?;
        }
        if self.is_changed.swap(false, Ordering::AcqRel) {
            self.save(place, knowledge_base)
                .inspect_err(|_| self.is_changed.store(true, Ordering::Release))?;
        }
        Ok(())
    }

    fn save(&self, place: &Place, knowledge_base: Uuid) -> Result<(), IndexError> {
        self.text.rest()?;
        self.vectors().values().try_for_each(|own| place.save_vectors(knowledge_base, &own.read()))
    }

    /// Full text, best first.
    pub fn search(&self, question: &str, filter: &Filter, top: usize) -> Result<Vec<Found>, IndexError> {
        self.text.search(question, filter, top)
    }

    /// The most that a passage could score with this question.
    pub fn attainable(&self, question: &str) -> Result<f32, IndexError> {
        self.text.attainable(question)
    }

    /// Whether every passage has a vector of a generation. What has none is found by its words alone.
    pub fn is_covered(&self, generation: i64) -> bool {
        let vectors = self.held(generation).map_or(0, |own| own.read().len());
        vectors as u64 >= self.text.passages()
    }

    /// Whether any passage has a vector of a generation: there is nothing to compare a question with otherwise.
    pub fn has_vectors(&self, generation: i64) -> bool {
        self.held(generation).is_some_and(|own| !own.read().is_empty())
    }

    /// The vectors of a generation; none where it has none yet, or is searched no more.
    pub fn held(&self, generation: i64) -> Option<Held> {
        self.vectors().get(&generation).cloned()
    }

    /// The nearest of these vectors, nearest first.
    pub fn nearest(
        &self,
        own: &Held,
        question: &[f32],
        filter: &Filter,
        top: usize,
    ) -> Result<Vec<Found>, IndexError> {
        let by_metadata = if filter.metadata.is_empty() { None } else { self.text.permitted(filter)? };
        let seen = Seen { documents: filter.documents.as_ref(), chunks: by_metadata.as_ref() };
        own.read().nearest(question, seen, top)
    }

    fn vectors(&self) -> RwLockReadGuard<'_, BTreeMap<i64, Held>> {
        self.vectors.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn vectors_mut(&self) -> RwLockWriteGuard<'_, BTreeMap<i64, Held>> {
        self.vectors.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn new(vectors: Vectors) -> Self {
        Self(Arc::new(RwLock::new(vectors)))
    }

    /// The cosine of each chunk with the question; none where it has no vector here.
    pub fn cosines(&self, question: &[f32], chunks: &[Uuid]) -> Result<Vec<Option<f32>>, IndexError> {
        self.read().cosines(question, chunks)
    }

    /// The vector of each chunk; none where it has none here.
    pub fn vectors_of(&self, chunks: &[Uuid]) -> Vec<Option<Vec<f32>>> {
        self.read().vectors(chunks)
    }

    fn read(&self) -> RwLockReadGuard<'_, Vectors> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Vectors> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sequence numbers are counted from 1.
fn number(seq: i64) -> u64 {
    u64::try_from(seq).unwrap_or_default()
}
