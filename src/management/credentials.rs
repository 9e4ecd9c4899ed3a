//! Credentials: passwords and keys of an account, each with its dates, so that a new one is in use before the old one
//! ends.
//!
//! Removing or retiring a credential stops sign-ins with it at once; a session that is already open goes on. To end
//! sessions too, disable the account.

use crate::domain::preset::CredentialMethod;
use crate::domain::random::PASSWORD_ALPHABET;
use crate::domain::{
    Account, AccountId, AuditAction, Credential, CredentialId, CredentialKind, Hosting, LoginName, PublicKey, Secret,
    Timestamp, Validity,
};
use crate::store::Unit;

use super::accounts::GENERATED_PASSWORD_LENGTH;
use super::changing::Change;
use super::operator::account_for;
use super::shapes::CredentialOf;
use super::{FieldError, Management, ManagementError, Operator, sentence};

/// The most characters of a password.
pub const MAX_PASSWORD_CHARS: usize = 128;
/// The most passwords that are valid at one time: the one in use and the one that follows it.
pub const MAX_PASSWORDS_AT_A_TIME: usize = 2;
/// The most passwords of an account, ended ones included.
pub const MAX_PASSWORDS: usize = 20;
/// The most keys of an account.
pub const MAX_KEYS: usize = 20;
const MAX_LABEL_CHARS: usize = 100;

const NO_SUCH: ManagementError = ManagementError::NotFound { what: "credential" };

/// A password to add.
#[derive(Debug, Clone)]
pub struct NewPassword {
    /// Generated when `None`.
    pub password: Option<Secret<String>>,
    pub label: String,
    pub validity: Validity,
}

/// A key to add.
#[derive(Debug, Clone)]
pub struct NewPublicKey {
    pub key: PublicKey,
    /// The key's comment when `None`.
    pub label: Option<String>,
    pub validity: Validity,
}

/// A password that was just added.
#[derive(Debug)]
pub struct CreatedPassword {
    pub credential: Credential,
    /// When it was generated: this is the one time that it is shown.
    pub password: Option<Secret<String>>,
}

/// What to change of a credential's dates; `None` stays as it is, `Some(None)` is without end.
#[derive(Debug, Clone, Copy, Default)]
pub struct ValidityChanges {
    pub not_before: Option<Option<Timestamp>>,
    pub not_after: Option<Option<Timestamp>>,
}

impl Management {
    /// By creation.
    pub async fn list_credentials(
        &self,
        operator: &Operator,
        account: AccountId,
    ) -> Result<Vec<Credential>, ManagementError> {
        let mut reader = self.store.read().await?;
        account_for(operator, reader.accounts(), account).await?;
        Ok(reader.credentials().of_account(account).await?)
    }

    pub async fn add_password(
        &self,
        operator: &Operator,
        account: AccountId,
        new: NewPassword,
    ) -> Result<CreatedPassword, ManagementError> {
        operator.may_change()?;
        let (account, _) = self.find_account(operator, account).await?;
        let mut errors = Vec::new();
        errors.extend(self.method_problem(&account, CredentialMethod::Password, "password"));
        errors.extend(label_problem(&new.label));
        if let Some(password) = &new.password {
            errors.extend(password_problem("password", password, Some(&account.login), self.passwords.shortest()));
        }
        if !errors.is_empty() {
            return Err(ManagementError::Invalid(errors));
        }
        let generated = match new.password {
            Some(_) => None,
            None => Some(Secret::new(self.random.text(GENERATED_PASSWORD_LENGTH, PASSWORD_ALPHABET))),
        };
        let password = new.password.as_ref().or(generated.as_ref()).expect("one is given or else generated");
        // Hashed before the transaction begins: it is slow, and others wait to write.
        let hash = self.passwords.hash(password.clone()).await?;
        let credential = self.draft_credential(account.id, CredentialKind::Password { hash }, new.label, new.validity);
        self.insert_credential(operator, &credential).await?;
        tracing::info!(%operator, account = %account.id, credential = %credential.id, "Added a password");
        Ok(CreatedPassword { credential, password: generated })
    }

