use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use super::answer::Answer;
use super::sent::Sent;
use crate::bindings::shared::hardpoint::plugin::{embed, http, index, kv};
use crate::log::Level;
use crate::request::HttpRequest;

type Embedder = Box<dyn FnMut(&[String], embed::Purpose) -> Vec<Vec<f32>>>;
type Search = Box<dyn FnMut(Query<'_>, &index::Filter, u32) -> Vec<index::Ranked>>;

/// What a search of the index double is for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Query<'a> {
    /// Full text.
    Text(&'a str),
    /// Nearest vectors.
    Vector(&'a [f32]),
}

#[derive(Default)]
struct State {
    answers: VecDeque<Answer>,
    sent: Vec<Sent>,
    kv: BTreeMap<String, Vec<u8>>,
    log: Vec<(Level, String)>,
    texts: BTreeMap<String, String>,
    search: Option<Search>,
    embedder: Option<Embedder>,
}

thread_local! {
    static INSTALLED: RefCell<Option<Rc<RefCell<State>>>> = const { RefCell::new(None) };
}

/// Stands in for the host on the current thread for as long as it lives: scripted `http`, a `kv` and a `log`
/// in memory, and, where they are set, an `index` and an embedder.
#[must_use = "the double is there for as long as this value lives"]
pub struct Double(Rc<RefCell<State>>);

impl Default for Double {
    fn default() -> Self {
        Self::new()
    }
}

impl Double {
    /// Installs a double with nothing in it. One at a time.
    pub fn new() -> Self {
        let state = Rc::new(RefCell::new(State::default()));
        INSTALLED.with_borrow_mut(|installed| {
            assert!(installed.is_none(), "there is a double of the host on this thread already");
            *installed = Some(Rc::clone(&state));
        });
        Self(state)
    }

    /// Adds the answer to the next HTTP request.
    pub fn answer(self, answer: Answer) -> Self {
        self.0.borrow_mut().answers.push_back(answer);
        self
    }

    /// Puts a value into the `kv`.
    pub fn with(self, key: &str, value: impl Into<Vec<u8>>) -> Self {
        self.0.borrow_mut().kv.insert(key.to_string(), value.into());
        self
    }

    /// Sets how texts become vectors; there is no embedder otherwise.
    pub fn embedder(self, vectors: impl FnMut(&[String], embed::Purpose) -> Vec<Vec<f32>> + 'static) -> Self {
        self.0.borrow_mut().embedder = Some(Box::new(vectors));
        self
    }

    /// Sets what the index finds, and the texts of its chunks; it finds nothing otherwise.
    pub fn index(
        self,
        texts: impl IntoIterator<Item = (String, String)>,
        search: impl FnMut(Query<'_>, &index::Filter, u32) -> Vec<index::Ranked> + 'static,
    ) -> Self {
        let mut state = self.0.borrow_mut();
        state.texts = texts.into_iter().collect();
        state.search = Some(Box::new(search));
        drop(state);
        self
    }

    /// The HTTP requests so far.
    pub fn sent(&self) -> Vec<Sent> {
        self.0.borrow().sent.clone()
    }

    /// A value in the `kv`.
    pub fn value(&self, key: &str) -> Option<Vec<u8>> {
        self.0.borrow().kv.get(key).cloned()
    }

    /// The lines of the log so far.
    pub fn log(&self) -> Vec<(Level, String)> {
        self.0.borrow().log.clone()
    }
}

impl Drop for Double {
    fn drop(&mut self) {
        INSTALLED.with_borrow_mut(|installed| *installed = None);
    }
}

fn with<T>(act: impl FnOnce(Option<&mut State>) -> T) -> T {
    let state = INSTALLED.with_borrow(Clone::clone);
    match state {
        None => act(None),
        Some(state) => act(Some(&mut state.borrow_mut())),
    }
}

const NO_DOUBLE: &str = "no `testing::Double` is installed on this thread";

pub(crate) fn send(request: http::Request) -> Result<http::Response, http::Error> {
    let http::Request { method, url, headers, body, compression } = request;
    let sent = Sent::check(HttpRequest { exchange: 0, method, url, headers, body, compression });
    let refused =
        |message: String| Err(http::Error { kind: crate::failure::TransportFailureKind::Denied, message });
    with(|state| {
        let Some(state) = state else { return refused(NO_DOUBLE.to_string()) };
        state.sent.push(sent);
        match state.answers.pop_front() {
            Some(answer) => answer.whole(),
            None => refused(format!("the script has no answer to request {}", state.sent.len())),
        }
    })
}

pub(crate) fn write(level: Level, message: &str) {
    with(|state| {
        if let Some(state) = state {
            state.log.push((level, message.to_string()));
        }
    });
}

fn with_kv<T>(
    act: impl FnOnce(&mut BTreeMap<String, Vec<u8>>) -> Result<T, kv::Error>,
) -> Result<T, kv::Error> {
    with(|state| match state {
        Some(state) => act(&mut state.kv),
        None => Err(kv::Error::Denied(NO_DOUBLE.to_string())),
    })
}

pub(crate) fn get(key: &str) -> Result<Option<Vec<u8>>, kv::Error> {
    with_kv(|kv| Ok(kv.get(key).cloned()))
}

pub(crate) fn set(key: &str, value: &[u8]) -> Result<(), kv::Error> {
    with_kv(|kv| {
        if key.len() > 512 || value.len() > 64 * 1024 {
            return Err(kv::Error::TooLarge("a key over 512 bytes or a value over 64 KiB".to_string()));
        }
        kv.insert(key.to_string(), value.to_vec());
        Ok(())
    })
}

pub(crate) fn remove(key: &str) -> Result<(), kv::Error> {
    with_kv(|kv| {
        kv.remove(key);
        Ok(())
    })
}

pub(crate) fn keys(prefix: &str, after: Option<&str>) -> Result<Vec<String>, kv::Error> {
    with_kv(|kv| {
        let fits = |key: &&String| key.starts_with(prefix) && after.is_none_or(|after| key.as_str() > after);
        Ok(kv.keys().filter(fits).take(1000).cloned().collect())
    })
}

fn search(query: Query<'_>, filter: &index::Filter, top: u32) -> Result<Vec<index::Ranked>, index::Error> {
    with(|state| match state {
        Some(State { search: Some(search), .. }) => Ok(search(query, filter, top)),
        _ => Err(index::Error::Unavailable("the double has no index".to_string())),
    })
}

pub(crate) fn full_text(
    query: &str,
    filter: &index::Filter,
    top: u32,
) -> Result<Vec<index::Ranked>, index::Error> {
    search(Query::Text(query), filter, top)
}

pub(crate) fn nearest(
    vector: &[f32],
    filter: &index::Filter,
    top: u32,
) -> Result<Vec<index::Ranked>, index::Error> {
    search(Query::Vector(vector), filter, top)
}

/// By the vectors that the double's embedder makes of the chunks' texts.
pub(crate) fn cosines(vector: &[f32], chunk_ids: &[String]) -> Result<Vec<Option<f32>>, index::Error> {
    let of_chunks = texts(chunk_ids)?;
    let Ok(vectors) = vectors(&of_chunks, embed::Purpose::Passage) else {
        return Ok(vec![None; chunk_ids.len()]);
    };
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    let cosine = |other: &Vec<f32>| {
        let lengths = (dot(vector, vector) * dot(other, other)).sqrt();
        (lengths > 0.0).then(|| dot(vector, other) / lengths)
    };
    Ok(vectors.iter().map(cosine).collect())
}

/// What the double's embedder makes of the chunks' texts.
pub(crate) fn vectors_of(chunk_ids: &[String]) -> Result<Vec<Option<Vec<f32>>>, index::Error> {
    let of_chunks = texts(chunk_ids)?;
    let Ok(vectors) = vectors(&of_chunks, embed::Purpose::Passage) else {
        return Ok(vec![None; chunk_ids.len()]);
    };
    Ok(vectors.into_iter().map(of_length_1).collect())
}

fn of_length_1(mut vector: Vec<f32>) -> Option<Vec<f32>> {
    let length = vector.iter().map(|part| part * part).sum::<f32>().sqrt();
    vector.iter_mut().for_each(|part| *part /= length);
    (length > 0.0).then_some(vector)
}

pub(crate) fn texts(chunk_ids: &[String]) -> Result<Vec<String>, index::Error> {
    with(|state| {
        let texts = &state.ok_or_else(|| index::Error::Denied(NO_DOUBLE.to_string()))?.texts;
        let text = |id: &String| {
            texts.get(id).cloned().ok_or_else(|| index::Error::Invalid(format!("there is no chunk `{id}`")))
        };
        chunk_ids.iter().map(text).collect()
    })
}

pub(crate) fn vectors(texts: &[String], purpose: embed::Purpose) -> Result<Vec<Vec<f32>>, embed::Error> {
    with(|state| match state {
        Some(State { embedder: Some(embedder), .. }) => Ok(embedder(texts, purpose)),
        _ => Err(embed::Error::NotLoaded),
    })
}
