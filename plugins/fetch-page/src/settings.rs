//! A binding's settings; `plugin.toml` has their schema and says what each is.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use html::Url;
use serde::Deserialize;

/// Which sites, and how their pages are told.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub struct Settings {
    site: String,
    site_2: Option<String>,
    site_3: Option<String>,
    site_4: Option<String>,
    site_5: Option<String>,
    about: String,
    pub(crate) max_chars: usize,
    pub(crate) user_agent: String,
}

/// The manifest's defaults.
impl Default for Settings {
    fn default() -> Self {
        Self {
            site: String::new(),
            site_2: None,
            site_3: None,
            site_4: None,
            site_5: None,
            about: String::new(),
            max_chars: 20_000,
            user_agent: "hardpoint-fetch-page/0.1".to_string(),
        }
    }
}

impl Settings {
    fn sites(&self) -> impl Iterator<Item = &str> {
        let more = [&self.site_2, &self.site_3, &self.site_4, &self.site_5];
        [self.site.as_str()].into_iter().chain(more.into_iter().flatten().map(String::as_str))
    }

    /// The sites in words.
    pub(crate) fn places(&self) -> String {
        self.sites().collect::<Vec<_>>().join(", ")
    }

    /// Whether a page is of one of the sites. The host decides by the grant; this is for a message that helps.
    pub(crate) fn covers(&self, url: &Url) -> bool {
        self.sites().filter_map(Url::parse).any(|site| site.covers(url))
    }

    pub(crate) fn description(&self) -> String {
        let about = if self.about.is_empty() { String::new() } else { format!(" {}", self.about) };
        format!(
            "Fetches a page and answers with its readable text, where headings, lists, tables and links are written \
             as in Markdown. Only pages under these addresses can be fetched: {}.{about}\n\
             The answer is JSON with `title`, `text` and `total_chars`; where `next_offset` is there, the text goes \
             on, and a call with that `offset` brings more. A redirect is answered with `redirect`: call again with \
             that address if you want it.",
            self.places()
        )
    }
}
