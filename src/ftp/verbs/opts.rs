//! OPTS (RFC 2389 §4): MLST's facts (RFC 3659 §7.9), UTF8 (draft-ietf-ftpext-utf-8-option), HASH's algorithm.

use super::Argument;
use crate::domain::NameEncoding;
use crate::ftp::connection::Client;
use crate::ftp::facts::Wanted;
use crate::ftp::reply::Reply;

pub(super) fn handle(client: &mut Client, argument: &Argument) -> Reply {
    let keyword = argument.keyword();
    let (option, value) = keyword.split_once(' ').unwrap_or((&keyword, ""));
    match (option, value) {
        ("UTF8" | "UTF-8", "ON" | "NLST" | "") => {
            client.encoding = NameEncoding::Utf8;
            Reply::new(200, "Names are UTF-8")
        }
        ("UTF8" | "UTF-8", "OFF") => {
            client.encoding = NameEncoding::Windows1252;
            Reply::new(200, "Names are Windows-1252")
        }
        ("MLST", list) => {
            client.wanted = Wanted::parse(list);
            Reply::new(200, format!("MLST OPTS {}", client.wanted.list()))
        }
        ("HASH", "" | "SHA-256") => Reply::new(200, "SHA-256"),
        _ => Reply::syntax("There is no such option"),
    }
}
