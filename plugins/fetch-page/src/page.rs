//! One page: fetched, read, and told in pieces.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::{String, ToString};

use hardpoint_sdk::Request;
use hardpoint_sdk::http::{self, Response};
use hardpoint_sdk::tool::{ToolError, json};
use html::{Readable, Url};
use serde::Serialize;

use crate::charset;
use crate::settings::Settings;

/// What is read of a page, in bytes; the host hands over 16 MiB at most.
const MAX_PAGE: usize = 4 << 20;

#[derive(Serialize)]
struct Answer<'a> {
    url: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    title: &'a str,
    text: &'a str,
    /// Characters of the whole text.
    total_chars: usize,
    /// Where the rest begins.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_offset: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<&'a str>,
}

#[derive(Serialize)]
struct Redirected<'a> {
    url: &'a str,
    status: u16,
    redirect: &'a str,
    note: &'a str,
}

pub(crate) fn fetch(url: &str, offset: usize, settings: &Settings) -> Result<String, ToolError> {
    let wrong = |reason: String| ToolError::InvalidArguments(reason);
    let places = || format!("only pages under these addresses can be fetched: {}", settings.places());
    let page = Url::parse(url)
        .ok_or_else(|| wrong(format!("url: it must be an address with https:// or http://; {}", places())))?;
    if !settings.covers(&page) {
        return Err(wrong(format!("url: {}", places())));
    }
    let address = page.to_string();
    let request = Request::get(address.as_str())
        .header(
            "accept",
            "text/html, application/xhtml+xml, text/plain;q=0.9, application/json;q=0.9, */*;q=0.1",
        )
        .header("user-agent", settings.user_agent.as_str());
    let response = http::send(request)?;
    match response.status {
        200..=299 => told(&response, page, offset, settings),
        301..=303 | 307 | 308 => redirected(&response, &page, settings),
        status => {
            let hint = match status {
                401 | 403 | 407 => ": it is not for everybody",
                404 | 410 => ": there is no such page",
                429 | 503 => ": try again later",
                _ => "",
            };
            Err(ToolError::Failed(format!("{address} answered {status}{hint}")))
        }
    }
}

/// The host follows no redirects: whether the target is worth another call is for the model to say.
fn redirected(response: &Response, page: &Url, settings: &Settings) -> Result<String, ToolError> {
    let target = response.header("location").and_then(|location| page.join(location));
    let target = target.ok_or_else(|| ToolError::Failed(format!("{page} redirects to nowhere")))?;
    let note = match settings.covers(&target) {
        true => "The page is elsewhere: call again with the address under `redirect`.",
        false => "The page is elsewhere, under an address that cannot be fetched with this tool.",
    };
    let (url, redirect) = (page.to_string(), target.to_string());
    json(&Redirected { url: &url, status: response.status, redirect: &redirect, note })
}

fn told(response: &Response, page: Url, offset: usize, settings: &Settings) -> Result<String, ToolError> {
    let url = page.to_string();
    let failed = |reason: String| ToolError::Failed(format!("{url}: {reason}"));
    if let Some(coding) = response.header("content-encoding").filter(|coding| *coding != "identity") {
        let coding: String = coding.chars().take(40).collect();
        return Err(failed(format!("it came compressed (`{coding}`), which nobody asked for")));
    }
    let whole = response.body.as_slice();
    let bytes = whole.get(..MAX_PAGE).unwrap_or(whole);
    let content_type = response.header("content-type").unwrap_or_default().to_ascii_lowercase();
    let (kind, parameters) = content_type.split_once(';').unwrap_or((&content_type, ""));
    let charset = parameters.split(';').find_map(|parameter| parameter.trim().strip_prefix("charset="));
    let charset = charset.map(|label| label.trim_matches(['"', '\'', ' ']));
    let kind = Kind::of(kind.trim(), bytes).ok_or_else(|| {
        let kind: String = kind.chars().take(60).collect();
        failed(format!("it is no text but `{}`, {} bytes", kind.trim(), whole.len()))
    })?;
    let text = charset::decode(bytes, charset).map_err(failed)?;
    let Readable { title, text, .. } = match kind {
        Kind::Html => html::read(&text, page),
        Kind::Text => Readable { text: text.replace('\0', "\u{fffd}"), ..Readable::default() },
    };
    let piece = piece(&text, offset, settings.max_chars).map_err(ToolError::InvalidArguments)?;
    let cut = format!("Of the page's {} bytes the first {MAX_PAGE} were read.", whole.len());
    json(&Answer {
        url: &url,
        title: &title,
        text: &piece.text,
        total_chars: piece.total,
        next_offset: piece.next,
        note: (whole.len() > MAX_PAGE).then_some(&cut),
    })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Html,
    Text,
}

impl Kind {
    /// By the content type; where there is none, by how the page begins. None for what is no text.
    fn of(content_type: &str, bytes: &[u8]) -> Option<Self> {
        match content_type {
            "text/html" | "application/xhtml+xml" => return Some(Self::Html),
            "application/json"
            | "application/xml"
            | "application/x-ndjson"
            | "application/yaml"
            | "application/javascript" => return Some(Self::Text),
            "" | "application/octet-stream" | "application/unknown" => {}
            other => {
                let is_text =
                    other.starts_with("text/") || other.ends_with("+json") || other.ends_with("+xml");
                return is_text.then_some(Self::Text);
            }
        }
        let head =
            String::from_utf8_lossy(bytes.get(..512).unwrap_or(bytes)).trim_start().to_ascii_lowercase();
        if head.starts_with("<!doctype html") || head.starts_with("<html") {
            return Some(Self::Html);
        }
        let is_text = !bytes.contains(&0) && core::str::from_utf8(bytes).is_ok();
        is_text.then_some(Self::Text)
    }
}

struct Piece<'a> {
    text: Cow<'a, str>,
    total: usize,
    next: Option<usize>,
}

/// The characters from `offset` on, at most so many, and rather whole lines.
fn piece(text: &str, offset: usize, most: usize) -> Result<Piece<'_>, String> {
    let total = text.chars().count();
    if offset > 0 && offset >= total {
        return Err(format!("offset: the page's text has {total} characters"));
    }
    let begin = text.char_indices().nth(offset).map_or(text.len(), |(at, _)| at);
    let rest = text.get(begin..).unwrap_or_default();
    let Some((end, _)) = rest.char_indices().nth(most) else {
        return Ok(Piece { text: rest.into(), total, next: None });
    };
    let piece = rest.get(..end).unwrap_or(rest);
    // A line break in the last tenth is a better end.
    let piece = match piece.rfind('\n') {
        Some(at) if at > end - end / 10 => piece.get(..=at).unwrap_or(piece),
        _ => piece,
    };
    Ok(Piece { text: piece.to_string().into(), total, next: Some(offset + piece.chars().count()) })
}
