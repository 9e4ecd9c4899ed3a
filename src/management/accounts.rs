//! Accounts: created under a preset, changed, removed into the trash.

use crate::domain::random::PASSWORD_ALPHABET;
use crate::domain::{
    Account, AccountId, AccountName, AccountState, AddressRange, AuditAction, AuthenticationRule, CloseNotify,
    ConnectionType, ConnectionTypes, Credential, CredentialId, CredentialKind, Hosting, Instance, InstanceId,
    LoginName, Preset, PresetName, PublicKey, Quota, QuotaChange, RemoteFolder, Secret, Timestamp, TlsResumption,
    Validity,
};
use crate::sessions::EndReason;
use crate::store::{self, Burial, Conflict, StoreError, Unit};
use crate::vfs::TreeOwner;

use super::changing::{Change, Changing};
use super::credentials::label_of;
use super::folders::NewFolder;
use super::operator::account_for;
use super::shapes::WholeAccount;
use super::{Management, ManagementError, Operator, Page, PageRequest};

/// The length of a generated password: 24 of 59 characters are 141 bits.
pub(super) const GENERATED_PASSWORD_LENGTH: usize = 24;
/// How often a login is made anew when chance hits one that is taken (31⁷ per instance).
const LOGIN_TRIES: usize = 5;

pub(super) const NO_SUCH: ManagementError = ManagementError::NotFound { what: "account" };

/// What an account is made from. What is `None` comes from the preset.
#[derive(Debug, Clone)]
pub struct NewAccount {
    pub name: AccountName,
    pub preset: PresetName,
    /// Made by the preset's pattern when `None`.
    pub login: Option<LoginName>,
    pub password: Option<Secret<String>>,
    pub generate_password: bool,
    pub public_keys: Vec<PublicKey>,
    pub connection_types: Option<ConnectionTypes>,
    pub host: Option<String>,
    pub authentication: AuthenticationRule,
    pub state: AccountState,
    pub expires_at: Option<Timestamp>,
    pub allowed_addresses: Vec<AddressRange>,
    pub close_notify: Option<CloseNotify>,
    pub tls_resumption: Option<TlsResumption>,
    pub quota: Quota,
    pub folders: Option<Vec<NewFolder>>,
}

/// An account that was just made.
#[derive(Debug)]
pub struct CreatedAccount {
    pub account: Account,
    pub folders: Vec<RemoteFolder>,
    /// A generated password: this is the one time that it is shown.
    pub password: Option<Secret<String>>,
}

/// What to change of an account; `None` stays as it is.
#[derive(Debug, Clone, Default)]
pub struct AccountChanges {
    pub name: Option<AccountName>,
    pub login: Option<LoginName>,
    pub host: Option<String>,
    pub connection_types: Option<ConnectionTypes>,
    pub authentication: Option<AuthenticationRule>,
    pub state: Option<AccountState>,
    /// `Some(None)`: it never expires.
    pub expires_at: Option<Option<Timestamp>>,
    pub allowed_addresses: Option<Vec<AddressRange>>,
    /// `Some(None)`: as the preset says.
    pub close_notify: Option<Option<CloseNotify>>,
    /// `Some(None)`: as the preset says.
    pub tls_resumption: Option<Option<TlsResumption>>,
    pub quota: QuotaChange,
}

/// Which accounts to list; what is `None` does not matter.
#[derive(Debug, Clone, Default)]
pub struct AccountFilter {
    pub instance: Option<InstanceId>,
    pub preset: Option<PresetName>,
    /// A part of the name or login, without case.
    pub search: Option<String>,
}

impl Management {
    /// Creates an account with its credentials and folders, all or nothing.
    pub async fn create_account(
        &self,
        operator: &Operator,
        instance: InstanceId,
        new: NewAccount,
    ) -> Result<CreatedAccount, ManagementError> {
        operator.may_change()?;
        let instance = self.find_instance(operator, instance).await?;
        let errors = self.check_new_account(&new);
        if !errors.is_empty() {
            return Err(ManagementError::Invalid(errors));
        }
        let preset = self.preset_named(&new.preset).map_err(|error| ManagementError::Invalid(vec![error]))?;
        let generated =
            new.generate_password.then(|| Secret::new(self.random.text(GENERATED_PASSWORD_LENGTH, PASSWORD_ALPHABET)));
        let password_hash = match new.password.as_ref().or(generated.as_ref()) {
            Some(password) => Some(self.passwords.hash(password.clone()).await?),
            None => None,
        };
        let mut account = self.draft_account(&instance, preset, &new)?;
        let folders = self.draft_folders(account.id, preset, &new);
        let credentials = self.draft_credentials(account.id, password_hash, &new.public_keys);

        // The directories first: an account that can be seen has its folders. A crash before the rows are written
        // leaves empty directories under an id that nobody has.
        let owner = TreeOwner::new(instance.id, account.id, folders);
        self.storage.prepare(&owner).await.map_err(ManagementError::of_path)?;
        let mut tries = LOGIN_TRIES;
        let outcome = loop {
            tries -= 1;
            match self.insert_account(operator, &account, &owner.folders, &credentials).await {
                Err(StoreError::Conflict(Conflict::Login)) if new.login.is_none() && tries > 0 => {
                    account.login = self.generate_login(preset, &instance)?;
                }
                outcome => break outcome,
            }
        };
        if let Err(error) = outcome {
            // Nothing but empty directories; that they cannot be put away is worth a line, not another error.
            if let Err(problem) = self.storage.trash_account(instance.id, account.id).await {
                tracing::warn!(account = %account.id, %problem, "Empty directories of a refused account stay");
            }
            return Err(error.into());
        }
        tracing::info!(%operator, instance = %instance.id, account = %account.id, login = %account.login,
            preset = %new.preset, "Created an account");
        Ok(CreatedAccount { account, folders: owner.folders, password: generated })
    }

