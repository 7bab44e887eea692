//! Which name servers are asked: those on the command line, else those of the system.

use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::system_conf;
use std::net::SocketAddr;

/// Where to ask.
pub(crate) struct Settings {
    /// The servers, and the system's search list where they are the system's.
    pub(crate) config: ResolverConfig,
}

/// An argument that is no address and port.
#[derive(Debug)]
pub(crate) struct BadServer(String);

impl std::fmt::Display for BadServer {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            out,
            "reading the name servers: {:?} is not an address with a port; remedy: correct cage.toml",
            self.0
        )
    }
}

impl Settings {
    /// Reads the arguments, and `/etc/resolv.conf` where there are none. Without any name server the
    /// names of `/etc/hosts` still have addresses.
    pub(crate) fn read(arguments: impl Iterator<Item = String>) -> Result<Self, BadServer> {
        let servers = arguments
            .map(|text| text.parse().map_err(|_| BadServer(text)))
            .collect::<Result<Vec<SocketAddr>, _>>()?;
        if !servers.is_empty() {
            let servers = servers.into_iter().map(server).collect();
            let config = ResolverConfig::from_parts(None, Vec::new(), servers);
            return Ok(Self { config });
        }
        let config = match system_conf::read_system_conf() {
            Ok((config, _)) => config,
            Err(error) => {
                eprintln!(
                    "reading /etc/resolv.conf: {error}; only names of /etc/hosts are known\n  remedy: name servers in cage.toml"
                );
                ResolverConfig::from_parts(None, Vec::new(), Vec::new())
            }
        };
        Ok(Self { config })
    }

    /// The TCP ports of the servers.
    pub(crate) fn ports(&self) -> Vec<u16> {
        let mut ports: Vec<u16> = self
            .config
            .name_servers()
            .iter()
            .flat_map(|server| server.connections.iter().map(|connection| connection.port))
            .collect();
        ports.sort_unstable();
        ports.dedup();
        ports
    }
}

fn server(address: SocketAddr) -> NameServerConfig {
    let at_port = |mut connection: ConnectionConfig| {
        connection.port = address.port();
        connection
    };
    let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()]
        .map(at_port)
        .into();
    NameServerConfig::new(address.ip(), true, connections)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_addresses_with_ports() {
        let read = |words: &[&str]| Settings::read(words.iter().map(|word| (*word).to_owned()));
        let settings = read(&["192.0.2.1:53", "[2001:db8::1]:5353", "192.0.2.2:53"]);
        assert_eq!(settings.ok().unwrap().ports(), [53, 5353]);
        for wrong in ["192.0.2.1", "ns.example:53", "-v", ""] {
            assert!(read(&["192.0.2.1:53", wrong]).is_err(), "{wrong:?}");
        }
    }
}
