//! Searching events. Bodies are bytes, and each database has its own way to take them for text. A column stands before
//! the question whether its parameter is null: by it PostgreSQL tells what type the parameter has.

use crate::db::Statement;

/// What a search asks for beside its scope: `$1` to `$2` is the time, `$3` to `$7` are columns, and `$8` is text in
/// lower case. What is null asks for nothing.
macro_rules! asked {
    ($contains:literal) => {
        concat!(
            " AND time >= $1 AND time < $2 AND (workspace_id = $3 OR $3 IS NULL) \
             AND (actor_id = $4 OR $4 IS NULL) AND (kind = $5 OR $5 IS NULL) \
             AND (target_id = $6 OR $6 IS NULL) AND (request_id = $7 OR $7 IS NULL) \
             AND body IS NOT NULL AND (",
            $contains,
            " OR $8 IS NULL)"
        )
    };
}

macro_rules! both {
    ($name:ident, $($part:expr),+) => {
        Statement {
            name: concat!("event_search_dialect::", stringify!($name)),
            sqlite: both!(@ "instr(lower(CAST(body AS TEXT)), $8) > 0", $($part),+),
            postgres: both!(@ "position($8 IN lower(convert_from(body, 'UTF8') COLLATE \"C\")) > 0", $($part),+),
        }
    };
    (@ $contains:literal, $head:expr, $scope:expr, $tail:expr) => {
        concat!($head, $scope, asked!($contains), $tail)
    };
}

/// In each scope, which `$9` names where it is an organisation's: a page of those before `$10` and `$11`, newest first,
/// and how many there are.
macro_rules! searches {
    ($($page:ident $count:ident $scope:literal,)*) => {
        $(
            pub(crate) const $page: Statement = both!($page, "SELECT seq, hash, body FROM events WHERE ", $scope,
                " AND (time, id) < ($10, $11) ORDER BY time DESC, id DESC LIMIT $12 OFFSET $13");
            pub(crate) const $count: Statement =
                both!($count, "SELECT COUNT(*) FROM events WHERE ", $scope, "");
        )*

        /// Every statement of this file.
        #[cfg_attr(not(feature = "testing"), allow(dead_code))]
        pub(crate) const ALL: &[Statement] = &[$($page, $count),*];
    };
}

searches! {
    PAGE COUNT "(organization_id = $9 OR $9 IS NULL)",
    PAGE_OF_ORGANIZATION COUNT_OF_ORGANIZATION "organization_id = $9",
    PAGE_OF_REQUEST COUNT_OF_REQUEST "request_id = $7 AND (organization_id = $9 OR $9 IS NULL)",
}
