//! The program under test, started as a person would: `lucca-gateway try`.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use serde_json::Value;

use super::{Api, Database, FtpMode, TestDir, eventually};

/// How to start it.
#[derive(Default)]
pub struct Options {
    /// Added to the configuration that makes sign-ins cheap.
    pub config: String,
    /// Added to the command line.
    pub arguments: Vec<String>,
    /// With the passwords' cost as it is shipped.
    pub costly_passwords: bool,
}

/// A running gateway; killed when dropped.
pub struct Gateway {
    /// None: another start on the same folder owns it.
    folder: Option<TestDir>,
    /// Its own in the PostgreSQL of the tests, when the whole run is on that (see [`on_postgres`]).
    database: Option<Database>,
    root: PathBuf,
    child: Child,
    watchdog: Child,
    told: Value,
}

/// Argon2 with its real parameters would be most of the run time, and is tested where it lives.
const CHEAP_PASSWORDS: &str = "[passwords]\nmemory_kib = 8192\niterations = 1\nparallelism = 1\n";
const START: Duration = Duration::from_secs(60);

impl Gateway {
    /// The one that tests share when an account of their own is all they need.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Gateway> = OnceLock::new();
        SHARED.get_or_init(|| {
            let mut gateway = Self::start(&Options::default());
            // A static is never dropped: the watchdog takes the folder away.
            if let Some(folder) = gateway.folder.take() {
                folder.leave();
            }
            gateway
        })
    }

    pub fn start(options: &Options) -> Self {
        let folder = TestDir::new();
        let root = folder.path().to_path_buf();
        let mut gateway = Self::start_in(&root, on_postgres().then(Database::fresh), options);
        gateway.folder = Some(folder);
        gateway
    }

    fn start_in(root: &Path, database: Option<Database>, options: &Options) -> Self {
        let config = root.join("gateway.toml");
        let passwords = if options.costly_passwords { "" } else { CHEAP_PASSWORDS };
        let section = database.as_ref().map(|database| format!("[database]\nurl = {:?}\n", database.url));
        let text = format!("{passwords}{}{}", section.unwrap_or_default(), options.config);
        std::fs::write(&config, text).expect("the configuration");
        let json = root.join("try.json");
        let _ = std::fs::remove_file(&json);
        let log = root.join("gateway.log");
        let mut child = Command::new(env!("CARGO_BIN_EXE_lucca-gateway"))
            .arg("try")
            .args(["--sftp", "127.0.0.1:0", "--api", "127.0.0.1:0", "--internal", "127.0.0.1:0"])
            .arg("--json")
            .arg(&json)
            .arg("--data")
            .arg(root.join("data"))
            .arg("--config")
            .arg(&config)
            .args(&options.arguments)
            .env_remove("RUST_LOG")
            .current_dir(root)
            .stdin(Stdio::null())
            .stdout(File::create(root.join("stdout")).expect("a file for its output"))
            .stderr(File::options().create(true).append(true).open(&log).expect("a file for its log"))
            .spawn()
            .expect("the gateway starts");
        let watchdog = watch(&child, root);
        let told = eventually(START, "the gateway writes its JSON", || {
            if let Some(status) = child.try_wait().expect("a child that can be waited for") {
                panic!("the gateway ended ({status}):\n{}", std::fs::read_to_string(&log).unwrap_or_default());
            }
            serde_json::from_slice(&std::fs::read(&json).ok()?).ok()
        });
        Self { folder: None, database, root: root.to_path_buf(), child, watchdog, told }
    }

    /// Ends it as a power cut would, and starts it again on the same data.
    pub fn kill_and_restart(mut self, options: &Options) -> Self {
        let (folder, database) = (self.folder.take(), self.database.take());
        let root = self.root.clone();
        drop(self);
        let mut gateway = Self::start_in(&root, database, options);
        gateway.folder = folder;
        gateway
    }

    /// `kill -9`, without a word.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<std::process::ExitStatus> {
        self.child.try_wait().expect("a child that can be waited for")
    }

    /// What it wrote for programs.
    pub fn told(&self) -> &Value {
        &self.told
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn port(&self) -> u16 {
        let port = self.told["sftp"]["port"].as_u64().expect("sftp.port");
        u16::try_from(port).expect("a port")
    }

    pub fn ftp_port(&self, mode: FtpMode) -> u16 {
        let kind = match mode {
            FtpMode::Implicit => "ftps",
            FtpMode::Explicit => "ftpes",
        };
        let port = self.told[kind]["port"].as_u64().unwrap_or_else(|| panic!("{kind}.port"));
        u16::try_from(port).expect("a port")
    }

    /// The file of the authority that vouches for its certificate.
    pub fn tls_authority(&self) -> PathBuf {
        PathBuf::from(self.told["tls_ca"].as_str().expect("tls_ca"))
    }

    pub fn api(&self) -> Api {
        let text = |key: &str| self.told["api"][key].as_str().unwrap_or_else(|| panic!("api.{key}")).to_owned();
        Api::new(&text("url"), &text("token"))
    }

    /// Where the files of an account's folder are on the disk: `<storage>/<instance>/<account>/<path>`.
    pub fn directory(&self, instance: &str, account: &str, path: &str) -> PathBuf {
        let folder = &self.told["accounts"][0]["folders"][0];
        let directory = PathBuf::from(folder["directory"].as_str().expect("folders[].directory"));
        let depth = folder["path"].as_str().expect("folders[].path").split('/').filter(|part| !part.is_empty()).count();
        let storage = directory.ancestors().nth(depth + 2).expect("a storage folder").to_path_buf();
        storage.join(instance).join(account).join(path.trim_start_matches('/'))
    }

    /// Everything that it keeps.
    pub fn data(&self) -> PathBuf {
        self.root.join("data")
    }

    /// Its database.
    pub fn database_url(&self) -> String {
        match &self.database {
            Some(database) => database.url.clone(),
            None => format!("sqlite:{}", self.data().join("gateway.db").display()),
        }
    }

    /// A number that it tells about itself: the sum of the series of this name.
    pub fn metric(&self, name: &str) -> usize {
        let stdout = self.stdout();
        let health = stdout.lines().find_map(|line| line.strip_prefix("Health ")).expect("the internal listener");
        let url = health.trim().replace("/readyz", "/metrics");
        let text = reqwest::blocking::get(url).and_then(reqwest::blocking::Response::text).expect("metrics");
        let values = text.lines().filter_map(|line| {
            let (series, value) = line.rsplit_once(' ')?;
            (series.split('{').next() == Some(name)).then(|| value.parse::<usize>().expect("a whole number"))
        });
        values.sum()
    }

    pub fn stdout(&self) -> String {
        std::fs::read_to_string(self.root.join("stdout")).unwrap_or_default()
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.root.join("gateway.log")).unwrap_or_default()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.kill();
        let _ = self.watchdog.kill();
        let _ = self.watchdog.wait();
        if std::thread::panicking() {
            let log = self.log();
            let tail: Vec<&str> = log.lines().rev().take(40).collect();
            #[expect(clippy::print_stderr, reason = "the test runner shows it with the failure")]
            {
                eprintln!("the gateway's last words:\n{}", tail.into_iter().rev().collect::<Vec<_>>().join("\n"));
            }
        }
    }
}

/// Whether every gateway of this run keeps its accounts in PostgreSQL: `LUCCA_GATEWAY_TEST_DATABASE=postgres`.
pub fn on_postgres() -> bool {
    std::env::var_os("LUCCA_GATEWAY_TEST_DATABASE").is_some_and(|engine| engine == "postgres")
}

/// Kills the gateway when the test program ends, however it ends: then the pipe that holds the watchdog breaks.
fn watch(gateway: &Child, root: &Path) -> Child {
    Command::new("sh")
        .args(["-c", "trap '' INT TERM; read -r _; kill -9 \"$1\"; rm -rf -- \"$2\"", "watchdog"])
        .arg(gateway.id().to_string())
        .arg(root)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("a watchdog")
}
