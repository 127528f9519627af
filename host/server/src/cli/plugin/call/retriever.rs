//! What `plugin call` makes of a retriever: it reads one document into a knowledge base in memory, and searches
//! there.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use hardpoint_domain::failure::Failure as PluginFailure;
use hardpoint_runtime::{
    Binding, CallContext, Chunk, Filter, Hit, MemoryDraft, MemoryKnowledge, Page, SearchRequest,
};
use serde_json::{Value, json};

use super::Failure;

/// Hits that are asked for.
const TOP: u32 = 10;
/// The name that the document goes by.
const DOCUMENT: &str = "doc-call";

/// Reads `document`, and searches it for `query` where one is given. The inner error is the plugin's.
pub(super) async fn call(
    binding: &Arc<Binding>,
    context: CallContext,
    document: &Path,
    query: Option<&str>,
) -> Result<Result<Value, PluginFailure>, Failure> {
    let bytes = std::fs::read(document).with_context(|| format!("{} cannot be read", document.display()))?;
    let filename = document.file_name().unwrap_or_default().to_string_lossy();
    let document = MemoryKnowledge::document(DOCUMENT, &filename, None, bytes);
    let (base, draft) = (MemoryKnowledge::new(), MemoryDraft::new());
    let called = || base.called(binding.settings().clone());
    if let Err(failure) = binding.ingest(context.clone(), called(), document, draft.clone()).await {
        return Ok(Err(failure));
    }
    base.publish(DOCUMENT, &draft);
    let written = draft.written();
    let mut told = json!({
        "title": written.title,
        "pages": written.pages.iter().map(page).collect::<Vec<_>>(),
        "chunks": written.chunks.iter().map(chunk).collect::<Vec<_>>(),
    });
    if let Some(query) = query {
        let request =
            SearchRequest { query: query.to_owned(), top: TOP, filter: Filter::default(), hybrid: true };
        match binding.search(context, called(), request).await {
            Ok(hits) => told["hits"] = hits.iter().map(|hit| found(hit, &written.chunks)).collect(),
            Err(failure) => return Ok(Err(failure)),
        }
    }
    Ok(Ok(told))
}

fn page(page: &Page) -> Value {
    json!({ "number": page.number, "title": page.title, "characters": page.text.chars().count() })
}

fn chunk(chunk: &Chunk) -> Value {
    json!({
        "ordinal": chunk.ordinal, "text": chunk.text, "embedded_text": chunk.embedded_text,
        "first_page": chunk.first_page, "last_page": chunk.last_page, "start": chunk.start, "end": chunk.end,
        "metadata": chunk.metadata,
    })
}

/// A hit with its text: the chunk's, where the host holds it.
fn found(hit: &Hit, chunks: &[Chunk]) -> Value {
    let own = || {
        let ordinal: u32 = hit.chunk_id.rsplit_once('/')?.1.parse().ok()?;
        Some(chunks.iter().find(|chunk| chunk.ordinal == ordinal)?.text.clone())
    };
    let text = hit.text.clone().or_else(own);
    json!({ "chunk_id": hit.chunk_id, "fused": hit.fused, "cosine": hit.cosine, "text": text, "metadata": hit.metadata })
}
