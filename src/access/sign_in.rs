//! The sign-in of one connection, from its first proof to its grant.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::accounts::{Known, Question, SignInRecord};
use super::admission::{Connection, Place};
use super::attempt::{Needed, Outcome, Proof};
use super::defence::{Target, Verdict};
use super::door::{Access, LONGEST_LOOKUP};
use super::grant::{Grant, Granted};
use super::policy;
use super::records::Record;
use super::refusal::{Refusal, RefusalReason};
use super::shown::{ALGORITHMS_CHARS, LOGIN_CHARS};
use super::tellings::Attempt;
use super::verification::{Factor, key_of};
use crate::domain::credential::LastUse;
use crate::domain::{
    Account, AccountId, AuthenticationRule, ClientSoftware, CredentialId, LoginName, PublicKey, Timestamp, shown,
};
use crate::sessions::{Moment, Opening, Source};
use crate::store::{GRANTED, SignInAttempt};

/// How many keys a client may ask about on one connection. Agents offer many before the right one; a probe that goes
/// through a list of other people's keys gets no further than this.
const KEY_QUERIES: u32 = 20;

/// The sign-in of one connection: counts its attempts, keeps the factors proven so far.
///
/// Dropping it, or the future of an attempt, at any moment is fine: what was decided is counted and recorded before the
/// answer is held back.
pub struct SignIn {
    access: Arc<Access>,
    connection: Connection,
    client: ClientSoftware,
    algorithms: Option<String>,
    attempts: u32,
    key_queries: u32,
    factors: Option<Factors>,
    /// Among the connections that are not signed in; given up with the grant.
    place: Option<Place>,
}

/// What was proven on this connection of a key-and-password account.
struct Factors {
    /// Folded. With another login it starts over (RFC 4252 §5: a change of user name flushes what was proven).
    login: String,
    account: AccountId,
    password: Option<CredentialId>,
    public_key: Option<CredentialId>,
}

/// A login as it was tried.
struct Tried {
    /// `None`: it cannot be one.
    login: Option<LoginName>,
    shown: String,
    target: Target,
}

/// What an attempt comes to before it is answered.
enum Decision {
    Granted(Grant),
    MoreNeeded(Needed),
    Refused { reason: RefusalReason, account: Option<Attempt> },
}

impl SignIn {
    pub(super) fn new(access: Arc<Access>, connection: Connection, place: Place) -> Self {
        let client = ClientSoftware::default();
        let place = Some(place);
        Self { access, connection, client, algorithms: None, attempts: 0, key_queries: 0, factors: None, place }
    }

    /// What the client says it is (SSH identification, FTP CLNT).
    pub fn set_client(&mut self, software: &str) {
        self.client = ClientSoftware::said(software);
    }

    /// What protects the connection, as negotiated: SSH's algorithms in the order key exchange, host key, cipher and,
    /// where the cipher needs one, MAC, or TLS's version and suite; parted by spaces, escaped and cut for records.
    /// Operators read there who still uses what shall be switched off.
    pub fn set_protocol_details(&mut self, algorithms: &str) {
        self.algorithms = (!algorithms.is_empty()).then(|| shown(algorithms, ALGORITHMS_CHARS));
    }

    /// Whether a signature by this key would be looked at (RFC 4252 §7). Never says whether the login exists to who does
    /// not hold the key.
    ///
    /// The rules of the account are left to the attempt: whoever holds the key then reads a refusal like any other, and
    /// operators read why. The work is the same lookup for every login.
    pub async fn key_is_welcome(&mut self, login: &str, key: &PublicKey) -> bool {
        self.key_queries = self.key_queries.saturating_add(1);
        if self.key_queries > KEY_QUERIES {
            return false;
        }
        let tried = self.tried(login);
        let now = self.access.clock.now();
        match self.look_past_blocks(&tried, now).await {
            Ok(Some(record)) => key_of(&record, key, now).is_some_and(|credential| credential.validity.includes(now)),
            Ok(None) | Err(_) => false,
        }
    }

