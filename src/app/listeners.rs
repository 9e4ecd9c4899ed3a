//! All listeners, bound before anything is served: a port that is taken stops the start as a whole.

use std::net::SocketAddr;

use crate::config::{Config, FtpListener, FtpMode, SftpListener};
use crate::net::{self, BindError, Listener};

/// Every listener of the gateway, bound.
pub struct Listeners {
    /// Each with its settings.
    pub sftp: Vec<(SftpListener, Listener)>,
    pub ftp: Vec<(FtpListener, Listener)>,
    pub api: Listener,
    pub internal: Listener,
}

/// Where a gateway listens, with the ports that the kernel chose.
#[derive(Debug, Clone)]
pub(super) struct Addresses {
    pub(super) sftp: Vec<SocketAddr>,
    pub(super) ftp: Vec<(FtpMode, SocketAddr)>,
    pub(super) api: SocketAddr,
    pub(super) internal: SocketAddr,
}

impl Listeners {
    /// Binds what the configuration says.
    pub fn bind(config: &Config) -> Result<Self, BindError> {
        let sftp = config
            .sftp
            .listeners
            .iter()
            .map(|settings| Ok((settings.clone(), net::bind(settings.address)?)))
            .collect::<Result<_, _>>()?;
        let ftp = config
            .ftp
            .listeners
            .iter()
            .map(|settings| Ok((settings.clone(), net::bind(settings.address)?)))
            .collect::<Result<_, _>>()?;
        Ok(Self { sftp, ftp, api: net::bind(config.api.address)?, internal: net::bind(config.internal.address)? })
    }

    pub(super) fn addresses(&self) -> Addresses {
        Addresses {
            sftp: self.sftp.iter().map(|(_, listener)| listener.local_address()).collect(),
            ftp: self.ftp.iter().map(|(settings, listener)| (settings.mode, listener.local_address())).collect(),
            api: self.api.local_address(),
            internal: self.internal.local_address(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn ports_that_the_kernel_chose_are_known() {
        let listeners = Listeners::bind(&Config::on_loopback(std::path::Path::new("/tmp"))).unwrap();
        let Addresses { sftp, ftp: _, api, internal } = listeners.addresses();
        assert_eq!(sftp.len(), 1);
        assert!(sftp[0].port() != 0 && api.port() != 0 && internal.port() != 0);
    }

    #[tokio::test]
    async fn a_port_that_is_taken_stops_the_start() {
        let mut config = Config::on_loopback(std::path::Path::new("/tmp"));
        let holder = net::bind(config.api.address).unwrap();
        config.api.address = holder.local_address();
        let Err(error) = Listeners::bind(&config) else { panic!("bound twice") };
        assert_eq!(error.address, holder.local_address());
    }
}
