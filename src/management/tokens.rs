//! Tokens of the management API: shown once, kept as a hash, dated.
//!
//! The free functions are the same use cases for the command line, which makes the first token with the store alone.

use std::time::Duration;

use crate::credentials::ApiToken;
use crate::domain::{AccountName, AuditAction, Clock, Random, Secret, Timestamp, TokenId, TokenScope};
use crate::store::{Store, StoreError, Token};

use super::changing::{Change, Changing};
use super::error::sentence;
use super::{Management, ManagementError, Operator};

/// How often the use of a token is written down, at most: pollers call many times a minute.
const TOUCH_EVERY: Duration = Duration::from_secs(60);

/// What a token is made from.
#[derive(Debug, Clone)]
pub struct NewToken {
    /// By which records tell who acted.
    pub name: String,
    pub scope: TokenScope,
    pub expires_at: Option<Timestamp>,
}

/// A token without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenInfo {
    pub id: TokenId,
    pub name: String,
    pub scope: TokenScope,
    pub created_at: Timestamp,
    pub expires_at: Option<Timestamp>,
    pub last_used_at: Option<Timestamp>,
}

/// A token that was just made, with its secret: the one time that it is shown.
#[derive(Debug)]
pub struct CreatedToken {
    pub info: TokenInfo,
    pub secret: Secret<String>,
}

impl NewToken {
    /// One that may do everything, without end.
    pub fn named(name: &str) -> Self {
        Self { name: name.to_owned(), scope: TokenScope::default(), expires_at: None }
    }
}

impl From<Token> for TokenInfo {
    fn from(token: Token) -> Self {
        let Token { id, name, hash: _, scope, created_at, expires_at, last_used_at } = token;
        Self { id, name, scope, created_at, expires_at, last_used_at }
    }
}

impl Management {
    /// Whose request this is, by the text of its bearer token. `None`: nobody's that we know, or no longer.
    ///
    /// The checksum inside the token spares the store a lookup for texts that never were tokens. The lookup is by the
    /// token's hash: how long the comparison takes tells something about a hash, from which nobody can work back to a
    /// token, so it need not be in constant time.
    pub async fn authenticate(&self, bearer: &str) -> Result<Option<Operator>, ManagementError> {
        let Ok(token) = ApiToken::parse(bearer) else { return Ok(None) };
        let now = self.clock.now();
        let Some(known) = self.store.read().await?.tokens().find_by_hash(&token.hash()).await? else {
            return Ok(None);
        };
        if known.expires_at.is_some_and(|end| end <= now) {
            return Ok(None);
        }
        if known.last_used_at.is_none_or(|last| now.since(last) >= TOUCH_EVERY)
            && let Err(problem) = self.note_use(known.id, now).await
        {
            // On a full disk, say, an operator must still be able to look, and to remove what fills it.
            tracing::warn!(token = %known.id, %problem, "That a token was used could not be noted");
        }
        Ok(Some(Operator::of_token(known.id, &known.name, known.scope)))
    }

    async fn note_use(&self, token: TokenId, now: Timestamp) -> Result<(), StoreError> {
        let mut unit = self.store.write().await?;
        unit.tokens().touch(token, now).await?;
        unit.commit().await
    }

    pub async fn create_token(&self, operator: &Operator, new: NewToken) -> Result<CreatedToken, ManagementError> {
        operator.sees_all()?;
        operator.may_change()?;
        // Its name follows the rules of every name that people read.
        if let Err(problem) = AccountName::parse(&new.name) {
            return Err(ManagementError::invalid("name", "malformed", sentence(&problem)));
        }
        if new.expires_at.is_some_and(|end| end <= self.clock.now()) {
            return Err(ManagementError::invalid("expires_at", "in_the_past", "A token ends in the future, or never."));
        }
        if let Some(instance) = new.scope.instance
            && self.store.read().await?.instances().find(instance).await?.is_none()
        {
            return Err(ManagementError::invalid("scope.instance", "unknown", "There is no such instance."));
        }
        let (token, secret) = create(&self.store, operator, &new, &*self.clock, &*self.random).await?;
        tracing::info!(%operator, token = %token.id, name = ?token.name, "Created a token of the API");
        Ok(CreatedToken { info: token.into(), secret: Secret::new(secret.expose().to_owned()) })
    }

    pub async fn list_tokens(&self, operator: &Operator) -> Result<Vec<TokenInfo>, ManagementError> {
        operator.sees_all()?;
        Ok(list(&self.store).await?.into_iter().map(TokenInfo::from).collect())
    }

    pub async fn revoke_token(&self, operator: &Operator, id: TokenId) -> Result<(), ManagementError> {
        operator.sees_all()?;
        operator.may_change()?;
        if !revoke(&self.store, operator, id, &*self.clock, &*self.random).await? {
            return Err(ManagementError::NotFound { what: "token" });
        }
        tracing::info!(%operator, token = %id, "Revoked a token of the API");
        Ok(())
    }
}

/// Makes a token; the second value is the only time that its secret is to be had.
pub async fn create(
    store: &Store,
    operator: &Operator,
    new: &NewToken,
    clock: &dyn Clock,
    random: &dyn Random,
) -> Result<(Token, ApiToken), StoreError> {
    let secret = ApiToken::generate(random);
    let now = clock.now();
    let token = Token {
        id: TokenId::new(now, random),
        name: new.name.clone(),
        hash: secret.hash(),
        scope: new.scope,
        created_at: now,
        expires_at: new.expires_at,
        last_used_at: None,
    };
    let mut unit = Changing::begin(store, operator, clock, random).await?;
    unit.tokens().insert(&token).await?;
    unit.commit([Change::created(AuditAction::TokenCreated, &token)]).await?;
    Ok((token, secret))
}

/// All tokens, without their secrets.
pub async fn list(store: &Store) -> Result<Vec<Token>, StoreError> {
    store.read().await?.tokens().list().await
}

/// Ends a token at once. False: there was none of this id.
pub async fn revoke(
    store: &Store,
    operator: &Operator,
    id: TokenId,
    clock: &dyn Clock,
    random: &dyn Random,
) -> Result<bool, StoreError> {
    let mut unit = Changing::begin(store, operator, clock, random).await?;
    let Some(token) = unit.tokens().find(id).await? else { return Ok(false) };
    unit.tokens().remove(id).await?;
    unit.commit([Change::removed(AuditAction::TokenRevoked, &token)]).await?;
    Ok(true)
}
