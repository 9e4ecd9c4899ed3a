//! The real program, driven from outside: started with `try` on free ports, provisioned over its API, and spoken to by
//! the clients that people use. Every file below is one subject; `support` holds what they share.
//!
//! No test depends on another: each makes an instance and accounts of its own. No test sleeps: what takes time is
//! awaited by [`support::eventually`].

// clippy.toml excuses test functions; everything here is test code, helpers too.
#![allow(clippy::panic, clippy::unwrap_used)]

mod audit;
mod cli;
mod clients;
mod confinement;
mod database;
mod durability;
mod events;
mod exchange;
mod ftp;
mod ftp_awake;
mod ftp_clients;
mod ftp_confinement;
mod ftp_crowds;
mod ftp_cuts;
mod ftp_endings;
mod ftp_hostile;
mod ftp_limits;
mod ftp_lines;
mod history;
mod hostile;
mod interruption;
mod management;
mod packets;
mod presets;
mod quotas;
mod rights;
mod sftp_copies;
mod sign_in;
mod stall;
mod support;
mod twins;
mod webhooks;
