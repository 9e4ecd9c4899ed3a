//! The table: what must be true before each verb is looked at.

use crate::ftp::connection::Facts;
use crate::ftp::reply::Reply;

use super::Argument;

/// Everything that is understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::ftp) enum Verb {
    Abor,
    Allo,
    Appe,
    Auth,
    Ccc,
    Cdup,
    Clnt,
    Cwd,
    Dele,
    Eprt,
    Epsv,
    Feat,
    Hash,
    Help,
    Host,
    List,
    Mdtm,
    Mfmt,
    Mkd,
    Mlsd,
    Mlst,
    Mode,
    Nlst,
    Noop,
    Opts,
    Pass,
    Pasv,
    Pbsz,
    Port,
    Prot,
    Pwd,
    Quit,
    Rest,
    Retr,
    Rmd,
    Rnfr,
    Rnto,
    Site,
    Size,
    Stat,
    Stor,
    Stou,
    Stru,
    Syst,
    Type,
    User,
}

/// How far a connection must have come. Each includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::ftp) enum Needs {
    Nothing,
    Tls,
    SignIn,
    /// Signed in, and PROT P said.
    PrivateData,
}

/// Whether something follows the verb.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::ftp) enum Takes {
    Nothing,
    Maybe,
    Something,
}

/// A row of the table.
#[derive(Debug)]
pub(in crate::ftp) struct Rule {
    pub name: &'static str,
    pub verb: Verb,
    pub needs: Needs,
    pub takes: Takes,
    /// Answered while a transfer runs (STAT: without a path); all others wait for its end.
    pub beside_a_transfer: bool,
}

const fn rule(name: &'static str, verb: Verb, needs: Needs, takes: Takes) -> Rule {
    Rule { name, verb, needs, takes, beside_a_transfer: false }
}

const fn beside(mut rule: Rule) -> Rule {
    rule.beside_a_transfer = true;
    rule
}

use Needs::{Nothing, PrivateData, SignIn, Tls};
use Takes::{Maybe, Something};

/// All verbs, and the old names of some (RFC 775). HELP lists them in this order.
pub(in crate::ftp) static TABLE: [Rule; 51] = [
    beside(rule("ABOR", Verb::Abor, SignIn, Takes::Nothing)),
    rule("ALLO", Verb::Allo, SignIn, Something),
    rule("APPE", Verb::Appe, PrivateData, Something),
    rule("AUTH", Verb::Auth, Nothing, Something),
    rule("CCC", Verb::Ccc, Tls, Takes::Nothing),
    rule("CDUP", Verb::Cdup, SignIn, Takes::Nothing),
    rule("CLNT", Verb::Clnt, Nothing, Something),
    rule("CWD", Verb::Cwd, SignIn, Something),
    rule("DELE", Verb::Dele, SignIn, Something),
    rule("EPRT", Verb::Eprt, PrivateData, Something),
    rule("EPSV", Verb::Epsv, PrivateData, Maybe),
    rule("FEAT", Verb::Feat, Nothing, Takes::Nothing),
    rule("HASH", Verb::Hash, SignIn, Something),
    rule("HELP", Verb::Help, Nothing, Maybe),
    rule("HOST", Verb::Host, Nothing, Something),
    rule("LIST", Verb::List, PrivateData, Maybe),
    rule("MDTM", Verb::Mdtm, SignIn, Something),
    rule("MFMT", Verb::Mfmt, SignIn, Something),
    rule("MKD", Verb::Mkd, SignIn, Something),
    rule("MLSD", Verb::Mlsd, PrivateData, Maybe),
    rule("MLST", Verb::Mlst, SignIn, Maybe),
    rule("MODE", Verb::Mode, SignIn, Something),
    rule("NLST", Verb::Nlst, PrivateData, Maybe),
    beside(rule("NOOP", Verb::Noop, Nothing, Maybe)),
    rule("OPTS", Verb::Opts, Nothing, Something),
    rule("PASS", Verb::Pass, Tls, Maybe),
    rule("PASV", Verb::Pasv, PrivateData, Takes::Nothing),
    rule("PBSZ", Verb::Pbsz, Tls, Something),
    rule("PORT", Verb::Port, PrivateData, Something),
    rule("PROT", Verb::Prot, Tls, Something),
    rule("PWD", Verb::Pwd, SignIn, Takes::Nothing),
    rule("QUIT", Verb::Quit, Nothing, Takes::Nothing),
    rule("REST", Verb::Rest, SignIn, Something),
    rule("RETR", Verb::Retr, PrivateData, Something),
    rule("RMD", Verb::Rmd, SignIn, Something),
    rule("RNFR", Verb::Rnfr, SignIn, Something),
    rule("RNTO", Verb::Rnto, SignIn, Something),
    rule("SITE", Verb::Site, SignIn, Something),
    rule("SIZE", Verb::Size, SignIn, Something),
    beside(rule("STAT", Verb::Stat, SignIn, Maybe)),
    rule("STOR", Verb::Stor, PrivateData, Something),
    rule("STOU", Verb::Stou, PrivateData, Maybe),
    rule("STRU", Verb::Stru, SignIn, Something),
    rule("SYST", Verb::Syst, Nothing, Takes::Nothing),
    rule("TYPE", Verb::Type, SignIn, Something),
    rule("USER", Verb::User, Tls, Something),
    rule("XCUP", Verb::Cdup, SignIn, Takes::Nothing),
    rule("XCWD", Verb::Cwd, SignIn, Something),
    rule("XMKD", Verb::Mkd, SignIn, Something),
    rule("XPWD", Verb::Pwd, SignIn, Takes::Nothing),
    rule("XRMD", Verb::Rmd, SignIn, Something),
];