    pub async fn add_public_key(
        &self,
        operator: &Operator,
        account: AccountId,
        new: NewPublicKey,
    ) -> Result<Credential, ManagementError> {
        operator.may_change()?;
        let (account, _) = self.find_account(operator, account).await?;
        let mut errors = Vec::new();
        errors.extend(self.method_problem(&account, CredentialMethod::PublicKey, "public_key"));
        errors.extend(new.label.as_deref().and_then(label_problem));
        if !errors.is_empty() {
            return Err(ManagementError::Invalid(errors));
        }
        let label = new.label.unwrap_or_else(|| label_of(&new.key));
        let credential = self.draft_credential(account.id, CredentialKind::PublicKey(new.key), label, new.validity);
        self.insert_credential(operator, &credential).await?;
        tracing::info!(%operator, account = %account.id, credential = %credential.id, "Added a public key");
        Ok(credential)
    }

    /// Changes from when until when a credential may be used; an end that has come retires it at once.
    pub async fn change_credential(
        &self,
        operator: &Operator,
        account: AccountId,
        id: CredentialId,
        changes: ValidityChanges,
    ) -> Result<Credential, ManagementError> {
        let mut unit = self.change(operator).await?;
        let owner = account_for(operator, unit.accounts(), account).await?;
        let before = unit.credentials().find(id).await?.filter(|found| found.account == account).ok_or(NO_SUCH)?;
        let mut credential = before.clone();
        let not_before = changes.not_before.unwrap_or(credential.validity.not_before);
        let not_after = changes.not_after.unwrap_or(credential.validity.not_after);
        credential.validity = Validity::new(not_before, not_after)
            .map_err(|problem| ManagementError::invalid("not_after", "before_beginning", sentence(&problem)))?;
        self.check_room(&mut unit, &credential).await?;
        unit.credentials().set_validity(id, credential.validity).await?;
        let (before, after) = (CredentialOf(&owner, &before), CredentialOf(&owner, &credential));
        unit.commit([Change::changed(AuditAction::CredentialChanged, &before, &after)]).await?;
        self.access.account_changed(account);
        tracing::info!(%operator, %account, credential = %id, "Changed the dates of a credential");
        Ok(credential)
    }

    pub async fn remove_credential(
        &self,
        operator: &Operator,
        account: AccountId,
        id: CredentialId,
    ) -> Result<(), ManagementError> {
        let mut unit = self.change(operator).await?;
        let owner = account_for(operator, unit.accounts(), account).await?;
        let removed = unit.credentials().find(id).await?.filter(|found| found.account == account).ok_or(NO_SUCH)?;
        unit.credentials().remove(id).await?;
        unit.commit([Change::removed(AuditAction::CredentialRemoved, &CredentialOf(&owner, &removed))]).await?;
        self.access.account_changed(account);
        tracing::info!(%operator, %account, credential = %id, "Removed a credential");
        Ok(())
    }

