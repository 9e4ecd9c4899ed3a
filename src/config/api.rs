//! `[api]`: the management API's listener.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::reader::{REQUIRED, Reader, Section, any, section, some_path};

section! {
    /// A certificate and its key, in PEM.
    TlsFiles {
        /// The certificate, and those between it and the authority's, in this order.
        certificate: PathBuf = REQUIRED, some_path();
        /// The private key; only its owner may have access to the file.
        key: PathBuf = REQUIRED, some_path();
    }
}

section! {
    /// The management API.
    ApiSettings {
        /// The address and port.
        address: SocketAddr = "127.0.0.1:8080", any();
        /// Whether the API may be served without TLS on an address that others can reach. Its tokens are then readable on
        /// the way: say so only behind a proxy on a network of your own.
        allow_clear_text: bool = "false", any();
    }
    and {
        /// TLS; without it the API is served in clear text, on loopback.
        tls: Option<TlsFiles> = |reader: &mut Reader<'_>| reader.optional_section("tls");
    }
}

/// Reads `[api]`, and checks what concerns two options.
pub(super) fn read(reader: &mut Reader<'_>) -> Option<ApiSettings> {
    let settings = ApiSettings::read(reader)?;
    if settings.tls.is_none() && !settings.address.ip().to_canonical().is_loopback() && !settings.allow_clear_text {
        reader.problem(
            "address",
            format!(
                "{} can be reached from outside, in clear text: set api.tls.certificate and api.tls.key, or use a loopback \
                 address such as 127.0.0.1:8080 (or, behind a proxy of your own, api.allow_clear_text = true)",
                settings.address
            ),
        );
        return None;
    }
    Some(settings)
}
