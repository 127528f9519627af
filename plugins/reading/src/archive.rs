//! Archives: ZIP, as Office files are. What may be unpacked is bounded by entries, by bytes and by ratio; archives
//! within archives are not opened.

use std::cell::Cell;
use std::io::{self, BufReader, Read};
use std::rc::Rc;

use zip::ZipArchive;
use zip::result::ZipError;

use crate::Source;
use crate::decode::{File, STOPPED};
use crate::unreadable::{Error, Unreadable};
use crate::xml::{Token, Xml};

const MOST_ENTRIES: usize = 20_000;
/// What all entries that are read may unpack to together.
const MOST_UNPACKED_MIB: u64 = 512;
/// DEFLATE reaches 1,032 to 1 on nothing but zeros; XML of real documents stays below 60.
const MOST_RATIO: u64 = 250;
/// Small files may have any ratio.
const ANY_RATIO: u64 = 16 << 20;

/// An archive, and what was unpacked of it.
pub(crate) struct Archive<'s> {
    zip: ZipArchive<BufReader<File<'s>>>,
    unpacked: Rc<Cell<u64>>,
    most: u64,
}

impl<'s> Archive<'s> {
    pub(crate) fn open(source: &'s dyn Source) -> Result<Self, Error> {
        let file = BufReader::with_capacity(32 << 10, File::new(source));
        let zip = ZipArchive::new(file).map_err(of_zip)?;
        if zip.len() > MOST_ENTRIES {
            return Err(Unreadable::TooMany { what: "entries", most: MOST_ENTRIES as u64 }.into());
        }
        let by_ratio = source.len().saturating_mul(MOST_RATIO).max(ANY_RATIO);
        Ok(Self { zip, unpacked: Rc::default(), most: by_ratio.min(MOST_UNPACKED_MIB << 20) })
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.zip.index_for_name(name).is_some()
    }

    /// A part to read; none if there is no such part.
    pub(crate) fn part(&mut self, name: &str) -> Result<Option<Part<'_, 's>>, Error> {
        let Some(index) = self.zip.index_for_name(name) else { return Ok(None) };
        let entry = self.zip.by_index(index).map_err(of_zip)?;
        let counted = Counted { entry, unpacked: Rc::clone(&self.unpacked), most: self.most };
        Ok(Some(BufReader::with_capacity(32 << 10, counted)))
    }
}

/// A part of an archive.
pub(crate) type Part<'a, 's> = BufReader<Counted<'a, 's>>;

/// Counts what is unpacked, and fails where it is too much.
pub(crate) struct Counted<'a, 's> {
    entry: zip::read::ZipFile<'a, BufReader<File<'s>>>,
    unpacked: Rc<Cell<u64>>,
    most: u64,
}

impl Read for Counted<'_, '_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let length = self.entry.read(into)?;
        let unpacked = self.unpacked.get() + length as u64;
        self.unpacked.set(unpacked);
        if unpacked > self.most {
            return Err(io::Error::other(TooLargeUnpacked(self.most >> 20)));
        }
        Ok(length)
    }
}

/// How [`Unreadable::TooLargeUnpacked`] is told through a reader.
#[derive(Debug, thiserror::Error)]
#[error("too large when unpacked")]
struct TooLargeUnpacked(u64);

/// What an error on the way through a reader was.
pub(crate) fn of_io(error: &io::Error) -> Error {
    if error.to_string() == STOPPED {
        return Error::Stopped;
    }
    match error.get_ref().and_then(|inner| inner.downcast_ref::<TooLargeUnpacked>()) {
        Some(TooLargeUnpacked(most)) => Unreadable::TooLargeUnpacked(*most).into(),
        None => Unreadable::Damaged(format!("a part cannot be unpacked: {error}")).into(),
    }
}

fn of_zip(error: ZipError) -> Error {
    match error {
        ZipError::Io(error) => of_io(&error),
        ZipError::InvalidPassword => Unreadable::Encrypted.into(),
        ZipError::UnsupportedArchive(reason) if reason.contains("assword") => Unreadable::Encrypted.into(),
        error => Unreadable::Damaged(format!("the archive: {error}")).into(),
    }
}

/// Where the relationships of a part lead (ECMA-376, part 2): id, last word of the type, and the target's name.
pub(crate) struct Relationship {
    pub(crate) id: String,
    pub(crate) kind: String,
    pub(crate) target: String,
}

/// The relationships of a part, at most so many as there are entries.
pub(crate) fn relationships(archive: &mut Archive<'_>, part: &str) -> Result<Vec<Relationship>, Error> {
    let (folder, name) = part.rsplit_once('/').unwrap_or(("", part));
    let Some(rels) = archive.part(&format!("{folder}/_rels/{name}.rels"))? else { return Ok(Vec::new()) };
    let mut xml = Xml::new(rels);
    let mut found = Vec::new();
    while let Some(token) = xml.next()? {
        let Token::Start(element) = token else { continue };
        if element.name() != "Relationship" || found.len() >= MOST_ENTRIES {
            continue;
        }
        let (Some(id), Some(target)) = (element.attribute("Id"), element.attribute("Target")) else {
            continue;
        };
        let kind = element.attribute("Type").unwrap_or_default();
        let kind = kind.rsplit('/').next().unwrap_or_default().to_string();
        found.push(Relationship { id, kind, target: resolved(folder, &target) });
    }
    Ok(found)
}

/// A target as the name of an entry.
fn resolved(folder: &str, target: &str) -> String {
    let whole = match target.strip_prefix('/') {
        Some(absolute) => absolute.to_string(),
        None => format!("{folder}/{target}"),
    };
    let mut steps: Vec<&str> = Vec::new();
    for step in whole.split('/') {
        match step {
            ".." => drop(steps.pop()),
            "." | "" => {}
            step => steps.push(step),
        }
    }
    steps.join("/")
}

/// The title that the document's properties give it.
pub(crate) fn title(archive: &mut Archive<'_>) -> Result<Option<String>, Error> {
    let Some(part) = archive.part("docProps/core.xml")? else { return Ok(None) };
    let mut xml = Xml::new(part);
    let (mut title, mut within) = (String::new(), false);
    while let Some(token) = xml.next()? {
        match token {
            Token::Start(element) => within = element.name() == "title",
            Token::End(_) => within = false,
            Token::Text(text) if within && title.len() < 4_000 => title.push_str(text),
            Token::Text(_) => {}
        }
    }
    Ok(Some(title).filter(|title| !title.trim().is_empty()))
}
