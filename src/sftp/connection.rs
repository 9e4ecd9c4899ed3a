//! One SSH connection, as russh calls on it.
//!
//! Signs in, opens channels and hands their data to what serves them: the SFTP subsystem, or `scp`. All else that SSH
//! can do (shells, other commands, terminals, forwarding, agents) is refused, and the connection goes on.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use russh::server::{Auth, ChannelOpenHandle, Handler, Msg, PublicKeyOffer, Response, Session, VerifiedPublicKey};
use russh::{ChannelId, ChannelOpenFailure, ChannelWriteHalf, MethodSet, Pty};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, info};

use crate::access::{Outcome, Proof, SignIn};
use crate::config::SftpSettings;
use crate::domain::{Clock, ConnectionType, NameEncoding, Secret};
use crate::sessions;
use crate::telemetry::Metrics;
use crate::vfs::SessionTree;

use super::algorithms;
use super::authentication::{methods_for, partly, prompt, refused, usable_key};
use super::budget::Budget;
use super::outbox::{Outbox, send_all};
use super::overheard::Introduction;
use super::scp;
use super::subsystem::{self, Channel};

/// How many channels a connection may open over its life. russh keeps a little of each that the server closed first.
const CHANNELS_EVER: usize = 10_000;

/// What the connection and the task that watches over it tell each other.
#[derive(Default)]
pub(super) struct Life {
    /// Set when it signs in.
    session: OnceLock<Arc<sessions::Session>>,
    /// Cancelled when it signs in.
    pub signed_in: CancellationToken,
    /// Cancelled when the connection is to be ended: too many attempts before it signed in, replies that are not read
    /// after.
    pub leave: CancellationToken,
    /// Cancelled when the connection ends: everything that serves it stops.
    pub closing: CancellationToken,
    /// What sends the replies of its channels, to the last one.
    senders: TaskTracker,
}

impl Life {
    pub(super) fn session(&self) -> Option<&Arc<sessions::Session>> {
        self.session.get()
    }

    /// The session was ended: its channels begin nothing more. Resolves when each has told what it had begun, so that an
    /// upload that is being published gets its answer.
    pub(super) async fn last_answers(&self) {
        self.senders.close();
        self.senders.wait().await;
    }
}

/// What every connection of a listener works with.
#[derive(Clone)]
pub(super) struct Common {
    pub settings: SftpSettings,
    /// How long answers may wait for a client that takes none.
    pub stall: Duration,
    pub metrics: Metrics,
    pub clock: Arc<dyn Clock>,
    /// Tracks the tasks of channels, so that a stop waits for them.
    pub tasks: TaskTracker,
}

/// The state of a connection.
pub(super) struct Connection {
    common: Common,
    sign_in: SignIn,
    introduction: Arc<Introduction>,
    /// The ways in that are left.
    methods: MethodSet,
    entered: Option<Entered>,
    life: Arc<Life>,
    lanes: HashMap<ChannelId, Lane>,
    channels_opened: usize,
    encoding: Arc<Mutex<NameEncoding>>,
    budget: Arc<Budget>,
}

/// What a connection has once it is signed in.
struct Entered {
    session: Arc<sessions::Session>,
    tree: SessionTree,
}

/// A channel.
struct Lane {
    /// Until something is started on it.
    writer: Option<ChannelWriteHalf<Msg>>,
    input: Input,
    gone: CancellationToken,
}

/// What a channel's data goes to.
enum Input {
    Nothing,
    Sftp(subsystem::Feed),
    Scp(scp::Feed),
}

impl Connection {
    pub(super) fn new(common: Common, sign_in: SignIn, introduction: Arc<Introduction>, life: Arc<Life>) -> Self {
        Self {
            common,
            sign_in,
            introduction,
            methods: algorithms::methods(),
            entered: None,
            life,
            lanes: HashMap::new(),
            channels_opened: 0,
            encoding: Arc::default(),
            budget: Arc::default(),
        }
    }

    async fn attempt(&mut self, login: &str, proof: Proof) -> Auth {
        self.introduce_client();
        let refusal = match self.sign_in.attempt(login, proof).await {
            Outcome::Granted(grant) => match grant.open().await {
                Ok((session, tree)) => return self.enter(Arc::new(session), tree),
                Err(refusal) => refusal,
            },
            Outcome::MoreNeeded(needed) => {
                self.methods = methods_for(needed);
                self.end_if_no_second_attempt_can_come();
                return partly(&self.methods);
            }
            Outcome::Refused(refusal) => refusal,
        };
        self.common.metrics.sign_in(ConnectionType::Sftp, refusal.reason.as_code());
        if refusal.end_connection {
            self.life.leave.cancel();
        }
        self.refuse()
    }