    /// With its folders, by path.
    pub async fn find_account(
        &self,
        operator: &Operator,
        id: AccountId,
    ) -> Result<(Account, Vec<RemoteFolder>), ManagementError> {
        let mut reader = self.store.read().await?;
        let account = account_for(operator, reader.accounts(), id).await?;
        let folders = reader.folders().of_account(id).await?;
        Ok((account, folders))
    }

    pub async fn find_account_by_login(
        &self,
        operator: &Operator,
        login: &LoginName,
    ) -> Result<Option<(Account, Vec<RemoteFolder>)>, ManagementError> {
        let mut reader = self.store.read().await?;
        let found = reader.accounts().find_by_login(login).await?;
        let Some(account) = found.filter(|account| operator.sees(account.instance)) else { return Ok(None) };
        let folders = reader.folders().of_account(account.id).await?;
        Ok(Some((account, folders)))
    }

    /// Those that the operator sees, by creation.
    pub async fn list_accounts(
        &self,
        operator: &Operator,
        filter: AccountFilter,
        page: &PageRequest,
    ) -> Result<Page<Account>, ManagementError> {
        let page = page.checked()?;
        let AccountFilter { instance, preset, search } = filter;
        if instance.is_some_and(|instance| !operator.sees(instance)) {
            return Ok(Page { items: Vec::new(), next: None });
        }
        let instance = instance.or(operator.instance());
        let filter = store::AccountFilter { instance, preset, search };
        Ok(self.store.read().await?.accounts().list(&filter, &page).await?.into())
    }

    /// Changes an account. Its files stay where they are, whatever changes; the sessions that it may no longer have
    /// end.
    pub async fn change_account(
        &self,
        operator: &Operator,
        id: AccountId,
        changes: AccountChanges,
    ) -> Result<Account, ManagementError> {
        let now = self.clock.now();
        let quota_changing = match changes.quota == QuotaChange::default() {
            true => None,
            false => Some(self.storage.begin_quota_change().await),
        };
        let mut unit = self.change(operator).await?;
        let before = account_for(operator, unit.accounts(), id).await?;
        let errors = self.check_changes(&before, &changes);
        if !errors.is_empty() {
            return Err(ManagementError::Invalid(errors));
        }
        let AccountChanges {
            name,
            login,
            host,
            connection_types,
            authentication,
            state,
            expires_at,
            allowed_addresses,
            close_notify,
            tls_resumption,
            quota,
        } = changes;
        let after = Account {
            name: name.unwrap_or_else(|| before.name.clone()),
            login: login.unwrap_or_else(|| before.login.clone()),
            host: host.unwrap_or_else(|| before.host.clone()),
            connection_types: connection_types.unwrap_or(before.connection_types),
            authentication: authentication.unwrap_or(before.authentication),
            state: state.unwrap_or(before.state),
            expires_at: expires_at.unwrap_or(before.expires_at),
            allowed_addresses: allowed_addresses.unwrap_or_else(|| before.allowed_addresses.clone()),
            close_notify: close_notify.unwrap_or(before.close_notify),
            tls_resumption: tls_resumption.unwrap_or(before.tls_resumption),
            quota: before.quota.changed(quota),
            updated_at: now,
            ..before.clone()
        };
        if !unit.accounts().update(&after).await? {
            return Err(NO_SUCH);
        }
        unit.commit([Change::changed(AuditAction::AccountChanged, &before, &after)]).await?;
        if let Some(changing) = quota_changing {
            changing.to(after.instance, id, after.quota(&self.presets));
        }
        self.access.account_changed(id);
        let ended = self.end_sessions_no_longer_allowed(&before, &after, now);
        tracing::info!(%operator, account = %id, sessions_ended = ended, "Changed an account");
        Ok(after)
    }

