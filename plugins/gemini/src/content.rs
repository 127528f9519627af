//! Parts of requests.

use alloc::borrow::Cow;
use alloc::vec::Vec;

use hardpoint_sdk::Failure;
use hardpoint_sdk::model::{ContentPart, Image};
use serde::Serialize;
use serde_json::value::RawValue;

/// One of these, and with a call its signature.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Part<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) text: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) inline_data: Option<InlineData<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) file_data: Option<FileData<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) function_call: Option<FunctionCall<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) function_response: Option<FunctionResponse<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) thought_signature: Option<Cow<'a, str>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct InlineData<'a> {
    mime_type: &'a str,
    data: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FileData<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    mime_type: Option<&'static str>,
    file_uri: &'a str,
}

#[derive(Serialize)]
pub(crate) struct FunctionCall<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) id: Option<&'a str>,
    pub(crate) name: &'a str,
    pub(crate) args: Cow<'a, RawValue>,
}

#[derive(Serialize)]
pub(crate) struct FunctionResponse<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) id: Option<&'a str>,
    pub(crate) name: &'a str,
    pub(crate) response: Cow<'a, RawValue>,
}

impl<'a> Part<'a> {
    pub(crate) fn of(text: impl Into<Cow<'a, str>>) -> Self {
        Self { text: Some(text.into()), ..Self::default() }
    }
}

/// Parts of no text are left out.
pub(crate) fn text(text: &str) -> Option<Part<'_>> {
    (!text.is_empty()).then(|| Part::of(text))
}

/// # Errors
/// If an image's data URL is none.
pub(crate) fn parts(content: &[ContentPart]) -> Result<Vec<Part<'_>>, Failure> {
    let mut parts = Vec::with_capacity(content.len());
    for part in content {
        match part {
            ContentPart::Text(it) => parts.extend(text(it)),
            ContentPart::Image(it) => parts.push(image(it)?),
        }
    }
    Ok(parts)
}

/// The bytes themselves, or where the API finds them
/// (<https://ai.google.dev/gemini-api/docs/file-input-methods>).
fn image(image: &Image) -> Result<Part<'_>, Failure> {
    let Some(data) = image.url.strip_prefix("data:") else {
        let file = FileData { mime_type: by_extension(&image.url), file_uri: &image.url };
        return Ok(Part { file_data: Some(file), ..Part::default() });
    };
    let refused = || Failure::invalid_request("an image must be in base64").with_param("messages");
    let (head, data) = data.split_once(',').ok_or_else(refused)?;
    let media = head.strip_suffix(";base64").ok_or_else(refused)?;
    let media = media.split(';').next().unwrap_or_default();
    let mime_type = if media.eq_ignore_ascii_case("image/jpg") { "image/jpeg" } else { media };
    Ok(Part { inline_data: Some(InlineData { mime_type, data }), ..Part::default() })
}

/// The type that an address tells by its end; the API looks for itself where it tells none.
fn by_extension(url: &str) -> Option<&'static str> {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let (_, extension) = path.rsplit('/').next()?.rsplit_once('.')?;
    let known = [
        ("png", "image/png"),
        ("jpg", "image/jpeg"),
        ("jpeg", "image/jpeg"),
        ("webp", "image/webp"),
        ("heic", "image/heic"),
        ("heif", "image/heif"),
    ];
    known.into_iter().find(|(end, _)| end.eq_ignore_ascii_case(extension)).map(|(_, media)| media)
}