    fn enter(&mut self, session: Arc<sessions::Session>, tree: SessionTree) -> Auth {
        self.common.metrics.sign_in(ConnectionType::Sftp, "granted");
        // Set once: russh takes no attempt after one that succeeded.
        let _ = self.life.session.set(Arc::clone(&session));
        self.entered = Some(Entered { session, tree });
        self.life.signed_in.cancel();
        Auth::Accept
    }

    fn refuse(&self) -> Auth {
        self.end_if_no_second_attempt_can_come();
        refused(&self.methods)
    }

    /// Paramiko asks for the service again before each attempt (RFC 4253 §10 allows it), and russh answers that once
    /// only: the client would wait in silence until the time to sign in is over. An end that it is told is better.
    fn end_if_no_second_attempt_can_come(&self) {
        let software = self.introduction.identification().map(str::to_ascii_lowercase).unwrap_or_default();
        if software.contains("paramiko") {
            info!("Ending an SFTP connection: Paramiko can try to sign in once per connection");
            self.life.leave.cancel();
        }
    }

    fn introduce_client(&mut self) {
        if let Some(software) = self.introduction.identification() {
            self.sign_in.set_client(software);
        }
        if let Some(algorithms) = self.introduction.algorithms() {
            self.sign_in.set_protocol_details(algorithms);
        }
    }

    /// Starts what serves a channel: a worker, and the sender of its replies.
    fn start(&mut self, channel: ChannelId, what: Service) -> bool {
        let (Some(entered), Some(lane)) = (&self.entered, self.lanes.get_mut(&channel)) else { return false };
        if entered.session.ended().is_cancelled() {
            return false;
        }
        let Some(writer) = lane.writer.take() else { return false };
        let outbox = Arc::<Outbox>::default();
        let served = Channel {
            number: channel.into(),
            tree: entered.tree.clone(),
            session: Arc::clone(&entered.session),
            encoding: Arc::clone(&self.encoding),
            budget: Arc::clone(&self.budget),
            outbox: Arc::clone(&outbox),
            gone: lane.gone.clone(),
            leave: self.life.leave.clone(),
            clock: Arc::clone(&self.common.clock),
        };
        let tasks = &self.common.tasks;
        lane.input = match what {
            Service::Sftp => {
                let (feed, requests) = subsystem::Feed::new();
                tasks.spawn(subsystem::serve(served, requests, self.common.settings.handles));
                Input::Sftp(feed)
            }
            Service::Scp(command) => {
                let (feed, input) = scp::Feed::new();
                tasks.spawn(scp::serve(served, command, input));
                Input::Scp(feed)
            }
        };
        let (gone, leave, stall) = (lane.gone.clone(), self.life.leave.clone(), self.common.stall);
        tasks.spawn(self.life.senders.track_future(async move {
            if send_all(&outbox, &writer, &gone, stall).await.is_err() {
                leave.cancel();
            }
        }));
        true
    }

    fn answer(session: &mut Session, channel: ChannelId, started: bool) -> Result<(), russh::Error> {
        if started { session.channel_success(channel) } else { session.channel_failure(channel) }
    }
}

/// What a client starts on a channel.
enum Service {
    Sftp,
    Scp(scp::Command),
}

impl Drop for Connection {
    fn drop(&mut self) {
        // The session is over: nobody will take what the channels send, nor tell them so.
        self.life.closing.cancel();
    }
}

impl Handler for Connection {
    type Error = russh::Error;

    async fn auth_none(&mut self, _user: &str) -> Result<Auth, Self::Error> {
        Ok(self.refuse())
    }

    async fn auth_password(&mut self, user: &str, password: &str) -> Result<Auth, Self::Error> {
        Ok(self.attempt(user, Proof::Password(Secret::new(password.to_owned()))).await)
    }

    async fn auth_publickey_offered(&mut self, user: &str, offer: PublicKeyOffer<'_>) -> Result<Auth, Self::Error> {
        self.introduce_client();
        Ok(match usable_key(offer.public_key, offer.algorithm) {
            Some(key) if self.sign_in.key_is_welcome(user, &key).await => Auth::Accept,
            Some(_) | None => refused(&self.methods),
        })
    }

    async fn auth_publickey(&mut self, user: &str, key: VerifiedPublicKey<'_>) -> Result<Auth, Self::Error> {
        Ok(match usable_key(key.public_key, key.algorithm) {
            Some(key) => self.attempt(user, Proof::PublicKey(key)).await,
            None => self.refuse(),
        })
    }

    async fn auth_openssh_certificate(
        &mut self,
        _user: &str,
        _certificate: &russh::keys::Certificate,
    ) -> Result<Auth, Self::Error> {
        Ok(self.refuse())
    }