    /// Makes `password` the account's only one, from now on.
    pub async fn set_password(
        &self,
        operator: &Operator,
        account: AccountId,
        password: Secret<String>,
    ) -> Result<(), ManagementError> {
        operator.may_change()?;
        let (account, _) = self.find_account(operator, account).await?;
        let problems = [
            self.method_problem(&account, CredentialMethod::Password, "password"),
            password_problem("password", &password, Some(&account.login), self.passwords.shortest()),
        ];
        let errors: Vec<FieldError> = problems.into_iter().flatten().collect();
        if !errors.is_empty() {
            return Err(ManagementError::Invalid(errors));
        }
        let hash = self.passwords.hash(password).await?;
        let kind = CredentialKind::Password { hash };
        let credential = self.draft_credential(account.id, kind, String::new(), Validity::default());
        let mut unit = self.change(operator).await?;
        let account = account_for(operator, unit.accounts(), account.id).await?;
        let mut changes = Vec::new();
        for old in unit.credentials().of_account(account.id).await? {
            if is_password(&old) {
                unit.credentials().remove(old.id).await?;
                changes.push(Change::removed(AuditAction::CredentialRemoved, &CredentialOf(&account, &old)));
            }
        }
        unit.credentials().insert(&credential).await?;
        changes.push(Change::created(AuditAction::CredentialCreated, &CredentialOf(&account, &credential)));
        unit.commit(changes).await?;
        self.access.account_changed(account.id);
        tracing::info!(%operator, account = %account.id, credential = %credential.id, "Set the password");
        Ok(())
    }

    fn draft_credential(
        &self,
        account: AccountId,
        kind: CredentialKind,
        label: String,
        validity: Validity,
    ) -> Credential {
        let now = self.clock.now();
        let id = CredentialId::new(now, &*self.random);
        Credential { id, account, kind, label, validity, created_at: now, last_use: None }
    }

    async fn insert_credential(&self, operator: &Operator, credential: &Credential) -> Result<(), ManagementError> {
        let mut unit = self.change(operator).await?;
        let account = account_for(operator, unit.accounts(), credential.account).await?;
        self.check_room(&mut unit, credential).await?;
        unit.credentials().insert(credential).await?;
        unit.commit([Change::created(AuditAction::CredentialCreated, &CredentialOf(&account, credential))]).await?;
        self.access.account_changed(credential.account);
        Ok(())
    }

    /// Whether the account has room for `credential` as it is to be, new or changed; inside the transaction that
    /// writes it, so that two requests cannot both find room for one.
    async fn check_room(&self, unit: &mut Unit, credential: &Credential) -> Result<(), ManagementError> {
        let mut others = unit.credentials().of_account(credential.account).await?;
        others.retain(|other| other.id != credential.id && is_password(other) == is_password(credential));
        if !is_password(credential) {
            return if others.len() < MAX_KEYS {
                Ok(())
            } else {
                let detail = format!("An account has at most {MAX_KEYS} keys: remove one that is no longer used.");
                Err(ManagementError::conflict("public_key", detail))
            };
        }
        if others.len() >= MAX_PASSWORDS {
            let detail = format!("An account keeps at most {MAX_PASSWORDS} passwords: remove those that ended.");
            return Err(ManagementError::conflict("password", detail));
        }
        let dates: Vec<Validity> = others.iter().chain([credential]).map(|password| password.validity).collect();
        if most_at_one_time(&dates, self.clock.now()) > MAX_PASSWORDS_AT_A_TIME {
            let detail = format!(
                "At most {MAX_PASSWORDS_AT_A_TIME} passwords are valid at one time: give an older one an end \
                 (not_after) or remove it."
            );
            return Err(ManagementError::conflict("password", detail));
        }
        Ok(())
    }

    /// Whether the account's preset has this kind of credential. A preset that is gone forbids none.
    fn method_problem(&self, account: &Account, method: CredentialMethod, field: &str) -> Option<FieldError> {
        let Hosting::Hosted { preset: name, .. } = &account.hosting;
        let offered = self.presets.get(name).is_none_or(|preset| preset.credentials.contains(&method));
        let detail = || match method {
            CredentialMethod::Password => format!("Accounts of the preset {name} have keys, no passwords."),
            CredentialMethod::PublicKey => format!("Accounts of the preset {name} have passwords, no keys."),
        };
        (!offered).then(|| FieldError::new(field, "not_offered", detail()))
    }
}

fn is_password(credential: &Credential) -> bool {
    matches!(credential.kind, CredentialKind::Password { .. })
}

