//! The one door: every sign-in of every protocol goes through here, and nothing else opens a session.
//!
//! An edge lets a connection in by [`Access::admit`], hands each proof that its client shows to [`SignIn::attempt`], and
//! gets an [`Outcome`]. Only [`Outcome::Granted`] carries a [`Grant`], only a grant opens a session and its file tree,
//! and only this module makes one. On the way: limits and blocks (`admission`, `defence`), the account (`accounts`), its
//! secrets (`verification`, and what was right a moment ago: `remembered`), the rules of the account (`policy`), and what
//! is told to operators (`records`).
//!
//! The peer learns one thing from a refusal, that it was refused. Everything that could tell it more, the answer, the
//! work done, the time taken, is the same whether the login exists or not.

mod accounts;
mod admission;
mod attempt;
mod defence;
mod door;
mod grant;
mod policy;
mod records;
mod refusal;
mod remembered;
mod shown;
mod sign_in;
mod tellings;
mod verification;

pub use admission::Connection;
pub use attempt::{Needed, Outcome, Proof};
pub use door::{Access, AccessParts};
pub use grant::Grant;
pub use refusal::{Refusal, RefusalReason};
pub use sign_in::SignIn;

#[cfg(test)]
mod tests;
