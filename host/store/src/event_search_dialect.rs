//! Searching events. Bodies are bytes, and each database has its own way to take them for text. A column stands before
//! the question whether its parameter is null: by it PostgreSQL tells what type the parameter has.

use crate::db::Statement;

/// Events in a scope, which `$8` names where it is an organisation's: `$1` to `$2` is the time, `$3` to `$7` are
/// columns. What is null asks for nothing.
macro_rules! asked {
    ($scope:literal) => {
        concat!(
            " FROM events WHERE ",
            $scope,
            " AND time >= $1 AND time < $2 AND (workspace_id = $3 OR $3 IS NULL) \
             AND (actor_id = $4 OR $4 IS NULL) AND (kind = $5 OR $5 IS NULL) \
             AND (target_id = $6 OR $6 IS NULL) AND (request_id = $7 OR $7 IS NULL) \
             AND body IS NOT NULL"
        )
    };
}

/// Those of them before `$9` and `$10`, newest first.
macro_rules! before {
    ($scope:literal) => {
        concat!(asked!($scope), " AND (time, id) < ($9, $10) ORDER BY time DESC, id DESC")
    };
}

/// Whether a body has a text in lower case.
macro_rules! has_sqlite {
    ($text:literal) => {
        concat!("instr(lower(CAST(body AS TEXT)), ", $text, ") > 0")
    };
}
macro_rules! has_postgres {
    ($text:literal) => {
        concat!("position(", $text, " IN lower(convert_from(body, 'UTF8') COLLATE \"C\")) > 0")
    };
}

macro_rules! statement {
    ($name:ident, $sqlite:expr, $postgres:expr) => {
        Statement {
            name: concat!("event_search_dialect::", stringify!($name)),
            sqlite: $sqlite,
            postgres: $postgres,
        }
    };
}

/// A page of those that are asked for, and how many there are, up to `$9`; the same with the text `$13`, or `$9`, among the newest
/// `$14`, or `$10`; and the last of these, where they are one more than `$11`, with the one behind it.
macro_rules! searches {
    ($($scope:literal: $page:ident $count:ident $find:ident $found:ident $end:ident,)*) => {
        $(
            const $page: Statement = searches!(@ same $page,
                "SELECT seq, hash, body", before!($scope), " LIMIT $11 OFFSET $12");
            const $count: Statement = searches!(@ same $count, "SELECT COUNT(*) FROM (SELECT id", asked!($scope), " LIMIT $9) AS looked");
            const $find: Statement = searches!(@ looks $find, "$13",
                "SELECT seq, hash, body FROM (SELECT time, id, seq, hash, body", before!($scope),
                " LIMIT $14) AS looked WHERE ", " ORDER BY time DESC, id DESC LIMIT $11 OFFSET $12");
            const $found: Statement = searches!(@ looks $found, "$9",
                "SELECT COUNT(*) FROM (SELECT body", asked!($scope),
                " ORDER BY time DESC, id DESC LIMIT $10) AS looked WHERE ", "");
            const $end: Statement = searches!(@ same $end,
                "SELECT time, id", before!($scope), " LIMIT 2 OFFSET $11");
        )*

        /// The same statement for each scope, in the order in which these are declared.
        pub(crate) const PAGES: [Statement; 5] = [$($page),*];
        pub(crate) const COUNTS: [Statement; 5] = [$($count),*];
        pub(crate) const FINDS: [Statement; 5] = [$($find),*];
        pub(crate) const COUNTS_FOUND: [Statement; 5] = [$($found),*];
        pub(crate) const ENDS: [Statement; 5] = [$($end),*];

        /// Every statement of this file.
        #[cfg_attr(not(feature = "testing"), allow(dead_code))]
        pub(crate) const ALL: &[Statement] = &[$($page, $count, $find, $found, $end),*];
    };
    (@ same $name:ident, $head:expr, $events:expr, $tail:expr) => {
        statement!($name, concat!($head, $events, $tail), concat!($head, $events, $tail))
    };
    (@ looks $name:ident, $text:literal, $head:expr, $events:expr, $middle:expr, $tail:expr) => {
        statement!(
            $name,
            concat!($head, $events, $middle, has_sqlite!($text), $tail),
            concat!($head, $events, $middle, has_postgres!($text), $tail)
        )
    };
}

searches! {
    "(organization_id = $8 OR $8 IS NULL)": PAGE COUNT FIND COUNT_FOUND END,
    "organization_id = $8":
        PAGE_OF_ORGANIZATION COUNT_OF_ORGANIZATION FIND_OF_ORGANIZATION COUNT_FOUND_OF_ORGANIZATION
        END_OF_ORGANIZATION,
    "target_id = $6 AND (organization_id = $8 OR $8 IS NULL)":
        PAGE_OF_TARGET COUNT_OF_TARGET FIND_OF_TARGET COUNT_FOUND_OF_TARGET END_OF_TARGET,
    "actor_id = $4 AND (organization_id = $8 OR $8 IS NULL)":
        PAGE_OF_ACTOR COUNT_OF_ACTOR FIND_OF_ACTOR COUNT_FOUND_OF_ACTOR END_OF_ACTOR,
    "request_id = $7 AND (organization_id = $8 OR $8 IS NULL)":
        PAGE_OF_REQUEST COUNT_OF_REQUEST FIND_OF_REQUEST COUNT_FOUND_OF_REQUEST END_OF_REQUEST,
}
