//! Lists in pages.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::error::ApiError;

/// Which page.
#[derive(Clone, Copy, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Paging {
    /// From 1.
    #[param(minimum = 1)]
    page: Option<usize>,
    /// 1 to 100; 20 where left out.
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

impl Paging {
    /// As [`of`](Self::of), but without any paging asked for, everything is on one page.
    ///
    /// # Errors
    /// 400 for a page or a size that there cannot be.
    pub fn of_or_whole<T>(self, all: Vec<T>) -> Result<Page<T>, ApiError> {
        if self.page.is_some() || self.page_size.is_some() {
            return self.of(all);
        }
        Ok(Page { total: all.len(), page: 1, page_size: all.len().max(20), data: all })
    }

    /// The page of a list that is at hand as a whole.
    ///
    /// # Errors
    /// 400 for a page or a size that there cannot be.
    pub fn of<T>(self, all: Vec<T>) -> Result<Page<T>, ApiError> {
        let (page, page_size) = (self.page.unwrap_or(1), self.page_size.unwrap_or(20));
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
        let total = all.len();
        let data = all.into_iter().skip((page - 1).saturating_mul(page_size)).take(page_size).collect();
        Ok(Page { data, total, page, page_size })
    }
}
