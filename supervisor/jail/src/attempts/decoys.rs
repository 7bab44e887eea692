//! What the attempts are after: all of it made by the prover, none of it of any worth.

use std::ffi::CString;

/// What a secret of the prover begins with, in files, memory, keys and environments.
pub(crate) const CANARY: &str = "carapace-decoy-secret";

/// Where the decoys of one column are. Passed to a probe as arguments: an attacker knows it all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decoys {
    /// Port of a TCP listener on 127.0.0.1.
    pub(crate) tcp4: u16,
    /// Port of a TCP listener on ::1; 0 where this machine has no IPv6.
    pub(crate) tcp6: u16,
    /// Port of a datagram socket on 127.0.0.1.
    pub(crate) udp4: u16,
    /// Name of an abstract local stream listener.
    pub(crate) abstract_name: String,
    /// Directory with the canary and the socket files, writable for the column's user.
    pub(crate) directory: String,
    /// Host name of the machine.
    pub(crate) host: String,
    /// The last account of the machine's list.
    pub(crate) account: String,
    /// The prover.
    pub(crate) prover: u32,
    /// A process of the column's own user, doing nothing.
    pub(crate) victim: u32,
    /// Where the victim keeps a secret in memory.
    pub(crate) address: u64,
    /// A System V segment of the victim, or -1.
    pub(crate) segment: i64,
    /// A System V queue of the victim, with one message, or -1.
    pub(crate) queue: i64,
    /// A key of the victim in its user keyring, or -1.
    pub(crate) key: i64,
    /// The namespaces of the prover, as their links read, separated by commas.
    pub(crate) namespaces: String,
    /// Seconds since the machine started.
    pub(crate) uptime: u64,
}

macro_rules! fields {
    ($($name:ident),*) => {
        impl Decoys {
            /// One `name=value` per decoy.
            pub(crate) fn to_arguments(&self) -> Vec<CString> {
                // NOTE(zero byte): paths and names come from the system and hold none; one that
                // did would be left out, and its attempt would find nothing in the control column.
                [$(format!(concat!(stringify!($name), "={}"), self.$name)),*]
                    .into_iter()
                    .filter_map(|text| CString::new(text).ok())
                    .collect()
            }

            /// The reverse; what is not understood keeps its default.
            pub fn from_arguments<T: AsRef<str>>(arguments: &[T]) -> Self {
                let mut decoys = Self::default();
                for argument in arguments {
                    match argument.as_ref().split_once('=') {
                        $(Some((stringify!($name), value)) => {
                            decoys.$name = value.parse().unwrap_or(decoys.$name);
                        })*
                        _ => {}
                    }
                }
                decoys
            }
        }
    };
}
fields!(
    tcp4,
    tcp6,
    udp4,
    abstract_name,
    directory,
    host,
    account,
    prover,
    victim,
    address,
    segment,
    queue,
    key,
    namespaces,
    uptime
);

impl Decoys {
    /// The name of the key of a victim.
    pub(crate) fn key_name(victim: u32) -> String {
        format!("carapace-decoy-{victim}")
    }

    /// The secret file, readable for everybody.
    pub(crate) fn canary(&self) -> String {
        format!("{}/canary", self.directory)
    }

    /// A stream listener's file.
    pub(crate) fn stream_socket(&self) -> String {
        format!("{}/stream", self.directory)
    }

    /// A datagram socket's file.
    pub(crate) fn datagram_socket(&self) -> String {
        format!("{}/datagram", self.directory)
    }

    /// A name that nothing has.
    pub(crate) fn planted(&self) -> String {
        format!("{}/planted", self.directory)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_prover_says_is_what_the_probe_knows() {
        let decoys = Decoys {
            tcp4: 4000,
            directory: "/some/where".into(),
            namespaces: "net:[1],pid:[2]".into(),
            key: -1,
            address: 0x7fff_0000_0000,
            ..Decoys::default()
        };
        let arguments = decoys.to_arguments();
        let words: Vec<_> = arguments
            .iter()
            .map(|text| text.to_str().unwrap())
            .collect();
        assert_eq!(Decoys::from_arguments(&words), decoys);
    }
}
