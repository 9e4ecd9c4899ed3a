//! Long lists, a page at a time, in the words of the edges: a cursor is a text to hand back.

use crate::store;

use super::ManagementError;

/// The most items of a page.
pub const MAX_LIMIT: u32 = 200;
/// The items of a page when no limit is told.
pub const DEFAULT_LIMIT: u32 = 50;

/// Which page is wanted.
#[derive(Debug, Clone, Default)]
pub struct PageRequest {
    /// The `next` of the page before.
    pub cursor: Option<String>,
    /// 1 to 200; 50 when not told.
    pub limit: Option<u32>,
}

/// Some items, and where to go on.
#[derive(Debug, Clone)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// `None`: these were the last.
    pub next: Option<String>,
}

impl PageRequest {
    pub(super) fn checked(&self) -> Result<store::PageRequest, ManagementError> {
        let limit = self.limit.unwrap_or(DEFAULT_LIMIT);
        if !(1..=MAX_LIMIT).contains(&limit) {
            let detail = format!("A page has 1 to {MAX_LIMIT} items.");
            return Err(ManagementError::invalid("limit", "out_of_range", detail));
        }
        let after = self.cursor.as_deref().map(store::Cursor::parse).transpose();
        let after = after.map_err(|problem| ManagementError::invalid_cursor(&problem))?;
        Ok(store::PageRequest { after, limit })
    }
}

impl<T> Page<T> {
    pub fn map<U>(self, convert: impl FnMut(T) -> U) -> Page<U> {
        Page { items: self.items.into_iter().map(convert).collect(), next: self.next }
    }
}

impl<T> From<store::Page<T>> for Page<T> {
    fn from(page: store::Page<T>) -> Self {
        Self { items: page.items, next: page.next.map(|cursor| cursor.encode()) }
    }
}