/// How many of these periods include one same instant, from `now` on.
fn most_at_one_time(periods: &[Validity], now: Timestamp) -> usize {
    // The count can only rise where a period begins, so those instants are all there is to look at.
    let beginnings = periods.iter().map(|period| period.not_before.map_or(now, |begin| begin.max(now)));
    beginnings.map(|instant| periods.iter().filter(|period| period.includes(instant)).count()).max().unwrap_or(0)
}

/// What does not fit of a password that someone chose. `shortest` is the fewest characters that it may have.
pub(super) fn password_problem(
    field: &str,
    password: &Secret<String>,
    login: Option<&LoginName>,
    shortest: usize,
) -> Option<FieldError> {
    let text = password.expose();
    let length = text.chars().count();
    if length < shortest.max(1) {
        let detail = format!("A password has at least {} characters.", shortest.max(1));
        return Some(FieldError::new(field, "too_short", detail));
    }
    if length > MAX_PASSWORD_CHARS {
        let detail = format!("A password has at most {MAX_PASSWORD_CHARS} characters.");
        return Some(FieldError::new(field, "too_long", detail));
    }
    if text.chars().any(char::is_control) {
        return Some(FieldError::new(field, "malformed", "A password holds no control character or line break."));
    }
    // Guessers begin with the login: what it adds to a password is worth nothing.
    let rest = login.map_or(length, |login| text.to_ascii_lowercase().replace(login.folded(), "").chars().count());
    if rest < shortest {
        let detail = format!("A password that holds the login has at least {shortest} characters besides it.");
        return Some(FieldError::new(field, "contains_login", detail));
    }
    None
}

fn label_problem(label: &str) -> Option<FieldError> {
    let well_formed = label.chars().count() <= MAX_LABEL_CHARS && !label.chars().any(char::is_control);
    let detail = || format!("A label has at most {MAX_LABEL_CHARS} characters, and no control character.");
    (!well_formed).then(|| FieldError::new("label", "malformed", detail()))
}

/// A key's comment, made fit to be a label.
pub(super) fn label_of(key: &PublicKey) -> String {
    key.comment().chars().filter(|character| !character.is_control()).take(MAX_LABEL_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(password: &str) -> Option<&'static str> {
        let login = LoginName::parse("epaye-Acme-1").unwrap();
        password_problem("password", &Secret::new(password.to_owned()), Some(&login), 12).map(|error| error.code)
    }

    #[test]
    fn a_password_is_long_enough_without_the_login_in_it() {
        assert_eq!(problem("elevenchars"), Some("too_short"));
        assert_eq!(problem("twelve chars"), None);
        assert_eq!(problem("douze-été-éà"), None);
        assert_eq!(problem(&"x".repeat(129)), Some("too_long"));
        assert_eq!(problem("twelve\nchars"), Some("malformed"));
        assert_eq!(problem("xx-EPAYE-acme-1-xx"), Some("contains_login"));
        assert_eq!(problem("EPAYE-acme-1-and-much-more"), None);
    }

    #[test]
    fn passwords_that_never_overlap_are_one_at_a_time() {
        let day = |day: i64| Some(Timestamp::from_seconds(day * 86_400));
        let period = |from: i64, to: i64| Validity { not_before: day(from), not_after: day(to) };
        let now = Timestamp::from_seconds(0);
        assert_eq!(most_at_one_time(&[], now), 0);
        assert_eq!(most_at_one_time(&[period(1, 2), period(2, 3), period(3, 4)], now), 1);
        assert_eq!(most_at_one_time(&[period(1, 5), period(2, 3), period(2, 4)], now), 3);
        assert_eq!(most_at_one_time(&[Validity::default(), period(2, 3), Validity::default()], now), 3);
        // What has ended counts no more.
        let now = Timestamp::from_seconds(3 * 86_400);
        assert_eq!(most_at_one_time(&[Validity::default(), period(1, 3), Validity::default()], now), 2);
    }
}
