//! The verbs: one table that says what each needs, checked before any handler, and one file for each.

mod allo;
mod appe;
mod auth;
mod ccc;
mod cdup;
mod clnt;
mod cwd;
mod dele;
mod eprt;
mod epsv;
mod feat;
mod hash;
mod help;
mod host;
mod list;
mod mdtm;
mod mfmt;
mod mkd;
mod mlsd;
mod mlst;
mod mode;
mod nlst;
mod noop;
mod opts;
pub(super) mod pass;
mod pasv;
mod pbsz;
mod port;
mod prot;
mod pwd;
pub(super) mod quit;
mod rest;
mod retr;
mod rmd;
mod rnfr;
mod rnto;
mod site;
mod size;
mod stat;
mod stor;
mod stou;
mod stru;
mod syst;
mod table;
mod r#type;
pub(super) mod user;

use std::borrow::Cow;

use zeroize::Zeroizing;

pub(super) use table::{Rule, TABLE, Verb, check, find};

use super::connection::Client;
use super::reply::Reply;
use super::session::{Member, Outcome};
use crate::domain::{NameEncoding, VirtualPath};

/// What follows a verb, as it came: may be a name in the client's code page, or a password.
pub(super) struct Argument(Zeroizing<Vec<u8>>);

impl Argument {
    pub(super) fn new(bytes: Zeroizing<Vec<u8>>) -> Self {
        Self(bytes)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// As a name or path; the first one that is not UTF-8 settles the session's encoding.
    pub(super) fn text(&self, encoding: &mut NameEncoding) -> Cow<'_, str> {
        encoding.decode(&self.0)
    }

    /// As a keyword or number: without spaces around it, in upper case; empty when it is not ASCII.
    fn keyword(&self) -> String {
        std::str::from_utf8(&self.0).map(|text| text.trim().to_ascii_uppercase()).unwrap_or_default()
    }

    /// A login or password, whatever the session's encoding of names: it must not be settled by a password.
    fn secret(&self) -> String {
        NameEncoding::default().decode(&self.0).into_owned()
    }
}

/// Answers the verbs that need nobody to be signed in.
pub(super) fn anyone(verb: Verb, client: &mut Client, argument: &Argument) -> Reply {
    match verb {
        Verb::Auth => auth::handle(client, argument),
        Verb::Clnt => clnt::handle(client, argument),
        Verb::Feat => feat::handle(client),
        Verb::Help => help::handle(),
        Verb::Host => host::handle(client),
        Verb::Noop => noop::handle(),
        Verb::Opts => opts::handle(client, argument),
        Verb::Pbsz => pbsz::handle(client, argument),
        Verb::Prot => prot::handle(client, argument),
        Verb::Quit => quit::reply(),
        Verb::Syst => syst::handle(),
        Verb::Ccc => ccc::handle(),
        // The table lets none of these come here before someone has signed in, nor after.
        Verb::User | Verb::Pass => Reply::new(503, "Not now"),
        Verb::Abor
        | Verb::Allo
        | Verb::Appe
        | Verb::Cdup
        | Verb::Cwd
        | Verb::Dele
        | Verb::Eprt
        | Verb::Epsv
        | Verb::Hash
        | Verb::List
        | Verb::Mdtm
        | Verb::Mfmt
        | Verb::Mkd
        | Verb::Mlsd
        | Verb::Mlst
        | Verb::Mode
        | Verb::Nlst
        | Verb::Pasv
        | Verb::Port
        | Verb::Pwd
        | Verb::Rest
        | Verb::Retr
        | Verb::Rmd
        | Verb::Rnfr
        | Verb::Rnto
        | Verb::Site
        | Verb::Size
        | Verb::Stat
        | Verb::Stor
        | Verb::Stou
        | Verb::Stru
        | Verb::Type => Reply::new(530, "Sign in first: USER and PASS"),
    }
}

/// Answers a verb of someone who has signed in. `rename_from`: what RNFR said just before.
pub(super) async fn handle(
    verb: Verb,
    member: &mut Member,
    argument: &Argument,
    rename_from: Option<VirtualPath>,
) -> Outcome {
    let answered = match verb {
        Verb::Quit => return Outcome::End(quit::reply()),
        Verb::User | Verb::Pass => Ok(user::member().into()),
        Verb::Clnt => Ok(clnt::member(member, argument).into()),
        Verb::Auth
        | Verb::Feat
        | Verb::Help
        | Verb::Host
        | Verb::Noop
        | Verb::Opts
        | Verb::Pbsz
        | Verb::Prot
        | Verb::Syst
        | Verb::Ccc => Ok(anyone(verb, &mut member.client, argument).into()),
        // Answered by the loop, which has the transfer.
        Verb::Abor => Ok(Reply::new(226, "Nothing is transferred").into()),
        Verb::Allo => allo::handle(member, argument).map(Outcome::from),
        Verb::Appe => appe::handle(member, argument),
        Verb::Cdup => cdup::handle(member).await.map(Outcome::from),
        Verb::Cwd => cwd::handle(member, argument).await.map(Outcome::from),
        Verb::Dele => dele::handle(member, argument).await.map(Outcome::from),
        Verb::Eprt => eprt::handle(member, argument).map(Outcome::from),
        Verb::Epsv => epsv::handle(member, argument).map(Outcome::from),
        Verb::Hash => hash::handle(member, argument),
        Verb::List => list::handle(member, argument),
        Verb::Mdtm => mdtm::handle(member, argument).await.map(Outcome::from),
        Verb::Mfmt => mfmt::handle(member, argument).await.map(Outcome::from),
        Verb::Mkd => mkd::handle(member, argument).await.map(Outcome::from),
        Verb::Mlsd => mlsd::handle(member, argument),
        Verb::Mlst => mlst::handle(member, argument).await.map(Outcome::from),
        Verb::Mode => mode::handle(argument).map(Outcome::from),
        Verb::Nlst => nlst::handle(member, argument),
        Verb::Pasv => pasv::handle(member).map(Outcome::from),
        Verb::Port => port::handle(member, argument).map(Outcome::from),
        Verb::Pwd => Ok(pwd::handle(member).into()),
        Verb::Rest => rest::handle(member, argument).map(Outcome::from),
        Verb::Retr => retr::handle(member, argument),
        Verb::Rmd => rmd::handle(member, argument).await.map(Outcome::from),
        Verb::Rnfr => rnfr::handle(member, argument).await.map(Outcome::from),
        Verb::Rnto => rnto::handle(member, argument, rename_from).await.map(Outcome::from),
        Verb::Site => site::handle(member, argument).await.map(Outcome::from),
        Verb::Size => size::handle(member, argument).await.map(Outcome::from),
        Verb::Stat => stat::handle(member, argument),
        Verb::Stor => stor::handle(member, argument),
        Verb::Stou => stou::handle(member, argument),
        Verb::Stru => stru::handle(argument).map(Outcome::from),
        Verb::Type => r#type::handle(member, argument).map(Outcome::from),
    };
    answered.unwrap_or_else(Outcome::Reply)
}
