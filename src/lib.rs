//! `lucca-gateway`: hosted file exchange between an HR suite and its customers' payroll software.
//!
//! Start with `docs/ARCHITECTURE.md`. Dependencies between the modules point one way; `tests/architecture.rs` holds
//! the table and checks it.

pub mod access;
pub mod app;
pub mod cli;
pub mod config;
pub mod credentials;
pub mod domain;
pub mod events;
pub mod ftp;
pub mod http;
pub mod management;
pub mod net;
pub mod sessions;
pub mod sftp;
pub mod store;
pub mod telemetry;
pub mod vfs;