    /// Looks at one proof. A refusal resolves only when it may be told.
    pub async fn attempt(&mut self, login: &str, proof: Proof) -> Outcome {
        let began = Instant::now();
        self.attempts = self.attempts.saturating_add(1);
        let tried = self.tried(login);
        match self.decide(&tried, proof).await {
            Decision::Granted(grant) => {
                self.place = None;
                self.factors = None;
                let of = Attempt { instance: grant.instance(), account: grant.account() };
                self.record(&tried, Some(of), GRANTED);
                tracing::info!(
                    login = %grant.login(), address = %self.connection.peer.ip(), client = %self.client,
                    connection_type = %self.connection.connection_type, account = %grant.account(),
                    "Signed in {}", grant.login()
                );
                Outcome::Granted(grant)
            }
            Decision::MoreNeeded(needed) => {
                tracing::debug!(login = tried.shown, ?needed, "A first factor was right");
                Outcome::MoreNeeded(needed)
            }
            Decision::Refused { reason, account } => {
                self.record(&tried, account, reason.as_code());
                tracing::info!(
                    login = tried.shown, address = %self.connection.peer.ip(), client = %self.client,
                    connection_type = %self.connection.connection_type, reason = reason.as_code(),
                    "Refused a sign-in as {}", tried.shown
                );
                hold_back(began, self.access.settings.refusal_delay).await;
                Outcome::Refused(Refusal::from(reason))
            }
        }
    }

    /// Admission → lookup → verify → policy → accounting, in this order for everyone.
    async fn decide(&mut self, tried: &Tried, proof: Proof) -> Decision {
        let refused = |reason| Decision::Refused { reason, account: None };
        if self.attempts > self.access.settings.attempts_per_connection {
            return refused(RefusalReason::TooManyAttempts);
        }
        let now = self.access.clock.now();
        // Before the look: a change that comes after it is one that this sign-in may not have seen.
        let as_of = self.access.registry.moment();
        let known = match self.look_past_blocks(tried, now).await {
            Ok(known) => known,
            Err(reason) => return refused(reason),
        };
        let account = known.as_ref().map(|record| {
            let Account { instance, id: account, .. } = record.account;
            Attempt { instance, account }
        });

        let rules = known.as_ref().map_or(Ok(()), |record| policy::check(&record.account, &self.connection, now));
        let verified = self.access.verify(known.as_ref(), proof, rules.is_ok(), now).await;
        let (proven, record) = match (verified, known) {
            (Ok(proven), Some(record)) => (proven, record),
            (Ok(_), None) => return refused(RefusalReason::UnknownLogin),
            (Err(failure), _) => {
                if failure.is_guess
                    && let Some(block) = self.access.defence.wrong_answer(&tried.target, now)
                {
                    tracing::warn!(
                        login = tried.shown, address = block.address, until = %block.until, reason = block.reason,
                        "Blocked {} from {} for a while", tried.shown, block.address
                    );
                    self.access.records.push(Record::Block(block));
                }
                return Decision::Refused { reason: failure.reason, account };
            }
        };

        // Whoever proved one factor of two is refused by the account's rules here too, not told that more is needed.
        //
        // It counts towards no block and forgives none: a block is for guesses, and who shows what is right does not
        // guess, whatever else forbids the sign-in. A customer whose account is disabled, has expired or comes from a
        // new address goes on polling with the right password; a block of minutes beside that would only hide the reason
        // from operators, and outlast its mending.
        if let Err(reason) = rules {
            return Decision::Refused { reason, account };
        }
        if let Some(needed) = self.still_needed(&record, proven.credential, proven.factor, now) {
            self.record_use(proven.credential, now);
            return Decision::MoreNeeded(needed);
        }
        if self.access.registry.room(record.account.id, self.connection.peer.ip()).is_err() {
            return Decision::Refused { reason: RefusalReason::TooManySessions, account };
        }

        // Only a whole sign-in forgives wrong answers: with one factor of two known, the other could else be guessed for
        // ever, the count being cleared in between.
        self.access.defence.forgive(&tried.target);
        self.record_use(proven.credential, now);
        Decision::Granted(self.grant(record, as_of))
    }

    /// Whether the account's rule asks for more than is proven by now; keeps what is.
    fn still_needed(
        &mut self,
        record: &SignInRecord,
        proven: CredentialId,
        factor: Factor,
        now: Timestamp,
    ) -> Option<Needed> {
        match record.account.authentication {
            AuthenticationRule::AnyCredential => return None,
            AuthenticationRule::KeyAndPassword => {}
        }
        let account = record.account.id;
        // The login may have come to another account in between: two proofs belong together when they are of one.
        let kept = self.factors.take().filter(|factors| factors.account == account);
        let login = record.account.login.folded().to_owned();
        let mut factors = kept.unwrap_or(Factors { login, account, password: None, public_key: None });
        match factor {
            Factor::Password => factors.password = Some(proven),
            Factor::PublicKey => factors.public_key = Some(proven),
        }
        // The first factor may have been retired since it was proven.
        let stands = |id: Option<CredentialId>| {
            id.is_some_and(|id| record.credentials.iter().any(|own| own.id == id && own.validity.includes(now)))
        };
        let needed = Needed { password: !stands(factors.password), public_key: !stands(factors.public_key) };
        self.factors = Some(factors);
        (needed.password || needed.public_key).then_some(needed)
    }

