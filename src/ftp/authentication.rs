//! FTP's way to sign in (RFC 959 §4.1.1) as attempts at the one door; and the connection until then.
//!
//! Nothing is decided here. All refusals look alike, and the delay is `access`'s.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;
use tracing::{debug, info};

use super::below::{Answer, Door, Entered, Gate};
use super::connection::{Client, Facts};
use super::control::{Command, Input, Over, Wire};
use super::reply::Reply;
use super::session::Member;
use super::verbs::{self, Argument, Verb};
use crate::access::{Access, Connection, Outcome, Proof, Refusal, SignIn};
use crate::domain::{NameEncoding, Secret};

/// The product's gate.
pub(super) struct AccessGate(pub Arc<Access>);

impl Gate for AccessGate {
    fn admit(&self, connection: Connection) -> Result<Box<dyn Door>, Refusal> {
        Ok(Box::new(AccessDoor { sign_in: self.0.admit(connection)? }))
    }
}

/// The product's door.
struct AccessDoor {
    sign_in: SignIn,
}

impl Door for AccessDoor {
    fn set_client(&mut self, software: &str) {
        self.sign_in.set_client(software);
    }

    fn set_protocol_details(&mut self, algorithms: &str) {
        self.sign_in.set_protocol_details(algorithms);
    }

    fn attempt<'a>(&'a mut self, login: &'a str, password: Secret<String>) -> BoxFuture<'a, Answer> {
        Box::pin(async move {
            match self.sign_in.attempt(login, Proof::Password(password)).await {
                Outcome::Granted(grant) => match grant.open().await {
                    Ok((session, tree)) => {
                        Answer::Entered(Entered { presence: Arc::new(session), tree: Arc::new(tree) })
                    }
                    Err(refusal) => Answer::from(refusal),
                },
                Outcome::MoreNeeded(_) => Answer::KeyNeeded,
                Outcome::Refused(refusal) => Answer::from(refusal),
            }
        })
    }
}

impl From<Refusal> for Answer {
    fn from(refusal: Refusal) -> Self {
        Self::Refused { reason: refusal.reason, end_connection: refusal.end_connection }
    }
}

/// A private connection on which nobody has signed in yet.
pub(super) struct Guest {
    pub client: Client,
    door: Box<dyn Door>,
    /// USER's argument, until PASS.
    login: Option<String>,
}

/// What a step of signing in leads to.
enum Step {
    Stay(Reply),
    Entered(Entered),
    End(Reply),
}

impl Guest {
    pub(super) fn new(client: Client, door: Box<dyn Door>) -> Self {
        Self { client, door, login: None }
    }

    /// Talks until someone has signed in; `None` when the connection is over.
    pub(super) async fn sign_in<S>(mut self, wire: &mut Wire<S>, deadline: Instant, already: usize) -> Option<Member>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let most = self.client.shared.settings.commands_before_sign_in;
        for _ in already..most {
            let input = match tokio::time::timeout_at(deadline, wire.next()).await {
                Ok(Ok(input)) => input,
                Ok(Err(over)) => {
                    self.client.over(wire, over).await;
                    return None;
                }
                Err(_) => {
                    let _ = wire.say(&Reply::new(421, "Signing in took too long"), NameEncoding::Utf8).await;
                    return None;
                }
            };
            let step = match input {
                Input::Bad(reply) => Step::Stay(reply),
                Input::Command(command) => self.step(command).await,
            };
            let (reply, goes_on) = match step {
                Step::Stay(reply) => (reply, true),
                Step::End(reply) => (reply, false),
                Step::Entered(Entered { presence, tree }) => {
                    let member = Member::new(self.client, presence, tree);
                    let welcome = Reply::new(230, "Signed in");
                    return wire.say(&welcome, NameEncoding::Utf8).await.is_ok().then_some(member);
                }
            };
            if wire.say(&reply, self.client.encoding).await.is_err() || !goes_on {
                return None;
            }
        }
        debug!(peer = %self.client.peer, "Ended an FTP connection: too many commands without signing in");
        let _ = wire.say(&Reply::new(421, "Too many commands without signing in"), NameEncoding::Utf8).await;
        None
    }

    async fn step(&mut self, command: Command) -> Step {
        let Command { rule, argument } = command;
        let argument = Argument::new(argument);
        let facts = Facts { tls: true, signed_in: false, ..self.client.facts() };
        if let Err(reply) = verbs::check(rule, &argument, facts) {
            return Step::Stay(reply);
        }
        match rule.verb {
            Verb::User => {
                let (login, reply) = verbs::user::guest(&argument);
                self.login = login;
                Step::Stay(reply)
            }
            Verb::Pass => match self.login.take() {
                None => Step::Stay(Reply::new(503, "Say USER first")),
                Some(login) => self.attempt(&login, verbs::pass::password(&argument)).await,
            },
            Verb::Quit => Step::End(verbs::quit::reply()),
            verb => Step::Stay(verbs::anyone(verb, &mut self.client, &argument)),
        }
    }

    async fn attempt(&mut self, login: &str, password: Secret<String>) -> Step {
        if let Some(software) = &self.client.software {
            self.door.set_client(software);
        }
        let kind = self.client.shared.bound.mode.connection_type();
        let metrics = &self.client.shared.metrics;
        let (reason, end_connection) = match self.door.attempt(login, password).await {
            Answer::Entered(entered) => {
                metrics.sign_in(kind, "granted");
                let login = entered.presence.login().clone();
                info!(%login, peer = %self.client.peer, connection_type = %kind, "Signed in {login} over {kind}");
                return Step::Entered(entered);
            }
            Answer::KeyNeeded => {
                info!(peer = %self.client.peer, "Refused a login over {kind}: it needs a key too, which FTP cannot show");
                ("key_needed", false)
            }
            Answer::Refused { reason, end_connection } => (reason.as_code(), end_connection),
        };
        metrics.sign_in(kind, reason);
        // One answer for all: which of login and password was wrong is nobody's business.
        let reply = Reply::new(530, "Signing in failed");
        if end_connection { Step::End(reply) } else { Step::Stay(reply) }
    }
}

impl Client {
    /// Tells a client why its lines are read no longer, where it is its fault.
    pub(super) async fn over<S: AsyncRead + AsyncWrite + Unpin>(&self, wire: &mut Wire<S>, over: Over) {
        match over {
            Over::Closed => {}
            Over::TooLong => {
                debug!(peer = %self.peer, "Ended an FTP connection: a line was too long");
                let _ = wire.say(&Reply::new(500, "The line is too long"), NameEncoding::Utf8).await;
            }
            Over::Failed(problem) => debug!(peer = %self.peer, %problem, "An FTP connection was lost: {problem}"),
        }
    }
}