    /// Removes an account with its credentials and folders; its files go to the trash.
    pub async fn remove_account(&self, operator: &Operator, id: AccountId) -> Result<(), ManagementError> {
        let mut unit = self.change(operator).await?;
        let account = account_for(operator, unit.accounts(), id).await?;
        let change = Self::remove_account_row(&mut unit, &account).await?;
        unit.commit([change]).await?;
        tracing::info!(%operator, instance = %account.instance, account = %id, "Removed an account");
        self.bury_account(Burial { account: id, instance: account.instance }).await;
        Ok(())
    }

    /// Removes an account's row with those of its credentials and folders; what to record of it.
    pub(super) async fn remove_account_row(unit: &mut Unit, account: &Account) -> Result<Change, StoreError> {
        let folders = unit.folders().of_account(account.id).await?;
        let credentials = unit.credentials().of_account(account.id).await?;
        unit.accounts().remove(account.id).await?;
        let whole = WholeAccount { account, folders: &folders, credentials: &credentials };
        Ok(Change::removed(AuditAction::AccountRemoved, &whole))
    }

    /// Ends what the changed account would not be given again; says how many sessions that were.
    fn end_sessions_no_longer_allowed(&self, before: &Account, after: &Account, now: Timestamp) -> usize {
        let closed = after.state == AccountState::Disabled || after.is_expired(now);
        if closed || before.login.as_str() != after.login.as_str() {
            return self.registry.disconnect_account(after.id, EndReason::AccountChanged);
        }
        let stricter = after.ftp_rules(&self.presets).refuse_what_passed(before.ftp_rules(&self.presets));
        let allowed = |session: &crate::sessions::SessionInfo| {
            after.connection_types.contains(session.connection_type)
                && after.allows_address(session.address)
                && !(stricter && session.connection_type != ConnectionType::Sftp)
        };
        let sessions = self.registry.list();
        let barred = sessions.iter().filter(|session| session.account == after.id && !allowed(session));
        barred.filter(|session| self.registry.disconnect(session.id, EndReason::AccountChanged)).count()
    }

    fn draft_account(
        &self,
        instance: &Instance,
        preset: &Preset,
        new: &NewAccount,
    ) -> Result<Account, ManagementError> {
        let now = self.clock.now();
        let login = match &new.login {
            Some(login) => login.clone(),
            None => self.generate_login(preset, instance)?,
        };
        Ok(Account {
            id: AccountId::new(now, &*self.random),
            instance: instance.id,
            name: new.name.clone(),
            login,
            hosting: Hosting::Hosted { preset: new.preset.clone(), version: preset.version },
            host: new.host.clone().unwrap_or_else(|| preset.host.clone()),
            connection_types: new.connection_types.unwrap_or(preset.default_connection_types),
            authentication: new.authentication,
            state: new.state,
            expires_at: new.expires_at,
            allowed_addresses: new.allowed_addresses.clone(),
            close_notify: new.close_notify,
            tls_resumption: new.tls_resumption,
            quota: new.quota,
            created_at: now,
            updated_at: now,
        })
    }

    fn draft_folders(&self, account: AccountId, preset: &Preset, new: &NewAccount) -> Vec<RemoteFolder> {
        let wanted: Vec<NewFolder> = match &new.folders {
            Some(folders) => folders.clone(),
            None => preset.folders.iter().cloned().map(NewFolder::from).collect(),
        };
        wanted.into_iter().map(|folder| self.draft_folder(account, folder)).collect()
    }

    fn draft_credentials(&self, account: AccountId, password: Option<String>, keys: &[PublicKey]) -> Vec<Credential> {
        let password = password.map(|hash| (CredentialKind::Password { hash }, String::new()));
        let keys = keys.iter().map(|key| (CredentialKind::PublicKey(key.clone()), label_of(key)));
        let now = self.clock.now();
        let credential = |(kind, label)| Credential {
            id: CredentialId::new(now, &*self.random),
            account,
            kind,
            label,
            validity: Validity::default(),
            created_at: now,
            last_use: None,
        };
        password.into_iter().chain(keys).map(credential).collect()
    }

    fn generate_login(&self, preset: &Preset, instance: &Instance) -> Result<LoginName, ManagementError> {
        preset
            .generate_login(&instance.key, &*self.random)
            .map_err(|problem| ManagementError::Internal(Box::new(problem)))
    }

    /// All rows of a new account in one transaction; whether the operator may was asked at the beginning.
    async fn insert_account(
        &self,
        operator: &Operator,
        account: &Account,
        folders: &[RemoteFolder],
        credentials: &[Credential],
    ) -> Result<(), StoreError> {
        let mut unit = Changing::begin(&self.store, operator, &*self.clock, &*self.random).await?;
        unit.accounts().insert(account).await?;
        for folder in folders {
            unit.folders().insert(folder).await?;
        }
        for credential in credentials {
            unit.credentials().insert(credential).await?;
        }
        unit.commit([Change::created(AuditAction::AccountCreated, &WholeAccount { account, folders, credentials })])
            .await
    }
}
