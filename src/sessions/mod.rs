//! Who is connected now: one registry of sessions, with the caps that hold over it.
//!
//! A [`Session`] is one authenticated connection. It is in the [`Registry`] exactly as long as it lives: dropped by its
//! edge, for whatever reason, it is gone from every list and count. Operators end a session through the registry; the
//! edge learns of it by [`Session::ended`].

mod changes;
mod limits;
mod registry;
mod session;

pub use changes::Moment;
pub use limits::{LimitReached, Source};
pub use registry::{NotOpened, Opening, Registry};
pub use session::{EndReason, Session, SessionInfo};