    fn grant(&self, record: SignInRecord, as_of: Moment) -> Grant {
        let SignInRecord { account, folders, .. } = record;
        let rules = account.ftp_rules(&self.access.presets);
        let owner = self.access.owner(&account, folders);
        Grant::new(Granted {
            opening: Opening {
                account: account.id,
                instance: account.instance,
                login: account.login,
                connection_type: self.connection.connection_type,
                address: self.connection.peer.ip().to_canonical(),
                client: self.client.clone(),
                algorithms: self.algorithms.clone(),
                ftp_rules: rules.resuming_at_least(self.connection.tls_resumption),
                as_of,
            },
            owner,
            registry: self.access.registry.clone(),
            trees: self.access.trees.clone(),
        })
    }

    /// Looks the login up, unless it is blocked from here.
    ///
    /// A block is answered without looking at the proof. It depends on the attempts made from this address alone and
    /// falls on logins that nobody has like on any other, so what it saves in work tells nothing.
    async fn look_past_blocks(&self, tried: &Tried, now: Timestamp) -> Result<Option<SignInRecord>, RefusalReason> {
        let defence = &self.access.defence;
        let verdict = defence.verdict(&tried.target, now);
        if verdict == Verdict::Blocked {
            return Err(RefusalReason::Blocked);
        }
        let Known { block, record } = self.look_up(tried, now).await.ok_or(RefusalReason::Unavailable)?;
        if let Some(block) = block {
            defence.adopt(&tried.target, block.until, now);
            return Err(RefusalReason::Blocked);
        }
        if verdict == Verdict::BlockedIfKept {
            defence.forgive(&tried.target);
        }
        Ok(record)
    }

    /// `None`: the store does not answer, and nobody is let in on a guess.
    async fn look_up(&self, tried: &Tried, now: Timestamp) -> Option<Known> {
        let address = tried.target.source.to_string();
        let question = Question {
            login: tried.login.as_ref(),
            blocked_address: &address,
            blocked_login: &tried.target.login,
            now,
        };
        let problem = match tokio::time::timeout(LONGEST_LOOKUP, self.access.accounts.look_up(question)).await {
            Ok(Ok(known)) => return Some(known),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "no answer in time".to_owned(),
        };
        if let Some(refused) = self.access.store_fails.tell(now) {
            tracing::error!(problem, refused, "Accounts cannot be read: sign-ins are refused until they can");
        }
        None
    }

    /// Reads the login of a query or an attempt; another than before drops what was proven.
    fn tried(&mut self, login: &str) -> Tried {
        let shown = shown(login, LOGIN_CHARS);
        let login = LoginName::parse(login).ok();
        let key = login.as_ref().map_or_else(|| shown.to_lowercase(), |login| login.folded().to_owned());
        if self.factors.as_ref().is_some_and(|factors| factors.login != key) {
            self.factors = None;
        }
        let source = Source::from(self.connection.peer.ip());
        Tried { login, shown, target: Target { source, login: key } }
    }

    fn record(&self, tried: &Tried, of: Option<Attempt>, outcome: &str) {
        let now = self.access.clock.now();
        let attempt = SignInAttempt {
            account: of.as_ref().map(|of| of.account),
            login: tried.shown.clone(),
            address: self.connection.peer.ip().to_canonical().to_string(),
            connection_type: self.connection.connection_type,
            client: self.client.to_string(),
            algorithms: self.algorithms.clone(),
            outcome: outcome.to_owned(),
            first_at: now,
            last_at: now,
            count: 1,
        };
        match of {
            Some(of) => self.access.records.push_attempt(attempt, of),
            None => self.access.records.push(Record::Attempt(attempt)),
        }
    }

    fn record_use(&self, credential: CredentialId, now: Timestamp) {
        let address = self.connection.peer.ip().to_canonical().to_string();
        self.access.records.push_use(credential, LastUse { at: now, address, client: self.client.to_string() });
    }
}

/// Waits until the next whole multiple of `delay` since the attempt began.
///
/// The attack: telling refusals apart by their time. The work is equal, but the store's cache, an older hash's
/// parameters or a remembered password are not; on a grid, answers that took 80 and 120 ms leave at the same moment. It
/// also slows guessing down. At most one `delay` is added, and one connection has one attempt under way at a time, so
/// the number of waiting answers is that of connections not signed in.
async fn hold_back(began: Instant, delay: Duration) {
    if delay.is_zero() {
        return;
    }
    let steps = began.elapsed().as_nanos() / delay.as_nanos() + 1;
    let total = delay.saturating_mul(u32::try_from(steps).unwrap_or(u32::MAX));
    if let Some(until) = began.checked_add(total) {
        tokio::time::sleep_until(until).await;
    }
}
