//! Which ports `try` takes: those that were asked for, or nothing; those that are usual, or free ones.

use std::net::{Ipv4Addr, SocketAddr};

use crate::app::Listeners;
use crate::config::{Config, FtpListener, FtpMode, SftpListener};
use crate::net::{self, BindError, Listener};

/// How much an address is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    /// Someone asked for it: when it is taken, that is an error.
    Asked(SocketAddr),
    /// The usual one: when it is taken, another port does as well.
    Usual(SocketAddr),
}

/// What `try` wants to listen on.
#[derive(Debug)]
pub(super) struct Wishes {
    sftp: Vec<(SftpListener, Wish)>,
    ftp: Vec<(FtpListener, Wish)>,
    api: Wish,
    internal: Wish,
}

/// The addresses that the command line asks for, each for the first listener of its kind.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Asked {
    pub(super) sftp: Option<SocketAddr>,
    pub(super) ftps: Option<SocketAddr>,
    pub(super) ftpes: Option<SocketAddr>,
    pub(super) api: Option<SocketAddr>,
    pub(super) internal: Option<SocketAddr>,
}

impl Wishes {
    /// An address of the command line or one that the configuration changed was asked for. What the configuration leaves at
    /// its default is usual, and on loopback.
    pub(super) fn of(config: &Config, asked: Asked) -> Self {
        let usual = Config::default();
        let wish = |asked: Option<SocketAddr>, configured: SocketAddr, usual: SocketAddr| match asked {
            Some(address) => Wish::Asked(address),
            None if configured == usual => Wish::Usual((Ipv4Addr::LOCALHOST, usual.port()).into()),
            None => Wish::Asked(configured),
        };
        let first_usual = usual.sftp.listeners[0].address;
        let listeners = config.sftp.listeners.iter().enumerate();
        let Asked { sftp, mut ftps, mut ftpes, api, internal } = asked;
        let ftp = config.ftp.listeners.iter().map(|listener| {
            let asked = match listener.mode {
                FtpMode::Ftps => ftps.take(),
                FtpMode::Ftpes => ftpes.take(),
            };
            (listener.clone(), asked.map_or_else(|| ftp_wish(listener, &usual), Wish::Asked))
        });
        Self {
            ftp: ftp.collect(),
            sftp: listeners
                .map(|(index, listener)| {
                    (listener.clone(), wish(sftp.filter(|_| index == 0), listener.address, first_usual))
                })
                .collect(),
            api: wish(api, config.api.address, usual.api.address),
            internal: wish(internal, config.internal.address, usual.internal.address),
        }
    }

    /// Binds all. What was asked for comes first, so that a usual port that gives way anyhow does not take it.
    pub(super) fn bind(self) -> Result<Listeners, BindError> {
        let ftp = self.ftp.iter().map(|(_, wish)| *wish);
        let wishes: Vec<Wish> =
            self.sftp.iter().map(|(_, wish)| *wish).chain(ftp).chain([self.api, self.internal]).collect();
        let mut bound: Vec<Option<Listener>> = wishes.iter().map(|_| None).collect();
        for (wish, place) in wishes.iter().zip(&mut bound) {
            if let Wish::Asked(address) = wish {
                *place = Some(net::bind(*address)?);
            }
        }
        for (wish, place) in wishes.iter().zip(&mut bound) {
            if let Wish::Usual(address) = wish {
                *place = Some(bind_near(*address)?);
            }
        }
        let mut bound = bound.into_iter().flatten();
        let mut next = || bound.next().expect("each wish was bound, in its order");
        let sftp = self
            .sftp
            .into_iter()
            .map(|(settings, _)| {
                let listener = next();
                (SftpListener { address: listener.local_address(), ..settings }, listener)
            })
            .collect();
        let ftp = self
            .ftp
            .into_iter()
            .map(|(settings, _)| {
                let listener = next();
                (FtpListener { address: listener.local_address(), ..settings }, listener)
            })
            .collect();
        Ok(Listeners { sftp, ftp, api: next(), internal: next() })
    }
}

