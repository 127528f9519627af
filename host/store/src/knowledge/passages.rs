//! Pages and chunks of documents: staging them where nobody sees them, and reading those that can be found.

use serde_json::{Value, json};

use super::ingestions::{self, Claim};
use super::passages_dialect::{BY_IDS, STAGE_CHUNKS, STAGE_PAGES};
use crate::columns::{clean, json_texts};
use crate::db::{execute, fetch, statements};
use crate::{Conn, StoreError, Tx};

/// Pages and chunks in one batch: of usual size they take SQLite some three milliseconds, and the bulk lane has five.
pub const MOST: usize = 128;

/// A page, or the whole of a document without pages.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Page {
    /// From 1, ascending.
    #[sqlx(try_from = "i64")]
    pub number: u32,
    /// Its heading.
    pub title: Option<String>,
    /// Plain text.
    pub text: String,
}

/// A chunk.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Chunk {
    /// A UUID.
    pub id: String,
    /// From 0, ascending.
    #[sqlx(try_from = "i64")]
    pub ordinal: u32,
    /// What is shown and cited.
    pub text: String,
    /// What is embedded and searched in place of it.
    pub embedded_text: Option<String>,
    /// The page on which it begins.
    #[sqlx(try_from = "i64")]
    pub first_page: u32,
    /// The page on which it ends.
    #[sqlx(try_from = "i64")]
    pub last_page: u32,
    /// Where it begins: characters from the beginning of the first page's text.
    #[sqlx(try_from = "i64")]
    pub begins_at: u32,
    /// Where it ends: characters from the beginning of the last page's text.
    #[sqlx(try_from = "i64")]
    pub ends_at: u32,
    /// A JSON object of what else is known.
    pub metadata: Option<String>,
}

impl Chunk {
    /// What is embedded and searched.
    pub fn searched(&self) -> &str {
        self.embedded_text.as_deref().unwrap_or(&self.text)
    }
}

/// A chunk that can be found, with what a citation shows.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Passage {
    /// The chunk.
    #[sqlx(flatten)]
    pub chunk: Chunk,
    /// Its document.
    pub document_id: String,
    /// As the client named that.
    pub filename: String,
    /// The document's own title.
    pub document_title: Option<String>,
    /// The page on which the chunk begins.
    pub page_title: Option<String>,
}

macro_rules! columns {
    () => {
        "c.id, c.ordinal, c.text, c.embedded_text, c.first_page, c.last_page, c.begins_at, c.ends_at, c.metadata"
    };
}
pub(super) use columns;

statements! {
    CHUNKS: concat!(
        "SELECT ", columns!(), " FROM chunks c WHERE c.document_id = $1 AND c.edition = $2 AND c.ordinal >= $3 \
         ORDER BY c.ordinal LIMIT $4"
    );
    PAGES: "SELECT number, title, text FROM pages WHERE document_id = $1 AND edition = $2 AND number > $3 \
            ORDER BY number LIMIT $4";
}

/// Keeps pages and chunks of what is being read; nobody sees them before they are published. False where the claim no
/// longer counts: then nothing is kept, and the reading may stop.
///
/// # Errors
/// [`StoreError::Duplicate`] where a page or chunk of that number was staged before; [`StoreError::InvalidValue`] where
/// there are more than [`MOST`].
pub async fn stage(tx: &mut Tx, claim: &Claim, pages: &[Page], chunks: &[Chunk]) -> Result<bool, StoreError> {
    if pages.len() + chunks.len() > MOST {
        return Err(StoreError::InvalidValue(format!("more than {MOST} pages and chunks at once")));
    }
    let pages = pages.iter().map(page_json).collect::<Result<Value, StoreError>>()?.to_string();
    let chunks = chunks.iter().map(chunk_json).collect::<Result<Value, StoreError>>()?.to_string();
    if !ingestions::is_held(tx, claim).await? {
        return Ok(false);
    }
    execute!(tx, STAGE_PAGES, pages, &claim.document_id, claim.edition)?;
    execute!(tx, STAGE_CHUNKS, chunks, &claim.document_id, claim.edition)?;
    Ok(true)
}

// Inside JSON a NUL is escaped, and would be found by nobody.
fn page_json(page: &Page) -> Result<Value, StoreError> {
    let Page { number, title, text } = page;
    Ok(json!({ "number": number, "title": clean(title.as_ref())?, "text": clean(text)? }))
}

fn chunk_json(chunk: &Chunk) -> Result<Value, StoreError> {
    Ok(json!({
        "id": clean(&chunk.id)?,
        "ordinal": chunk.ordinal,
        "text": clean(&chunk.text)?,
        "embedded_text": clean(chunk.embedded_text.as_ref())?,
        "first_page": chunk.first_page,
        "last_page": chunk.last_page,
        "begins_at": chunk.begins_at,
        "ends_at": chunk.ends_at,
        "metadata": clean(chunk.metadata.as_ref())?,
    }))
}

/// Chunks of an edition from `first` on, in order. None of an edition that was wiped out: a later change says why.
pub async fn chunks(
    conn: &mut Conn,
    document_id: &str,
    edition: i64,
    first: i64,
    limit: u32,
) -> Result<Vec<Chunk>, StoreError> {
    fetch!(conn, fetch_all, Chunk, CHUNKS, document_id, edition, first, i64::from(limit))
}

/// Pages of an edition after a number, in order.
pub async fn pages(
    conn: &mut Conn,
    document_id: &str,
    edition: i64,
    after: i64,
    limit: u32,
) -> Result<Vec<Page>, StoreError> {
    fetch!(conn, fetch_all, Page, PAGES, document_id, edition, after, i64::from(limit))
}

/// Those of these chunks that can be found in a knowledge base, in the order asked for. What an index still has of a
/// document that is gone is not there.
pub async fn by_ids(
    conn: &mut Conn,
    knowledge_base_id: &str,
    ids: &[String],
) -> Result<Vec<Passage>, StoreError> {
    let list = json_texts(ids);
    let mut found = fetch!(conn, fetch_all, Passage, BY_IDS, knowledge_base_id, list)?;
    found.sort_by_cached_key(|passage| ids.iter().position(|id| *id == passage.chunk.id));
    Ok(found)
}
