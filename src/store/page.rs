//! Long lists, a page at a time, by a cursor that stays right while rows come and go.
//!
//! A cursor holds the sort key of the last row that was shown, not a count of rows: the next page begins behind that
//! key, whatever was added or removed meanwhile.

use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// The longest cursor taken, as handed out.
const MAX_TEXT_BYTES: usize = 512;
/// The most rows of a page.
const MAX_LIMIT: u32 = 200;
/// The rows of a page when nobody says.
const DEFAULT_LIMIT: u32 = 50;

/// Where a page ends: opaque to whoever carries it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor(String);

/// A text that is no cursor of this list.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("not a cursor: use the value of next_cursor as it was given")]
pub struct InvalidCursor;

/// Which page is wanted.
#[derive(Debug, Clone)]
pub struct PageRequest {
    /// Behind which row it begins; `None`: at the beginning.
    pub after: Option<Cursor>,
    /// 1 to 200; more or less is brought within.
    pub limit: u32,
}

/// Some rows, and where to go on.
#[derive(Debug, Clone)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// `None`: these were the last.
    pub next: Option<Cursor>,
}

impl Cursor {
    /// The cursor behind the row whose sort key is `key`.
    pub fn after(key: &str) -> Self {
        Self(key.to_owned())
    }

    /// Reads what [`Cursor::encode`] wrote.
    pub fn parse(text: &str) -> Result<Self, InvalidCursor> {
        if text.len() > MAX_TEXT_BYTES {
            return Err(InvalidCursor);
        }
        let key = URL_SAFE_NO_PAD.decode(text).map_err(|_| InvalidCursor)?;
        String::from_utf8(key).map(Self).map_err(|_| InvalidCursor)
    }

    /// The form to hand out: base64url.
    pub fn encode(&self) -> String {
        URL_SAFE_NO_PAD.encode(&self.0)
    }

    /// The sort key of the last row that was shown.
    pub fn key(&self) -> &str {
        &self.0
    }
}

impl Default for PageRequest {
    fn default() -> Self {
        Self::first(DEFAULT_LIMIT)
    }
}

impl PageRequest {
    /// The beginning of a list.
    pub fn first(limit: u32) -> Self {
        Self { after: None, limit }
    }

    /// The sort key behind which the page begins, as the type that the list sorts by.
    pub(super) fn position<K: FromStr>(&self) -> Result<Option<K>, InvalidCursor> {
        self.after.as_ref().map(|cursor| cursor.key().parse().map_err(|_| InvalidCursor)).transpose()
    }

    /// How many rows to ask the database for: one more than are shown, which tells whether there is a next page.
    pub(super) fn rows(&self) -> i64 {
        i64::from(self.size()) + 1
    }

    fn size(&self) -> u32 {
        self.limit.clamp(1, MAX_LIMIT)
    }
}

impl<T> Page<T> {
    /// The page that `request` asked for, from the [`PageRequest::rows`] that the database gave.
    pub(super) fn of(mut items: Vec<T>, request: &PageRequest, key: impl Fn(&T) -> String) -> Self {
        let size = usize::try_from(request.size()).unwrap_or(usize::MAX);
        let more = items.len() > size;
        items.truncate(size);
        let next = if more { items.last().map(|item| Cursor::after(&key(item))) } else { None };
        Self { items, next }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_no_cursor_is_refused() {
        for text in ["é", "a b", "====", "_w", &"A".repeat(MAX_TEXT_BYTES + 4)] {
            assert_eq!(Cursor::parse(text), Err(InvalidCursor), "{text:?}");
        }
    }

    #[test]
    fn a_cursor_of_another_list_is_refused() {
        let request = PageRequest { after: Some(Cursor::after("acme")), limit: 10 };
        assert_eq!(request.position::<crate::domain::AccountId>(), Err(InvalidCursor));
    }

    #[test]
    fn the_last_page_has_no_next() {
        let request = PageRequest::first(2);
        assert_eq!(Page::of(vec![1, 2, 3], &request, i32::to_string).next, Some(Cursor::after("2")));
        assert_eq!(Page::of(vec![1, 2], &request, i32::to_string).next, None);
    }

    #[test]
    fn a_page_has_1_to_200_rows() {
        let rows = |limit| PageRequest::first(limit).rows();
        assert_eq!((rows(0), rows(7), rows(u32::MAX)), (2, 8, 201));
    }

    proptest! {
        #[test]
        fn a_cursor_survives_encode_and_parse(key in ".{0,80}") {
            let cursor = Cursor::after(&key);
            prop_assert_eq!(Cursor::parse(&cursor.encode()), Ok(cursor));
        }

        #[test]
        fn no_text_makes_parsing_fail_otherwise(text in ".*") {
            let _ = Cursor::parse(&text);
        }
    }
}
