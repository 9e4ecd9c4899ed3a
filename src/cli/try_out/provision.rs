//! The demo instance and its accounts: one for each preset, and the one that was asked for before them.

use std::collections::{BTreeMap, HashSet};

use super::AccountGiven;
use super::secrets::Secrets;
use crate::cli::CommandError;
use crate::domain::preset::CredentialMethod;
use crate::domain::{
    Account, AccountName, AccountState, AuthenticationRule, ConnectionTypes, FolderName, FolderRules, InstanceId,
    InstanceKey, InstanceName, LoginName, Preset, PresetName, PublicKey, Quota, RemoteFolder, Rights, Secret,
    VirtualPath,
};
use crate::management::{Management, ManagementError, NewAccount, NewFolder, NewInstance, Operator};

/// The preset of the account that everything is tried with first.
const FIRST_PRESET: &str = "lucca";
const DEFAULT_FOLDER: &str = "/inbox";

/// An account that there should be.
pub(super) struct Wanted {
    pub(super) preset: PresetName,
    pub(super) name: AccountName,
    pub(super) login: LoginName,
    pub(super) password: WantedPassword,
    pub(super) public_keys: Vec<PublicKey>,
    pub(super) connection_types: Option<ConnectionTypes>,
    pub(super) folders: Option<Vec<(FolderName, VirtualPath)>>,
}

/// What an account's password is to be.
pub(super) enum WantedPassword {
    None,
    Generated,
    Given(Secret<String>),
}

/// An account that there is.
pub(super) struct Provisioned {
    pub(super) preset: PresetName,
    pub(super) account: Account,
    pub(super) folders: Vec<RemoteFolder>,
    pub(super) password: Option<String>,
    pub(super) takes_key: bool,
}

/// The accounts of `try`, in the order in which they are told. The first speaks every connection type and has a folder that
/// it may do everything in.
pub(super) fn accounts(
    presets: &BTreeMap<PresetName, Preset>,
    given: Option<&AccountGiven>,
    folder: Option<&VirtualPath>,
    key: &PublicKey,
) -> Vec<Wanted> {
    let mut wanted = Vec::new();
    let mut logins = HashSet::new();
    if let Some(AccountGiven { login, password }) = given {
        logins.insert(login.folded().to_owned());
        wanted.push(Wanted {
            preset: PresetName::parse(FIRST_PRESET).expect("the name of a built-in preset"),
            name: label("Try"),
            login: login.clone(),
            password: WantedPassword::Given(password.clone()),
            public_keys: vec![key.clone()],
            connection_types: Some(ConnectionTypes::all()),
            folders: Some(vec![inbox(folder)]),
        });
    }
    let (first, others): (Vec<_>, Vec<_>) = presets.iter().partition(|(name, _)| name.as_str() == FIRST_PRESET);
    for (name, preset) in first.into_iter().chain(others) {
        let takes = |method| preset.credentials.contains(&method);
        let is_first = wanted.is_empty();
        wanted.push(Wanted {
            preset: name.clone(),
            name: label(&format!("Demo {}", preset.label.en.chars().take(80).collect::<String>())),
            login: demo_login(name, preset, &mut logins),
            password: if takes(CredentialMethod::Password) { WantedPassword::Generated } else { WantedPassword::None },
            public_keys: if takes(CredentialMethod::PublicKey) { vec![key.clone()] } else { Vec::new() },
            connection_types: is_first.then(ConnectionTypes::all),
            // A preset without folders would leave its account with nothing to see.
            folders: (is_first || preset.folders.is_empty()).then(|| vec![inbox(folder.filter(|_| is_first))]),
        });
    }
    wanted
}

/// `demo`, behind the preset's prefix; always the same, so that a later start finds it.
fn demo_login(name: &PresetName, preset: &Preset, taken: &mut HashSet<String>) -> LoginName {
    let prefix = &preset.login_prefix;
    [format!("{prefix}demo"), format!("{prefix}{name}-demo")]
        .iter()
        .filter_map(|login| LoginName::parse(login).ok())
        .find(|login| taken.insert(login.folded().to_owned()))
        .expect("a valid preset's prefix makes logins, and no two presets have one name")
}

fn inbox(folder: Option<&VirtualPath>) -> (FolderName, VirtualPath) {
    let path = folder.cloned().unwrap_or_else(|| VirtualPath::parse(DEFAULT_FOLDER).expect("a path of this program"));
    let name = path.name().and_then(|name| FolderName::parse(name.as_str()).ok());
    let name = name.unwrap_or_else(|| FolderName::parse("Inbox").expect("a name of this program"));
    (name, path)
}

fn label(text: &str) -> AccountName {
    AccountName::parse(text.trim()).unwrap_or_else(|_| AccountName::parse("Demo").expect("a name of this program"))
}

/// Makes what is not there yet; passwords that had to be made are remembered in `secrets`.
pub(super) async fn provision(
    management: &Management,
    wanted: Vec<Wanted>,
    secrets: &mut Secrets,
) -> Result<Vec<Provisioned>, CommandError> {
    let operator = Operator::named("try");
    let instance = demo_instance(management, &operator).await?;
    let mut accounts = Vec::new();
    for wanted in wanted {
        let provisioned = match management.find_account_by_login(&operator, &wanted.login).await? {
            Some((account, folders)) => keep(management, &operator, wanted, account, folders, secrets).await?,
            None => create(management, &operator, instance, wanted, secrets).await?,
        };
        accounts.push(provisioned);
    }
    Ok(accounts)
}

async fn demo_instance(management: &Management, operator: &Operator) -> Result<InstanceId, ManagementError> {
    let key = InstanceKey::parse("demo").expect("a key of this program");
    if let Some(instance) = management.find_instance_by_key(operator, &key).await? {
        return Ok(instance.id);
    }
    let name = InstanceName::parse("Demo").expect("a name of this program");
    Ok(management.create_instance(operator, NewInstance { key, name }).await?.id)
}

