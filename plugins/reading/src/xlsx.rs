//! Excel: each visible sheet is a page, or several where it is long; a row is a line.

use std::io::BufRead;

use crate::Source;
use crate::archive::{self, Archive, relationships};
use crate::pages::Pages;
use crate::table::{LONGEST_CELL, Table};
use crate::unreadable::{Error, Unreadable};
use crate::xml::{Token, Xml};

const WORKBOOK: &str = "xl/workbook.xml";
const MOST_SHEETS: usize = 1_000;
/// Excel has 16,384; what lies beyond is passed over.
const MOST_COLUMNS: usize = 4_096;
const MOST_FORMATS: usize = 65_536;

pub(crate) fn read(source: &dyn Source, pages: &mut Pages<'_>) -> Result<(), Error> {
    let mut archive = Archive::open(source)?;
    if let Some(title) = archive::title(&mut archive)? {
        pages.document_title(&title)?;
    }
    let book = Book::read(&mut archive)?;
    let strings = Strings::read(&mut archive)?;
    let dates = dates(&mut archive)?;
    for ((name, part), done) in book.sheets.iter().zip(1..) {
        let Some(part) = archive.part(part)? else { continue };
        pages.next(Some(name))?;
        let sheet = Sheet { strings: &strings, dates: &dates, from_1904: book.from_1904 };
        sheet.rows(Xml::new(part), pages)?;
        pages.progress(done, book.sheets.len() as u64);
    }
    Ok(())
}

#[derive(Default)]
struct Book {
    /// Name and part of each visible sheet.
    sheets: Vec<(String, String)>,
    /// Whether days count from 1904.
    from_1904: bool,
}

impl Book {
    fn read(archive: &mut Archive<'_>) -> Result<Self, Error> {
        let known = relationships(archive, WORKBOOK)?;
        let missing = || Unreadable::Damaged(format!("it has no {WORKBOOK}"));
        let mut xml = Xml::new(archive.part(WORKBOOK)?.ok_or_else(missing)?);
        let mut book = Self::default();
        while let Some(token) = xml.next()? {
            let Token::Start(element) = token else { continue };
            match element.name() {
                "workbookPr" => {
                    book.from_1904 = matches!(element.attribute("date1904").as_deref(), Some("1" | "true"));
                }
                "sheet" if book.sheets.len() < MOST_SHEETS => {
                    let is_hidden = element.attribute("state").is_some_and(|state| state != "visible");
                    let id = element.prefixed("r:id");
                    let found = known.iter().find(|known| Some(&known.id) == id.as_ref());
                    if let Some(found) = found.filter(|_| !is_hidden) {
                        let name = element.attribute("name").unwrap_or_default();
                        book.sheets.push((name, found.target.clone()));
                    }
                }
                _ => {}
            }
        }
        Ok(book)
    }
}

/// The texts that cells share, one after the other.
#[derive(Default)]
struct Strings {
    text: String,
    ends: Vec<usize>,
}

impl Strings {
    fn read(archive: &mut Archive<'_>) -> Result<Self, Error> {
        let mut strings = Self::default();
        let Some(part) = archive.part("xl/sharedStrings.xml")? else { return Ok(strings) };
        let mut xml = Xml::new(part);
        // Readings of Japanese names stand beside the names.
        let (mut in_text, mut in_reading) = (false, false);
        while let Some(token) = xml.next()? {
            match token {
                Token::Start(element) => match element.name() {
                    "t" => in_text = !in_reading,
                    "rPh" => in_reading = true,
                    _ => {}
                },
                Token::Text(text) if in_text => strings.text.push_str(text),
                Token::Text(_) => {}
                Token::End("t") => in_text = false,
                Token::End("rPh") => in_reading = false,
                Token::End("si") => strings.ends.push(strings.text.len()),
                Token::End(_) => {}
            }
        }
        Ok(strings)
    }

    fn get(&self, index: usize) -> Option<&str> {
        let end = *self.ends.get(index)?;
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        self.text.get(start..end)
    }
}

/// Whether each cell format shows its number as a date.
fn dates(archive: &mut Archive<'_>) -> Result<Vec<bool>, Error> {
    let mut dates = Vec::new();
    let Some(part) = archive.part("xl/styles.xml")? else { return Ok(dates) };
    let mut xml = Xml::new(part);
    let (mut own, mut in_cells) = (Vec::new(), false);
    while let Some(token) = xml.next()? {
        match token {
            Token::Start(element) => match element.name() {
                "numFmt" if own.len() < MOST_FORMATS => {
                    let code = element.attribute("formatCode").unwrap_or_default();
                    let id = element.attribute("numFmtId").and_then(|id| id.parse::<u32>().ok());
                    own.extend(id.filter(|_| is_date(&code)));
                }
                "cellXfs" => in_cells = true,
                "xf" if in_cells && dates.len() < MOST_FORMATS => {
                    let id = element.attribute("numFmtId").and_then(|id| id.parse::<u32>().ok()).unwrap_or(0);
                    // ECMA-376, part 1, 18.8.30: these are dates and times in any language.
                    dates.push(matches!(id, 14..=22 | 27..=36 | 45..=47 | 50..=58) || own.contains(&id));
                }
                _ => {}
            },
            Token::End("cellXfs") => in_cells = false,
            _ => {}
        }
    }
    Ok(dates)
}