/// The rule of a verb, in whatever case it is written.
pub(in crate::ftp) fn find(name: &[u8]) -> Option<&'static Rule> {
    TABLE.iter().find(|rule| name.eq_ignore_ascii_case(rule.name.as_bytes()))
}

/// Whether a command may be looked at; else what the client is to do first.
pub(in crate::ftp) fn check(rule: &Rule, argument: &Argument, facts: Facts) -> Result<(), Reply> {
    let missing = if rule.needs >= Needs::Tls && !facts.tls {
        Some(Reply::new(530, "Nothing is done in the clear here: say AUTH TLS first"))
    } else if rule.needs >= Needs::SignIn && !facts.signed_in {
        Some(Reply::new(530, "Sign in first: USER and PASS"))
    } else if rule.needs >= Needs::PrivateData && !facts.private_data {
        // RFC 4217 §12: the data connection cannot be opened with this PROT setting.
        Some(Reply::new(521, "Data connections are private here: say PBSZ 0 and PROT P first"))
    } else {
        None
    };
    match (missing, rule.takes) {
        (Some(reply), _) => Err(reply),
        (None, Takes::Something) if argument.is_empty() => {
            Err(Reply::syntax(format!("{} needs something behind it", rule.name)))
        }
        // What follows a verb that takes nothing is read over: some clients send spaces.
        (None, Takes::Something | Takes::Maybe | Takes::Nothing) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use zeroize::Zeroizing;

    use super::*;

    const PHASES: [Facts; 4] = [
        Facts { tls: false, signed_in: false, private_data: false },
        Facts { tls: true, signed_in: false, private_data: false },
        Facts { tls: true, signed_in: true, private_data: false },
        Facts { tls: true, signed_in: true, private_data: true },
    ];

    fn outcome(name: &str, facts: Facts) -> u16 {
        let rule = find(name.as_bytes()).unwrap();
        let argument = Argument::new(Zeroizing::new(b"x".to_vec()));
        check(rule, &argument, facts).map_or_else(|reply| reply.code, |()| 0)
    }

    #[test]
    fn every_verb_in_every_phase_is_let_through_or_told_what_is_missing() {
        let clear = ["AUTH", "CLNT", "FEAT", "HELP", "HOST", "NOOP", "OPTS", "QUIT", "SYST"];
        let before_sign_in = ["CCC", "PASS", "PBSZ", "PROT", "USER"];
        let data = ["APPE", "EPRT", "EPSV", "LIST", "MLSD", "NLST", "PASV", "PORT", "RETR", "STOR", "STOU"];
        for rule in &TABLE {
            let expected = match rule.name {
                name if clear.contains(&name) => [0, 0, 0, 0],
                name if before_sign_in.contains(&name) => [530, 0, 0, 0],
                name if data.contains(&name) => [530, 530, 521, 0],
                _ => [530, 530, 0, 0],
            };
            assert_eq!(PHASES.map(|facts| outcome(rule.name, facts)), expected, "{}", rule.name);
        }
    }

    #[test]
    fn what_is_missing_behind_a_verb_is_told() {
        for rule in &TABLE {
            let code =
                check(rule, &Argument::new(Zeroizing::default()), PHASES[3]).map_or_else(|reply| reply.code, |()| 0);
            assert_eq!(code, if rule.takes == Takes::Something { 501 } else { 0 }, "{}", rule.name);
        }
    }

    #[test]
    fn names_are_told_once_and_found_in_any_case() {
        let names: HashSet<_> = TABLE.iter().map(|rule| rule.name).collect();
        assert_eq!(names.len(), TABLE.len());
        assert_eq!(find(b"rEtR").unwrap().verb, Verb::Retr);
        assert!(find(b"RETRX").is_none() && find(b"").is_none());
    }

    #[test]
    fn only_what_asks_or_aborts_is_answered_beside_a_transfer() {
        let beside: Vec<_> = TABLE.iter().filter(|rule| rule.beside_a_transfer).map(|rule| rule.name).collect();
        assert_eq!(beside, ["ABOR", "NOOP", "STAT"]);
    }
}
