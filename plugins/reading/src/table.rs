//! Rows of a table as lines that can be read by themselves: each cell with the name of its column, so that a
//! passage from the middle of a table still says what its numbers are.

use crate::pages::{Pages, one_line};
use crate::unreadable::Error;

/// Columns whose names are kept, and how long a name may be.
const MOST_COLUMNS: usize = 1_000;
const LONGEST_NAME: usize = 60;
/// Of one cell is kept, in bytes.
pub(crate) const LONGEST_CELL: usize = 32 << 10;

#[derive(Default)]
pub(crate) struct Table {
    /// None before the first row; empty where the first row names no columns.
    names: Option<Vec<String>>,
}

impl Table {
    /// The next row. The first one is taken for the columns' names where it looks like it.
    pub(crate) fn row(&mut self, cells: &[impl AsRef<str>], pages: &mut Pages<'_>) -> Result<(), Error> {
        if cells.iter().all(|cell| cell.as_ref().trim().is_empty()) {
            return Ok(());
        }
        let Some(names) = &self.names else {
            let is_header = names_columns(cells);
            let names = cells.iter().take(if is_header { MOST_COLUMNS } else { 0 });
            self.names = Some(names.map(|cell| one_line(cell.as_ref(), LONGEST_NAME)).collect());
            return pages.line(&joined(cells, &[]));
        };
        pages.line(&joined(cells, names))
    }
}

/// Names are several, no numbers, short, and differ.
fn names_columns(cells: &[impl AsRef<str>]) -> bool {
    let cells: Vec<&str> = cells.iter().take(MOST_COLUMNS).map(|cell| cell.as_ref().trim()).collect();
    let is_name = |cell: &&str| {
        cell.len() <= 4 * LONGEST_NAME
            && !cell.is_empty()
            && !cell.starts_with(|letter: char| letter.is_ascii_digit())
    };
    let mut sorted = cells.clone();
    sorted.sort_unstable();
    let differ = sorted.windows(2).all(|pair| pair[0] != pair[1] || pair[0].is_empty());
    let named = cells.iter().filter(|cell| is_name(cell)).count();
    cells.len() > 1
        && differ
        && named * 10 >= cells.len() * 8
        && !cells.iter().any(|cell| cell.parse::<f64>().is_ok())
}

fn joined(cells: &[impl AsRef<str>], names: &[String]) -> String {
    let mut line = String::new();
    for (index, cell) in cells.iter().enumerate() {
        let cell = one_line(cell.as_ref(), LONGEST_CELL);
        if cell.is_empty() {
            continue;
        }
        if !line.is_empty() {
            line.push_str(" | ");
        }
        if let Some(name) = names.get(index).filter(|name| !name.is_empty()) {
            line.push_str(name);
            line.push_str(": ");
        }
        line.push_str(&cell);
    }
    line
}