/// A format code with a year, month, day or hour outside of quotes and brackets.
fn is_date(code: &str) -> bool {
    let (mut quoted, mut bracketed, mut escaped) = (false, false, false);
    code.chars().any(|letter| {
        match letter {
            _ if escaped => escaped = false,
            '\\' | '_' | '*' => escaped = true,
            '"' => quoted = !quoted,
            '[' if !quoted => bracketed = true,
            ']' => bracketed = false,
            'y' | 'Y' | 'm' | 'M' | 'd' | 'D' | 'h' | 'H' => return !quoted && !bracketed,
            _ => {}
        }
        false
    })
}

struct Sheet<'b> {
    strings: &'b Strings,
    dates: &'b [bool],
    from_1904: bool,
}

#[derive(Default)]
struct Cell {
    column: usize,
    kind: String,
    is_date: bool,
    value: String,
}

impl Sheet<'_> {
    fn rows(&self, mut xml: Xml<impl BufRead>, pages: &mut Pages<'_>) -> Result<(), Error> {
        let mut table = Table::default();
        let mut row: Vec<String> = Vec::new();
        let mut cell = Cell::default();
        let mut in_value = false;
        while let Some(token) = xml.next()? {
            match token {
                Token::Start(element) => match element.name() {
                    "row" => row.clear(),
                    "c" => {
                        let format = element.attribute("s").and_then(|index| index.parse::<usize>().ok());
                        let column = element.attribute("r").and_then(|place| column(&place));
                        cell = Cell {
                            column: column.unwrap_or(row.len()),
                            kind: element.attribute("t").unwrap_or_default(),
                            is_date: format
                                .and_then(|format| self.dates.get(format))
                                .copied()
                                .unwrap_or(false),
                            value: String::new(),
                        };
                    }
                    "v" | "t" => in_value = true,
                    _ => {}
                },
                Token::Text(text) if in_value && cell.value.len() < LONGEST_CELL => cell.value.push_str(text),
                Token::Text(_) => {}
                Token::End("v" | "t") => in_value = false,
                Token::End("c") => {
                    let text = self.shown(&cell);
                    if cell.column < MOST_COLUMNS && !text.is_empty() {
                        if row.len() <= cell.column {
                            row.resize(cell.column + 1, String::new());
                        }
                        row[cell.column] = text;
                    }
                }
                Token::End("row") => table.row(&row, pages)?,
                Token::End(_) => {}
            }
        }
        Ok(())
    }

    fn shown(&self, cell: &Cell) -> String {
        let value = cell.value.trim();
        match cell.kind.as_str() {
            "s" => {
                value.parse().ok().and_then(|index| self.strings.get(index)).unwrap_or_default().to_string()
            }
            "b" => if value == "1" { "TRUE" } else { "FALSE" }.to_string(),
            "inlineStr" | "str" | "e" | "d" => cell.value.clone(),
            _ => match value.parse::<f64>() {
                Ok(days) if cell.is_date => date(days, self.from_1904).unwrap_or_else(|| value.to_string()),
                Ok(number) => rounded(number, value),
                Err(_) => value.to_string(),
            },
        }
    }
}

/// `C7` is in column 2.
fn column(place: &str) -> Option<usize> {
    let letters = place.bytes().take_while(u8::is_ascii_alphabetic).take(4);
    let number =
        letters.fold(0, |number, letter| number * 26 + usize::from(letter.to_ascii_uppercase() - b'A') + 1);
    number.checked_sub(1)
}

/// Excel keeps 15 digits; what follows is how floating point numbers are.
fn rounded(number: f64, written: &str) -> String {
    if written.len() <= 16 || !number.is_finite() {
        return written.to_string();
    }
    let rounded: f64 = format!("{number:.14e}").parse().unwrap_or(number);
    let plain = rounded.to_string();
    if plain.len() <= 24 { plain } else { written.to_string() }
}

/// A day's number as a date, with the time where there is one. Days count from 1899-12-30, after 1900-02-28, which
/// Excel thinks was followed by a 29th.
fn date(days: f64, from_1904: bool) -> Option<String> {
    if !(0.0..2_958_466.0).contains(&days) {
        return None;
    }
    let seconds = (days * 86_400.0).round() as i64;
    let (mut day, second) = (seconds / 86_400, seconds % 86_400);
    let time = format!("{:02}:{:02}:{:02}", second / 3_600, second / 60 % 60, second % 60);
    if day == 0 && !from_1904 {
        return Some(time);
    }
    day += match from_1904 {
        true => 1_462,
        false => i64::from(day < 60),
    };
    // Days since 0000-03-01, in eras of 400 years.
    let shifted = day + 719_468 - 25_569;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let (of_month, month) =
        (of_year - (153 * month + 2) / 5 + 1, if month < 10 { month + 3 } else { month - 9 });
    let year = era * 400 + year + i64::from(month <= 2);
    let date = format!("{year:04}-{month:02}-{of_month:02}");
    Some(if second == 0 { date } else { format!("{date} {time}") })
}
