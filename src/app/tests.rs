//! The stop, seen from outside: what was begun is finished, what happened is written down.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use super::maintenance::Maintenance;
use super::{App, Foundations, Listeners, RunningApp};
use crate::access::{Connection, Outcome, Proof};
use crate::config::Config;
use crate::domain::{
    AccountState, AuthenticationRule, Clock, ConnectionType, FolderRules, ManualClock, Quota, ReadySet, Retention,
    RetentionAction, Secret, SystemClock,
};
use crate::management::{
    CreatedAccount, Management, NewAccount, NewFolder, NewInstance, NewToken, NewWebhook, Operator,
};
use crate::store::{PageRequest, SignInFilter, Store};

const PATIENCE: Duration = Duration::from_secs(30);

fn config(directory: &std::path::Path) -> Config {
    let mut config = Config::on_loopback(directory);
    (config.passwords.memory_kib, config.passwords.iterations) = (64, 1);
    config.access.refusal_delay = Duration::ZERO;
    config.ftp.listeners.clear();
    config
}

/// With the folder `/in`.
async fn account(app: &RunningApp) -> CreatedAccount {
    account_of(app.management(), FolderRules::default()).await
}

/// With the folder `/in`, which has these rules.
async fn account_of(management: &Management, rules: FolderRules) -> CreatedAccount {
    let operator = Operator::named("tests");
    let instance = NewInstance { key: "acme".parse().unwrap(), name: "ACME".parse().unwrap() };
    let instance = management.create_instance(&operator, instance).await.unwrap();
    let folder = NewFolder {
        name: "In".parse().unwrap(),
        path: "/in".parse().unwrap(),
        rights: ReadySet::ReadWrite.rights(),
        rules,
    };
    let new = NewAccount {
        name: "Paie".parse().unwrap(),
        preset: "lucca".parse().unwrap(),
        login: None,
        password: None,
        generate_password: true,
        public_keys: Vec::new(),
        connection_types: None,
        host: None,
        authentication: AuthenticationRule::default(),
        state: AccountState::Enabled,
        expires_at: None,
        allowed_addresses: Vec::new(),
        close_notify: None,
        tls_resumption: None,
        quota: Quota::default(),
        folders: Some(vec![folder]),
    };
    management.create_account(&operator, instance.id, new).await.unwrap()
}

/// Waits until nobody listens there any more.
async fn until_closed(address: SocketAddr) {
    let closed = async {
        while TcpStream::connect(address).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, closed).await.unwrap();
}

async fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let mut text = Vec::new();
    let read = async {
        while !String::from_utf8_lossy(&text).contains(end) {
            let byte = stream.read_u8().await.unwrap_or_else(|error| {
                panic!("{error} after {:?}, where {end:?} was to come", String::from_utf8_lossy(&text))
            });
            text.push(byte);
        }
    };
    tokio::time::timeout(PATIENCE, read).await.unwrap();
    String::from_utf8(text).unwrap()
}

#[tokio::test]
async fn a_delivery_over_the_api_may_finish_before_the_stop() {
    let directory = tempfile::tempdir().unwrap();
    let app = App::start(config(directory.path())).await.unwrap();
    let CreatedAccount { account, folders, .. } = account(&app).await;
    let token = app.management().create_token(&Operator::named("tests"), NewToken::named("tests")).await.unwrap();
    let (api, internal) = (app.api_address(), app.internal_address());

    let mut delivery = TcpStream::connect(api).await.unwrap();
    let head = format!(
        "PUT /v1/accounts/{}/folders/{}/files/paie.csv HTTP/1.1\r\nHost: gateway\r\nAuthorization: Bearer {}\r\n\
         Content-Length: 5\r\nExpect: 100-continue\r\n\r\n",
        account.id,
        folders[0].id,
        token.secret.expose()
    );
    delivery.write_all(head.as_bytes()).await.unwrap();
    // It is being taken.
    read_until(&mut delivery, "100 Continue\r\n\r\n").await;
    let stopping = tokio::spawn(app.stop());
    until_closed(api).await;
    let mut health = TcpStream::connect(internal).await.expect("health is told until the end");
    health.write_all(b"GET /readyz HTTP/1.1\r\nHost: gateway\r\n\r\n").await.unwrap();
    read_until(&mut health, "the gateway is stopping").await;

    delivery.write_all(b"douze").await.unwrap();
    assert!(read_until(&mut delivery, "\r\n\r\n").await.contains("201 Created"));
    tokio::time::timeout(PATIENCE, stopping).await.unwrap().unwrap();
}

