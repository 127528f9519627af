//! Text that clients send: for people, and of times.

use hardpoint_domain::time::Timestamp;

use crate::error::ApiError;

/// Checks text of one line: at most `most` characters, none of which control a terminal or a header.
///
/// # Errors
/// 400, naming the field.
pub(crate) fn line(field: &str, text: &str, most: usize) -> Result<(), ApiError> {
    check(field, text, most, |character| character.is_control())
}

/// A time, in a body's field or a query's parameter.
///
/// # Errors
/// 400, naming it.
pub(crate) fn time(name: &str, text: &str) -> Result<Timestamp, ApiError> {
    Timestamp::parse(text).ok_or_else(|| {
        let message = format!("'{name}' must be a time like 2026-03-15T10:30:00Z.");
        ApiError::bad_field(name, "date-time", message)
    })
}

/// As [`line`], but with line breaks and tabs.
///
/// # Errors
/// 400, naming the field.
pub(crate) fn lines(field: &str, text: &str, most: usize) -> Result<(), ApiError> {
    check(field, text, most, |character| character.is_control() && !matches!(character, '\n' | '\r' | '\t'))
}

fn check(field: &str, text: &str, most: usize, is_refused: impl Fn(char) -> bool) -> Result<(), ApiError> {
    if text.chars().nth(most).is_some() {
        let message = format!("The '{field}' field takes at most {most} characters.");
        return Err(ApiError::bad_field(field, "max_length", message));
    }
    if text.contains(is_refused) {
        let message = format!("The '{field}' field takes no control characters.");
        return Err(ApiError::bad_field(field, "characters", message));
    }
    Ok(())
}

/// As [`line`], but there must be more than blanks.
///
/// # Errors
/// 400, naming the field.
pub(crate) fn name(field: &str, text: &str, most: usize) -> Result<(), ApiError> {
    if text.trim().is_empty() {
        return Err(ApiError::bad_field(
            field,
            "required",
            format!("The '{field}' field must not be empty."),
        ));
    }
    line(field, text, most)
}
