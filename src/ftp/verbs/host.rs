//! HOST (RFC 7151): which of the server's names is meant. All lead to the same accounts; TLS has its own way to say it.

use crate::ftp::connection::{Client, Phase};
use crate::ftp::reply::Reply;

pub(super) fn handle(client: &Client) -> Reply {
    if client.phase == Phase::SignedIn {
        return Reply::new(503, "HOST comes before USER");
    }
    Reply::new(220, "Accepted")
}