#[tokio::test]
async fn sign_ins_are_written_down_before_the_database_closes() {
    let directory = tempfile::tempdir().unwrap();
    let config = config(directory.path());
    let app = App::start(config.clone()).await.unwrap();
    let CreatedAccount { account, .. } = account(&app).await;
    // Whoever wants to write has to wait.
    let busy = app.kept.store.write().await.unwrap();
    let connection = Connection {
        peer: "192.0.2.7:50000".parse().unwrap(),
        connection_type: ConnectionType::Sftp,
        preset: None,
        tls_resumption: crate::domain::TlsResumption::default(),
    };
    let mut sign_in = app.kept.access.admit(connection).ok().unwrap();
    let wrong = Proof::Password(Secret::new(String::from("wrong")));
    assert!(matches!(sign_in.attempt(account.login.as_str(), wrong).await, Outcome::Refused(_)));
    let internal = app.internal_address();
    let stopping = tokio::spawn(app.stop());
    until_closed(internal).await;
    busy.roll_back().await.unwrap();
    tokio::time::timeout(PATIENCE, stopping).await.unwrap().unwrap();

    let store = Store::open(&config.database).await.unwrap();
    let mut reader = store.read().await.unwrap();
    let page = PageRequest::first(10);
    let recorded = reader.sign_ins().of_account(account.id, &SignInFilter::default(), &page).await.unwrap().items;
    assert_eq!(recorded.iter().map(|row| row.outcome.as_str()).collect::<Vec<_>>(), ["wrong_password"]);
}

#[tokio::test]
async fn nothing_starts_without_the_key_that_sealed_what_the_database_holds() {
    let directory = tempfile::tempdir().unwrap();
    let config = config(directory.path());
    let app = App::start(config.clone()).await.unwrap();
    let webhook = NewWebhook {
        instance: None,
        url: "https://example.net/".parse().unwrap(),
        description: String::new(),
        kinds: None,
        enabled: true,
    };
    app.management().create_webhook(&Operator::named("tests"), webhook).await.unwrap();
    tokio::time::timeout(PATIENCE, app.stop()).await.unwrap();
    let key = config.certs_dir.join("master_key");
    let kept = config.certs_dir.join("a-copy");
    std::fs::rename(&key, &kept).unwrap();
    let Err(error) = App::start(config.clone()).await else { panic!("started") };
    assert!(error.to_string().contains("put it back from a backup"), "{error}");
    std::fs::rename(&kept, &key).unwrap();
    let app = App::start(config).await.unwrap();
    tokio::time::timeout(PATIENCE, app.stop()).await.unwrap();
}

#[tokio::test]
async fn what_is_past_its_term_goes_unless_the_clock_leapt() {
    let directory = tempfile::tempdir().unwrap();
    let config = config(directory.path());
    let clock = Arc::new(ManualClock::at(SystemClock.now()));
    let listeners = Listeners::bind(&config).unwrap();
    let foundations = Foundations { clock: clock.clone(), ..Foundations::default() };
    let app = App::open_with(config.clone(), listeners, foundations).await.unwrap();
    let retention = Some(Retention::new(7, RetentionAction::Trash).unwrap());
    let rules = FolderRules { retention, ..FolderRules::default() };
    let CreatedAccount { account, folders, .. } = account_of(app.management(), rules).await;
    let operator = Operator::named("tests");
    let file = app.management().begin_file(&operator, account.id, folders[0].id, "paie.csv", false).await.unwrap();
    file.publish().await.unwrap();
    let path = config.storage.directory.join(format!("{}/{}/in/paie.csv", account.instance, account.id));

    let maintenance = Maintenance {
        store: app.store().clone(),
        storage: app.kept.storage.clone(),
        management: app.management().clone(),
        history: config.history.clone(),
        deliveries: config.webhooks.keep,
        clock: clock.clone(),
    };
    let (end, mut resume) = (CancellationToken::new(), None);
    maintenance.round(Ok(()), &mut resume, &end).await;
    assert!(path.is_file());
    let week = Duration::from_secs(7 * 24 * 3600);
    clock.advance(week + Duration::from_secs(60));
    maintenance.round(Err(week), &mut resume, &end).await;
    assert!(path.is_file(), "whose clock leapt removes nothing");
    maintenance.round(Ok(()), &mut resume, &end).await;
    assert!(!path.exists());
    assert_eq!(std::fs::read_dir(config.storage.directory.join(".trash")).unwrap().count(), 1);
}
