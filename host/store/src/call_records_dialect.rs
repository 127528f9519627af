//! The text of `INSERT`s of many call records at once.
//!
//! The two databases differ in how a parameter is best written: PostgreSQL knows only `$n`; SQLite
//! gives names to those, and sqlx then looks up each by walking through all, which for 32 rows costs
//! more than inserting them. A bare `?` has no name.

use crate::db::Statement;

/// Columns of a call record, in the order in which they are bound.
pub(crate) const COLUMNS: usize = 24;

const HEAD: &str = "INSERT INTO call_records (id, request_id, time, organization_id, key_id, method, route, status, \
    error_type, error_message, duration_us, model, binding, plugin, plugin_version, input_tokens, cached_input_tokens, \
    output_tokens, streamed, deltas, bytes_sent, outcome, charge, rates) VALUES ";
const TAIL: &str = " ON CONFLICT (time, id) DO NOTHING";

/// Room for the text of the largest insert.
const ROOM: usize = 16_384;

/// Text that is put together at compile time.
struct Text {
    bytes: [u8; ROOM],
    len: usize,
}

impl Text {
    const fn push(&mut self, text: &str) {
        let bytes = text.as_bytes();
        let mut at = 0;
        while at < bytes.len() {
            self.bytes[self.len] = bytes[at];
            self.len += 1;
            at += 1;
        }
    }

    const fn push_number(&mut self, number: usize) {
        if number >= 10 {
            self.push_number(number / 10);
        }
        self.bytes[self.len] = b'0' + (number % 10) as u8;
        self.len += 1;
    }

    const fn as_str(&self) -> &str {
        match std::str::from_utf8(self.bytes.split_at(self.len).0) {
            Ok(text) => text,
            Err(_) => panic!("only ASCII was pushed"),
        }
    }
}

const fn insert(before: &str, rows: usize, numbered: bool, after: &str) -> Text {
    let mut text = Text { bytes: [0; ROOM], len: 0 };
    text.push(before);
    text.push(HEAD);
    let mut row = 0;
    while row < rows {
        text.push(if row == 0 { "(" } else { ",(" });
        let mut column = 0;
        while column < COLUMNS {
            if column > 0 {
                text.push(",");
            }
            if numbered {
                text.push("$");
                text.push_number(row * COLUMNS + column + 1);
            } else {
                text.push("?");
            }
            column += 1;
        }
        text.push(")");
        row += 1;
    }
    text.push(TAIL);
    text.push(after);
    text
}

/// An insert of a fixed number of records.
pub(crate) struct Insert {
    /// How many.
    pub(crate) rows: usize,
    /// Inside a transaction.
    pub(crate) statement: Statement,
    /// As the whole of a transaction on SQLite.
    pub(crate) whole: Statement,
}

macro_rules! inserts {
    ($($name:ident $whole:ident $rows:literal,)*) => {
        $(const $name: Statement = {
            static SQLITE: Text = insert("", $rows, false, "");
            static POSTGRES: Text = insert("", $rows, true, "");
            Statement {
                name: concat!("call_records_dialect::", stringify!($name)),
                sqlite: SQLITE.as_str(),
                postgres: POSTGRES.as_str(),
            }
        };
        const $whole: Statement = {
            static SQLITE: Text = insert("BEGIN IMMEDIATE; ", $rows, false, "; COMMIT");
            Statement {
                name: concat!("call_records_dialect::", stringify!($whole)),
                sqlite: SQLITE.as_str(),
                postgres: $name.postgres,
            }
        };)*

        /// Smallest first. Each is prepared once a connection, so there are not too many; where a number of
        /// records falls between two, the last record fills up the rest and is passed over as known.
        pub(crate) const INSERTS: &[Insert] =
            &[$(Insert { rows: $rows, statement: $name, whole: $whole }),*];

        /// Every statement of this file.
        #[cfg_attr(not(feature = "testing"), allow(dead_code))]
        pub(crate) const ALL: &[Statement] = &[$($name, $whole),*];
    };
}

inserts! {
    INSERT_1 WHOLE_1 1,
    INSERT_2 WHOLE_2 2,
    INSERT_3 WHOLE_3 3,
    INSERT_4 WHOLE_4 4,
    INSERT_6 WHOLE_6 6,
    INSERT_8 WHOLE_8 8,
    INSERT_12 WHOLE_12 12,
    INSERT_16 WHOLE_16 16,
    INSERT_24 WHOLE_24 24,
    INSERT_32 WHOLE_32 32,
    INSERT_48 WHOLE_48 48,
    INSERT_64 WHOLE_64 64,
}

/// Records in the largest insert.
pub(crate) const LARGEST: usize = 64;
