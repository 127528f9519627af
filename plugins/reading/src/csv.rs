//! Values separated by commas and the like.

use csv_core::{ReadRecordResult, ReaderBuilder};

use crate::Source;
use crate::decode::Text;
use crate::pages::Pages;
use crate::table::{LONGEST_CELL, Table};
use crate::unreadable::{Error, Unreadable};

/// A record of more than this is a quote that was never closed.
const LONGEST_RECORD: usize = 4 << 20;
const MOST_FIELDS: usize = 100_000;

pub(crate) fn read(
    source: &dyn Source,
    filename: &str,
    media_type: Option<&str>,
    pages: &mut Pages<'_>,
) -> Result<(), Error> {
    let label = media_type.and_then(crate::html::label);
    let mut text = Text::new(source, label.as_deref())?;
    let mut piece = String::new();
    let mut more = text.next(&mut piece)?;
    let has_tabs = filename.ends_with(".tsv") || filename.ends_with(".tab");
    let delimiter = if has_tabs { b'\t' } else { delimiter(&piece) };
    let mut reader = ReaderBuilder::new().delimiter(delimiter).build();
    let mut table = Table::default();
    let (mut fields, mut ends) = (vec![0; 4 << 10], vec![0; 64]);
    let (mut filled, mut count) = (0, 0);
    loop {
        let mut rest = piece.as_bytes();
        // No input at all would be the end of it.
        while !(rest.is_empty() && more) {
            let (result, read, wrote, ended) =
                reader.read_record(rest, &mut fields[filled..], &mut ends[count..]);
            rest = &rest[read..];
            filled += wrote;
            count += ended;
            match result {
                ReadRecordResult::InputEmpty if more => break,
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull => grow(&mut fields, LONGEST_RECORD)?,
                ReadRecordResult::OutputEndsFull => grow(&mut ends, MOST_FIELDS)?,
                ReadRecordResult::Record => {
                    table.row(&cells(&fields, &ends[..count]), pages)?;
                    (filled, count) = (0, 0);
                }
                ReadRecordResult::End => return Ok(()),
            }
        }
        pages.progress(text.offset(), source.len());
        piece.clear();
        more = text.next(&mut piece)?;
    }
}

fn grow<T: Clone + Default>(buffer: &mut Vec<T>, most: usize) -> Result<(), Error> {
    if buffer.len() >= most {
        return Err(Unreadable::Damaged("a row has no end: a quote that was never closed?".into()).into());
    }
    buffer.resize((buffer.len() * 2).min(most), T::default());
    Ok(())
}

fn cells<'f>(fields: &'f [u8], ends: &[usize]) -> Vec<std::borrow::Cow<'f, str>> {
    let starts = [0].into_iter().chain(ends.iter().copied());
    let cell = |(start, end): (usize, usize)| {
        let cell = fields.get(start..end).unwrap_or_default();
        String::from_utf8_lossy(&cell[..cell.len().min(LONGEST_CELL)])
    };
    starts.zip(ends.iter().copied()).map(cell).collect()
}

/// The one that stands on as many of the first lines as often as on the first.
fn delimiter(text: &str) -> u8 {
    let lines: Vec<&str> = text.lines().filter(|line| !line.is_empty()).take(10).collect();
    let score = |delimiter: u8| {
        let count = |line: &str| memchr::memchr_iter(delimiter, line.as_bytes()).count();
        let first = lines.first().map_or(0, |line| count(line));
        let alike = lines.iter().filter(|line| first > 0 && count(line) == first).count();
        (alike, first)
    };
    b"|\t;,".iter().copied().max_by_key(|delimiter| score(*delimiter)).unwrap_or(b',')
}
