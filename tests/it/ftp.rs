//! FTPS and FTPES, line by line: what is refused, and what becomes of a transfer that is cut.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::support::{Gateway, NewAccount, PASSWORD, run};

const CONVERSATION: Duration = Duration::from_secs(120);

fn port(gateway: &Gateway, kind: &str) -> String {
    gateway.told()[kind]["port"].as_u64().expect("a port").to_string()
}

#[test]
fn what_must_be_refused_is_refused_and_what_is_cut_is_not_published() {
    let gateway = Gateway::shared();
    let folder = "/échanges";
    let account = NewAccount::new().folder(folder, "read-write").make(gateway);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/ftp_conversation.py");
    let authority = gateway.told()["tls_ca"].as_str().expect("tls_ca");
    let finished = run(
        Command::new("python3").arg(script).args([&port(gateway, "ftps"), &port(gateway, "ftpes"), authority]).args([
            &account.login,
            PASSWORD,
            folder,
        ]),
        CONVERSATION,
    );
    assert!(finished.succeeded(), "{}", finished.said());
}