/// FTP's own ports need privileges; `try` takes others.
fn ftp_wish(listener: &FtpListener, usual: &Config) -> Wish {
    let is_usual = usual.ftp.listeners.iter().any(|other| other.address == listener.address);
    let port = match listener.mode {
        FtpMode::Ftps => 2990,
        FtpMode::Ftpes => 2121,
    };
    if is_usual { Wish::Usual((Ipv4Addr::LOCALHOST, port).into()) } else { Wish::Asked(listener.address) }
}

/// Binds an address or, when its port is taken, another port.
fn bind_near(address: SocketAddr) -> Result<Listener, BindError> {
    match net::bind(address) {
        Err(error) if error.is_taken() => net::bind(SocketAddr::new(address.ip(), 0)),
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn free() -> SocketAddr {
        (Ipv4Addr::LOCALHOST, 0).into()
    }

    #[test]
    fn what_the_configuration_leaves_alone_is_usual_and_on_loopback() {
        let wishes = Wishes::of(&Config::default(), Asked::default());
        assert_eq!(wishes.sftp[0].1, Wish::Usual("127.0.0.1:2022".parse().unwrap()));
        assert_eq!(wishes.api, Wish::Usual("127.0.0.1:8080".parse().unwrap()));
        assert_eq!(wishes.internal, Wish::Usual("127.0.0.1:9090".parse().unwrap()));
    }

    #[test]
    fn what_the_command_line_or_the_configuration_says_was_asked_for() {
        let mut config = Config::default();
        config.api.address = "127.0.0.1:8081".parse().unwrap();
        let wishes = Wishes::of(&config, Asked { sftp: Some(free()), ftps: Some(free()), ..Asked::default() });
        assert_eq!(wishes.sftp[0].1, Wish::Asked(free()));
        assert_eq!(wishes.api, Wish::Asked(config.api.address));
        let ftp: Vec<_> = wishes.ftp.iter().map(|(listener, wish)| (listener.mode, *wish)).collect();
        assert!(ftp.contains(&(FtpMode::Ftps, Wish::Asked(free()))), "{ftp:?}");
        assert!(ftp.contains(&(FtpMode::Ftpes, Wish::Usual("127.0.0.1:2121".parse().unwrap()))), "{ftp:?}");
    }

    #[tokio::test]
    async fn a_usual_port_that_is_taken_is_replaced() {
        let holder = net::bind(free()).unwrap();
        let listener = bind_near(holder.local_address()).unwrap();
        assert_ne!(listener.local_address().port(), holder.local_address().port());
    }

    #[tokio::test]
    async fn a_port_that_was_asked_for_and_is_taken_is_an_error() {
        let holder = net::bind(free()).unwrap();
        let config = Config::on_loopback(std::path::Path::new("/tmp"));
        let asked = Asked { sftp: Some(holder.local_address()), ..Asked::default() };
        let Err(error) = Wishes::of(&config, asked).bind() else { panic!("bound") };
        assert_eq!(error.address, holder.local_address());
    }

    #[tokio::test]
    async fn a_usual_port_gives_way_to_one_that_was_asked_for() {
        let probe = net::bind(free()).unwrap();
        let address = probe.local_address();
        drop(probe);
        let wishes = Wishes {
            sftp: vec![(SftpListener { address, preset: None }, Wish::Usual(address))],
            ftp: Vec::new(),
            api: Wish::Usual(address),
            internal: Wish::Asked(address),
        };
        let listeners = wishes.bind().unwrap();
        assert_eq!(listeners.internal.local_address(), address);
        assert_ne!(listeners.api.local_address(), address);
        assert_eq!(listeners.sftp[0].0.address, listeners.sftp[0].1.local_address());
    }
}
