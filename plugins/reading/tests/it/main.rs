//! Documents of every kind, read natively: whole ones, odd ones, broken ones and hostile ones.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, missing_docs)]

mod chunks;
mod formats;
mod hostile;
mod kinds;
mod mutations;
mod samples;

use reading::{Error, Kind, Page, Receiver, Stopped, Unreadable};

/// Keeps what it is given.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    pub(crate) title: Option<String>,
    pub(crate) pages: Vec<Page>,
}

impl Receiver for Kept {
    fn title(&mut self, title: &str) -> Result<(), Stopped> {
        self.title = Some(title.to_string());
        Ok(())
    }

    fn page(&mut self, page: Page) -> Result<(), Stopped> {
        assert_eq!(page.number as usize, self.pages.len() + 1, "pages ascend without gaps");
        for heading in &page.headings {
            let text = page.text.get(heading.start..heading.end).expect("a heading is within its page");
            assert!(!text.trim().is_empty() && (1..=6).contains(&heading.level), "{heading:?}");
        }
        assert!(!page.text.contains(|letter: char| letter.is_control() && !matches!(letter, '\n' | '\t')));
        self.pages.push(page);
        Ok(())
    }

    fn progress(&mut self, done: u32, total: u32) {
        assert!(done <= total, "{done} of {total}");
    }
}

impl Kept {
    pub(crate) fn text(&self) -> String {
        self.pages.iter().map(|page| page.text.as_str()).collect::<Vec<_>>().join("\n\u{c}\n")
    }

    /// The headings with their levels.
    pub(crate) fn headings(&self) -> Vec<(u8, &str)> {
        let of_page = |page: &'_ Page| -> Vec<(u8, std::ops::Range<usize>)> {
            page.headings.iter().map(|heading| (heading.level, heading.start..heading.end)).collect()
        };
        self.pages
            .iter()
            .flat_map(|page| of_page(page).into_iter().map(|(level, range)| (level, &page.text[range])))
            .collect()
    }
}

pub(crate) fn try_read(bytes: &[u8], filename: &str) -> (Result<Kind, Error>, Kept) {
    let mut kept = Kept::default();
    let result = reading::read(&bytes, filename, None, &mut kept);
    (result, kept)
}

pub(crate) fn read(bytes: &[u8], filename: &str) -> (Kind, Kept) {
    let (result, kept) = try_read(bytes, filename);
    (result.unwrap_or_else(|error| panic!("{filename}: {error}")), kept)
}

pub(crate) fn refused(bytes: &[u8], filename: &str) -> Unreadable {
    match try_read(bytes, filename).0 {
        Err(Error::Unreadable(reason)) => reason,
        other => panic!("{filename} was not refused: {other:?}"),
    }
}
