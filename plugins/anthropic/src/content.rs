//! Content blocks of requests.

use alloc::borrow::Cow;
use alloc::format;
use alloc::vec::Vec;

use hardpoint_sdk::Failure;
use hardpoint_sdk::model::{ContentPart, Image};
use serde::Serialize;
use serde_json::value::RawValue;

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Block<'a> {
    Text { text: Cow<'a, str> },
    Image { source: Source<'a> },
    ToolUse { id: Cow<'a, str>, name: &'a str, input: Cow<'a, RawValue> },
    ToolResult { tool_use_id: Cow<'a, str>, content: Vec<Block<'a>> },
    Thinking { thinking: &'a str, signature: Cow<'a, str> },
    RedactedThinking { data: Cow<'a, str> },
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Source<'a> {
    Base64 { media_type: &'a str, data: &'a str },
    Url { url: &'a str },
}

impl Block<'_> {
    pub(crate) fn is_thinking(&self) -> bool {
        matches!(self, Block::Thinking { .. } | Block::RedactedThinking { .. })
    }

    pub(crate) fn is_result(&self) -> bool {
        matches!(self, Block::ToolResult { .. })
    }
}

/// Blocks of text must hold more than white space, or the API refuses the request; those are left out.
pub(crate) fn text(text: &str) -> Option<Block<'_>> {
    (!text.trim().is_empty()).then(|| Block::Text { text: text.into() })
}

/// # Errors
/// If an image is none that the API takes.
pub(crate) fn blocks(parts: &[ContentPart]) -> Result<Vec<Block<'_>>, Failure> {
    let mut blocks = Vec::with_capacity(parts.len());
    for part in parts {
        match part {
            ContentPart::Text(it) => blocks.extend(text(it)),
            ContentPart::Image(image) => blocks.push(Block::Image { source: source(image)? }),
        }
    }
    Ok(blocks)
}

/// The media types of <https://platform.claude.com/docs/en/build-with-claude/vision>.
fn source(image: &Image) -> Result<Source<'_>, Failure> {
    let Some(data) = image.url.strip_prefix("data:") else {
        return Ok(Source::Url { url: &image.url });
    };
    let refused = || {
        let media = crate::error::cut(data.split([',', ';']).next().unwrap_or_default(), 64);
        let message = format!("an image must be JPEG, PNG, GIF or WebP in base64, which `{media}` is not");
        Failure::invalid_request(message).with_param("messages")
    };
    let (head, bytes) = data.split_once(',').ok_or_else(refused)?;
    let media = head.strip_suffix(";base64").ok_or_else(refused)?;
    let media = media.split(';').next().unwrap_or_default();
    let media_type = ["image/jpeg", "image/png", "image/gif", "image/webp"]
        .into_iter()
        .find(|known| known.eq_ignore_ascii_case(media))
        .or_else(|| media.eq_ignore_ascii_case("image/jpg").then_some("image/jpeg"))
        .ok_or_else(refused)?;
    Ok(Source::Base64 { media_type, data: bytes })
}
