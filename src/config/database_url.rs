//! A database's URL, which may hold a password: it can be shown however one likes, and the password never shows.

use std::fmt;

/// Where the database is. Prints with its password blanked.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrl(String);

impl DatabaseUrl {
    /// The whole of it, for whoever connects.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for DatabaseUrl {
    fn from(url: String) -> Self {
        Self(url)
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&printable(&self.0))
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The URL with its password blanked; rather too much is blanked than too little.
fn printable(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    // The last @, even behind a slash: a password that should have been escaped is a password all the same.
    let rest = match rest.rsplit_once('@') {
        Some((who, place)) => match who.split_once(':') {
            Some((user, _)) => format!("{user}:***@{place}"),
            None => rest.to_owned(),
        },
        None => rest.to_owned(),
    };
    let Some((place, query)) = rest.split_once('?') else { return format!("{scheme}://{rest}") };
    let blank = |part: &str| match part.split_once('=') {
        Some((name, _)) if name.to_ascii_lowercase().contains("pass") => format!("{name}=***"),
        _ => part.to_owned(),
    };
    let query = query.split('&').map(blank).collect::<Vec<_>>().join("&");
    format!("{scheme}://{place}?{query}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_blanked_wherever_it_stands() {
        for (url, shown) in [
            ("postgres://gateway:s3cret@db:5432/gateway", "postgres://gateway:***@db:5432/gateway"),
            ("postgres://gateway:s3/c@r?et@db/gateway", "postgres://gateway:***@db/gateway"),
            ("postgres://gateway:s3:cret@%2Frun/gateway", "postgres://gateway:***@%2Frun/gateway"),
            (
                "postgresql://db/g?user=u&password=s3cret&sslmode=require",
                "postgresql://db/g?user=u&password=***&sslmode=require",
            ),
            ("postgres://gateway@db/gateway", "postgres://gateway@db/gateway"),
            ("sqlite:./data/gateway.db", "sqlite:./data/gateway.db"),
            ("sqlite:///srv/a@b:c.db", "sqlite:///srv/a@b:c.db"),
        ] {
            assert_eq!(DatabaseUrl::from(url.to_owned()).to_string(), shown);
        }
    }
}
