//! Names of models.

use alloc::format;
use alloc::string::String;

use hardpoint_sdk::Failure;

/// The resource of a model, `models/NAME`, whether or not it is named in full.
///
/// # Errors
/// `unsupported` if the name would not stay where it stands in a URL.
pub(crate) fn path(model: &str) -> Result<String, Failure> {
    let name = model.strip_prefix("models/").unwrap_or(model);
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-._@".contains(&byte);
    if name.is_empty() || !name.bytes().all(fits) || name.bytes().all(|byte| byte == b'.') {
        let model = crate::error::cut(model, 100);
        return Err(Failure::unsupported(format!("`{model}` is no name of a model of this API")));
    }
    Ok(format!("models/{name}"))
}

/// Whether it is of Gemini 3 or later, as far as its name tells: `gemini-3-pro`, `gemini-3.1-flash`.
pub(crate) fn is_gemini_3(model: &str) -> bool {
    let name = model.strip_prefix("models/").unwrap_or(model);
    let Some(version) = name.strip_prefix("gemini-") else { return false };
    let major = version.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
    major.parse::<u32>().is_ok_and(|major| major >= 3)
}
