//! Lists in pages.

use hardpoint_store::Window;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::error::ApiError;

/// Entries on a page where a request does not say.
const PAGE_SIZE: usize = 20;

/// Which page.
#[derive(Clone, Copy, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Paging {
    /// From 1.
    #[param(minimum = 1)]
    page: Option<usize>,
    /// 1 to 100; 20 where left out, 25 for API keys.
    #[param(minimum = 1, maximum = 100)]
    page_size: Option<usize>,
}

/// One page of a list.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Page<T> {
    /// The page's entries.
    pub data: Vec<T>,
    /// Entries on all pages.
    pub total: usize,
    /// From 1.
    pub page: usize,
    /// The most entries on a page.
    pub page_size: usize,
}

/// Which part of a log: a page by its number, or what is older than a place.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct LogPaging {
    /// From 1; not beside a cursor.
    #[param(minimum = 1)]
    page: Option<usize>,
    /// 1 to 100; 20 where left out.
    #[param(minimum = 1, maximum = 100)]
    page_size: Option<usize>,
    /// The same under another name.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<usize>,
    /// Those before this place, from an earlier answer.
    cursor: Option<String>,
}

/// A part of a log that there can be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogPlace {
    /// Before this place.
    pub cursor: Option<String>,
    /// Which entries of those.
    pub window: Window,
    /// From 1.
    pub page: usize,
    /// The most entries on a page.
    pub page_size: usize,
}

impl LogPaging {
    /// The part that is asked for.
    ///
    /// # Errors
    /// 400 for one that there cannot be.
    pub fn place(self) -> Result<LogPlace, ApiError> {
        let Self { page, page_size, limit, cursor } = self;
        if cursor.is_some() && page.is_some() {
            return Err(ApiError::bad_field("page", "exclusive", "Leave 'page' out beside 'cursor'."));
        }
        if limit.is_some() && page_size.is_some() {
            return Err(ApiError::bad_field("limit", "exclusive", "Leave 'limit' out beside 'page_size'."));
        }
        if limit.is_some_and(|limit| !(1..=100).contains(&limit)) {
            let message = "The 'limit' parameter must be from 1 to 100.";
            return Err(ApiError::bad_field("limit", "range", message));
        }
        let place = Paging { page, page_size: page_size.or(limit) }.usual()?;
        Ok(LogPlace { cursor, window: place.window(), page: place.page, page_size: place.page_size })
    }
}

/// A page that there can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    page: usize,
    page_size: usize,
}

impl Paging {
    /// The page that is asked for, with so many entries where the request does not say.
    ///
    /// # Errors
    /// 400 for a page or a size that there cannot be.
    pub fn place(self, page_size: usize) -> Result<Place, ApiError> {
        let (page, page_size) = (self.page.unwrap_or(1), self.page_size.unwrap_or(page_size));
        if page == 0 {
            return Err(ApiError::bad_field("page", "range", "The 'page' parameter counts from 1."));
        }
        if !(1..=100).contains(&page_size) {
            return Err(ApiError::bad_field(
                "page_size",
                "range",
                "The 'page_size' parameter must be from 1 to 100.",
            ));
        }
        Ok(Place { page, page_size })
    }

    /// The page with the usual number of entries.
    ///
    /// # Errors
    /// As [`place`](Self::place).
    pub fn usual(self) -> Result<Place, ApiError> {
        self.place(PAGE_SIZE)
    }

    /// As [`of`](Self::of), but without any paging asked for, everything is on one page.
    ///
    /// # Errors
    /// 400 for a page or a size that there cannot be.
    pub fn of_or_whole<T>(self, all: Vec<T>) -> Result<Page<T>, ApiError> {
        if self.page.is_some() || self.page_size.is_some() {
            return self.of(all);
        }
        Ok(Page { total: all.len(), page: 1, page_size: all.len().max(PAGE_SIZE), data: all })
    }

    /// The page of a list that is at hand as a whole.
    ///
    /// # Errors
    /// 400 for a page or a size that there cannot be.
    pub fn of<T>(self, all: Vec<T>) -> Result<Page<T>, ApiError> {
        let place = self.usual()?;
        let total = all.len();
        let data = all.into_iter().skip(place.before()).take(place.page_size).collect();
        Ok(Page { data, total, page: place.page, page_size: place.page_size })
    }
}

impl Place {
    /// Which rows the store is to look up.
    pub fn window(self) -> Window {
        let number = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        Window { limit: number(self.page_size), offset: number(self.before()) }
    }

    /// The page of rows that were looked up, of so many in all, each as it is shown.
    pub fn page<R, T>(self, (rows, total): (Vec<R>, i64), shown: impl FnMut(R) -> T) -> Page<T> {
        let (data, total) = (rows.into_iter().map(shown).collect(), usize::try_from(total).unwrap_or(0));
        Page { data, total, page: self.page, page_size: self.page_size }
    }

    /// Entries on the pages before.
    fn before(self) -> usize {
        (self.page - 1).saturating_mul(self.page_size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_a_page() {
        let place = |page, page_size| Paging { page, page_size }.place(25);
        let window = |page, page_size| place(page, page_size).unwrap().window();
        assert_eq!(window(None, None), Window { limit: 25, offset: 0 });
        assert_eq!(window(Some(3), Some(10)), Window { limit: 10, offset: 20 });
        assert_eq!(window(Some(usize::MAX), Some(100)), Window { limit: 100, offset: i64::MAX });
        for (page, page_size, field) in
            [(Some(0), None, "page"), (None, Some(0), "page_size"), (None, Some(101), "page_size")]
        {
            let body = place(page, page_size).unwrap_err().body(crate::error::Shape::Standard);
            assert!(String::from_utf8(body).unwrap().contains(&format!("\"field\":\"{field}\"")));
        }
    }
}
