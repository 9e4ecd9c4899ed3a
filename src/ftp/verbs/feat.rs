//! FEAT (RFC 2389 §3): what there is beyond RFC 959, and nothing that there is not.

use crate::ftp::connection::Client;
use crate::ftp::reply::Reply;

pub(super) fn handle(client: &Client) -> Reply {
    let mut features: Vec<String> = [
        "AUTH TLS",
        "CLNT",
        "EPSV",
        "HASH SHA-256*",
        "HOST",
        "MDTM",
        "MFMT",
        "PASV",
        "PBSZ",
        "PROT",
        "REST STREAM",
        "SIZE",
        "TVFS",
        "UTF8",
    ]
    .map(|feature| format!(" {feature}"))
    .to_vec();
    features.push(format!(" MLST {}", client.wanted.feature()));
    if client.shared.bound.active {
        features.push(String::from(" EPRT"));
    }
    features.sort();
    Reply::lines(211, "Features", features, "End")
}
