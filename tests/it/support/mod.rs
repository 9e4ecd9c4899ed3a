//! What the tests share: a gateway to talk to, accounts to talk as, clients to talk with, files to exchange.

mod account;
mod api;
mod client;
mod content;
mod events;
mod footprint;
pub mod ftp;
mod ftp_client;
mod gateway;
mod keys;
mod memory;
mod postgres;
mod proxy;
pub mod raw;
mod run;
mod session;
mod tls_witness;

pub use account::{Account, NewAccount, PASSWORD};
pub use api::{Answer, Api};
pub use client::{Client, Proof, Target};
pub use content::{Tree, difference, pattern, payroll_exchange, small_files};
pub use footprint::Footprint;
pub use ftp::FtpServer;
pub use ftp_client::{FtpClient, FtpMode, FtpTarget, Link, TlsVersion, Trust};
pub use gateway::{Gateway, Options};
pub use keys::KeyPair;
pub use memory::Memory;
pub use postgres::Database;
pub use proxy::Proxy;
pub use run::{Finished, TestDir, eventually, require, run};
pub use session::{Outcome, Session, flags};