async fn create(
    management: &Management,
    operator: &Operator,
    instance: InstanceId,
    wanted: Wanted,
    secrets: &mut Secrets,
) -> Result<Provisioned, CommandError> {
    let (given, generate) = match wanted.password {
        WantedPassword::None => (None, false),
        WantedPassword::Generated => (None, true),
        WantedPassword::Given(password) => (Some(password), false),
    };
    let takes_key = !wanted.public_keys.is_empty();
    let folder = |(name, path)| NewFolder { name, path, rights: Rights::all(), rules: FolderRules::default() };
    let new = NewAccount {
        name: wanted.name,
        preset: wanted.preset.clone(),
        login: Some(wanted.login),
        password: given.clone(),
        generate_password: generate,
        public_keys: wanted.public_keys,
        connection_types: wanted.connection_types,
        host: None,
        authentication: AuthenticationRule::default(),
        state: AccountState::default(),
        expires_at: None,
        allowed_addresses: Vec::new(),
        close_notify: None,
        tls_resumption: None,
        quota: Quota::default(),
        folders: wanted.folders.map(|folders| folders.into_iter().map(folder).collect()),
    };
    let created = management.create_account(operator, instance, new).await?;
    let password = created.password.or(given).map(|password| password.expose().clone());
    if let Some(password) = &password {
        secrets.passwords.insert(created.account.login.folded().to_owned(), password.clone());
    }
    Ok(Provisioned { preset: wanted.preset, account: created.account, folders: created.folders, password, takes_key })
}

/// An account of an earlier start: its password is the remembered one, unless another was given now or none is known.
async fn keep(
    management: &Management,
    operator: &Operator,
    wanted: Wanted,
    account: Account,
    folders: Vec<RemoteFolder>,
    secrets: &mut Secrets,
) -> Result<Provisioned, CommandError> {
    let login = account.login.folded().to_owned();
    let remembered = secrets.passwords.get(&login).cloned();
    let password = match wanted.password {
        WantedPassword::None => None,
        WantedPassword::Generated if remembered.is_some() => remembered,
        WantedPassword::Given(given) if remembered.as_ref() == Some(given.expose()) => remembered,
        wanted => {
            let new = match wanted {
                WantedPassword::Given(given) => given,
                _ => Secret::new(new_password()),
            };
            management.set_password(operator, account.id, new.clone()).await?;
            secrets.passwords.insert(login, new.expose().clone());
            Some(new.expose().clone())
        }
    };
    let takes_key = !wanted.public_keys.is_empty();
    Ok(Provisioned { preset: wanted.preset, account, folders, password, takes_key })
}

fn new_password() -> String {
    use crate::domain::random::PASSWORD_ALPHABET;
    use crate::domain::{OsRandom, Random};
    let random: &dyn Random = &OsRandom;
    random.text(24, PASSWORD_ALPHABET)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn key() -> PublicKey {
        let place = tempfile::tempdir().unwrap();
        super::super::key::DemoKey::load_or_create(place.path(), &crate::domain::OsRandom).unwrap().public
    }

    #[test]
    fn there_is_an_account_for_each_preset_and_luccas_comes_first() {
        let wanted = accounts(&Config::default().presets, None, None, &key());
        let logins: Vec<&str> = wanted.iter().map(|account| account.login.as_str()).collect();
        assert_eq!(logins, ["demo", "epaye-demo", "mprh-demo"]);
        assert_eq!(wanted[0].connection_types, Some(ConnectionTypes::all()));
        assert_eq!(wanted[0].folders.as_ref().unwrap()[0].1.as_str(), "/inbox");
        // The others show what their preset brings.
        assert!(wanted[1].folders.is_none() && wanted[1].connection_types.is_none());
    }

    #[test]
    fn the_account_that_was_asked_for_comes_first() {
        let given: AccountGiven = "bench:secret".parse().unwrap();
        let folder = VirtualPath::parse("/a/bench").unwrap();
        let wanted = accounts(&Config::default().presets, Some(&given), Some(&folder), &key());
        assert_eq!(wanted.len(), 4);
        assert_eq!(wanted[0].login.as_str(), "bench");
        assert_eq!(wanted[0].preset.as_str(), "lucca");
        assert_eq!(wanted[0].folders.as_ref().unwrap()[0], (FolderName::parse("bench").unwrap(), folder));
        // Lucca's demo account still has something to see.
        assert_eq!(wanted[1].folders.as_ref().unwrap()[0].1.as_str(), "/inbox");
    }

    #[test]
    fn logins_of_presets_with_one_prefix_differ() {
        let mut presets = Config::default().presets;
        let epaye = presets[&PresetName::parse("epaye").unwrap()].clone();
        presets.insert(PresetName::parse("epaye2").unwrap(), epaye);
        let given: AccountGiven = "DEMO:secret".parse().unwrap();
        let wanted = accounts(&presets, Some(&given), None, &key());
        let logins: HashSet<&str> = wanted.iter().map(|account| account.login.folded()).collect();
        assert_eq!(logins.len(), 5, "{logins:?}");
    }

    #[test]
    fn an_account_takes_only_what_its_preset_allows() {
        let mut presets = Config::default().presets;
        for preset in presets.values_mut() {
            preset.credentials = vec![CredentialMethod::PublicKey];
        }
        let wanted = accounts(&presets, None, None, &key());
        assert!(wanted.iter().all(|account| matches!(account.password, WantedPassword::None)));
        assert!(wanted.iter().all(|account| account.public_keys.len() == 1));
    }
}