    async fn auth_keyboard_interactive<'a>(
        &'a mut self,
        user: &str,
        _submethods: &str,
        response: Option<Response<'a>>,
    ) -> Result<Auth, Self::Error> {
        let Some(mut answers) = response else { return Ok(prompt()) };
        let password = answers.next().map(|answer| String::from_utf8(answer.to_vec()));
        Ok(match password {
            Some(Ok(password)) => self.attempt(user, Proof::Password(Secret::new(password))).await,
            Some(Err(_)) | None => self.refuse(),
        })
    }

    async fn channel_open_session(
        &mut self,
        channel: russh::Channel<Msg>,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        self.lanes.retain(|_, lane| !lane.gone.is_cancelled());
        self.channels_opened += 1;
        if self.lanes.len() >= self.common.settings.channels || self.channels_opened > CHANNELS_EVER {
            debug!("Refused a channel: too many");
            reply.reject(ChannelOpenFailure::ResourceShortage).await;
            return Ok(());
        }
        let id = channel.id();
        // The read half is dropped: its queue, when full, would stop the session loop for good.
        let (_, writer) = channel.split();
        let lane = Lane { writer: Some(writer), input: Input::Nothing, gone: self.life.closing.child_token() };
        self.lanes.insert(id, lane);
        reply.accept().await;
        Ok(())
    }

    async fn data(&mut self, channel: ChannelId, data: &[u8], _session: &mut Session) -> Result<(), Self::Error> {
        let Some(lane) = self.lanes.get_mut(&channel) else { return Ok(()) };
        if let (Some(entered), Input::Sftp(_) | Input::Scp(_)) = (&self.entered, &lane.input) {
            entered.session.touch();
        }
        let number = channel.into();
        let taken = match &mut lane.input {
            Input::Nothing => return Ok(()),
            Input::Sftp(feed) => {
                let taken = self.life.closing.run_until_cancelled(feed.take(data, number, &self.budget)).await;
                if feed.is_broken() {
                    // What else comes cannot be understood, and must not count as life: the end of the channel waits
                    // for answers that the client may never read.
                    lane.input = Input::Nothing;
                }
                taken
            }
            Input::Scp(feed) => self.life.closing.run_until_cancelled(feed.take(data, number, &self.budget)).await,
        };
        if let Some(Err(problem)) = taken {
            info!(%problem, "Ending an SFTP connection: {problem}");
            // By the task that watches: the session loop itself may be unable to send.
            self.life.leave.cancel();
        }
        Ok(())
    }

    async fn channel_eof(&mut self, channel: ChannelId, _session: &mut Session) -> Result<(), Self::Error> {
        if let Some(lane) = self.lanes.get_mut(&channel) {
            // The worker sees the end of its queue after everything before it.
            lane.input = Input::Nothing;
        }
        Ok(())
    }

    async fn channel_close(&mut self, channel: ChannelId, _session: &mut Session) -> Result<(), Self::Error> {
        if let Some(lane) = self.lanes.remove(&channel) {
            lane.gone.cancel();
        }
        Ok(())
    }

    async fn subsystem_request(
        &mut self,
        channel: ChannelId,
        name: &str,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        let started = name == "sftp" && self.start(channel, Service::Sftp);
        Self::answer(session, channel, started)
    }

    async fn exec_request(
        &mut self,
        channel: ChannelId,
        command: &[u8],
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        let started = match scp::Command::parse(command) {
            Some(command) if self.common.settings.scp => self.start(channel, Service::Scp(command)),
            Some(_) | None => {
                debug!("Refused to run a command");
                false
            }
        };
        Self::answer(session, channel, started)
    }

    async fn shell_request(&mut self, channel: ChannelId, session: &mut Session) -> Result<(), Self::Error> {
        session.channel_failure(channel)
    }

    async fn pty_request(
        &mut self,
        channel: ChannelId,
        _term: &str,
        _columns: u32,
        _rows: u32,
        _width: u32,
        _height: u32,
        _modes: &[(Pty, u32)],
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        session.channel_failure(channel)
    }

    async fn x11_request(
        &mut self,
        channel: ChannelId,
        _single_connection: bool,
        _protocol: &str,
        _cookie: &str,
        _screen: u32,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        session.channel_failure(channel)
    }

    async fn env_request(
        &mut self,
        channel: ChannelId,
        _name: &str,
        _value: &str,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        session.channel_failure(channel)
    }

    async fn window_change_request(
        &mut self,
        channel: ChannelId,
        _columns: u32,
        _rows: u32,
        _width: u32,
        _height: u32,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        session.channel_failure(channel)
    }
}
