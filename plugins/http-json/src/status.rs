//! What a status means for the events of a request.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use hardpoint_sdk::Failure;

use crate::settings::Settings;

/// What follows from an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// The endpoint has the events.
    Delivered,
    /// It can never have them.
    Drop,
    /// One of them is to blame, or their number.
    Split,
    /// It may have them later.
    Retry,
    /// Nothing can be sent before an operator has acted.
    Park,
}

impl Meaning {
    /// What a status means where the settings say nothing of it.
    fn usual(status: u16) -> Self {
        match status {
            200..=299 => Self::Delivered,
            400 | 413 | 422 => Self::Split,
            // The endpoint does not know the method or HTTP's version: the same tomorrow.
            501 | 505 => Self::Park,
            408 | 425 | 429 | 500..=599 => Self::Retry,
            _ => Self::Park,
        }
    }
}

/// The settings' lists, read.
#[derive(Clone, Debug)]
pub(crate) struct Meanings(Vec<(u16, u16, Meaning)>);

impl Meanings {
    pub(crate) fn of(settings: &Settings) -> Result<Self, Failure> {
        let lists = [
            (&settings.delivered, Meaning::Delivered),
            (&settings.drop, Meaning::Drop),
            (&settings.split, Meaning::Split),
            (&settings.retry, Meaning::Retry),
            (&settings.park, Meaning::Park),
        ];
        let mut ranges: Vec<(u16, u16, Meaning)> = Vec::new();
        for (list, meaning) in lists {
            for text in list {
                let (first, last) = range(text).ok_or_else(|| {
                    Failure::unsupported(format!("`{text}` is no status nor range of them"))
                })?;
                ranges.push((first, last, meaning));
            }
        }
        // The narrower says more: `4xx` dropped and `429` sent again.
        ranges.sort_by_key(|(first, last, _)| last - first);
        Ok(Self(ranges))
    }

    pub(crate) fn meaning(&self, status: u16) -> Meaning {
        let said = self.0.iter().find(|(first, last, _)| (*first..=*last).contains(&status));
        said.map_or_else(|| Meaning::usual(status), |(_, _, meaning)| *meaning)
    }
}

/// `409`, `5xx` or `500-503`.
fn range(text: &str) -> Option<(u16, u16)> {
    let status = |text: &str| text.parse::<u16>().ok().filter(|status| (200..=599).contains(status));
    if let Some(hundred) = text.strip_suffix("xx") {
        let first = hundred.parse::<u16>().ok().filter(|hundred| (2..=5).contains(hundred))? * 100;
        return Some((first, first + 99));
    }
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (status(first)?, status(last)?);
    (first <= last).then_some((first, last))
}

/// What people read of an answer: its status, and what it says in at most 300 characters.
pub(crate) fn reason(status: u16, body: &str) -> String {
    let words: Vec<&str> = body.split_whitespace().collect();
    let said: String = words.join(" ").chars().take(300).collect();
    let advice = match status {
        401 | 403 | 407 => ": are the credential, auth and auth_header right?",
        300..=399 | 404 | 410 => ": is url right?",
        405 | 501 => ": is method right?",
        411 | 415 => ": are shape, gzip and the content-type right?",
        _ => "",
    };
    match said.is_empty() {
        true => format!("the endpoint answered {status}{advice}"),
        false => format!("the endpoint answered {status} ({said}){advice}"),
    }
}
