//! The decoys of a column, and the look at them after each attempt.

use std::fs::{self, File};
use std::io::{self, Read};
use std::net::{Ipv4Addr, Ipv6Addr, TcpListener, UdpSocket};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use super::{ProveError, control, making};
use crate::attempts::{Column, Decoys, PROBE_NAME};
use crate::sys::attack::{at, call};
use crate::sys::process;

/// A secret as it stands in files and environments.
const SECRET: &str = "carapace-decoy-secret-of-a-run\n";

/// What a process of the column's user sees of the prover, and how the prover sees what it did.
pub(super) struct World {
    /// For the probes' arguments.
    pub(super) decoys: Decoys,
    directory: PathBuf,
    /// The id that owns them; `None` for the prover's own.
    user: Option<u32>,
    tcp4: TcpListener,
    tcp6: Option<TcpListener>,
    udp4: UdpSocket,
    abstract_listener: UnixListener,
    stream: UnixListener,
    datagram: UnixDatagram,
    victim: Victim,
    /// The directory and the victim as they should be.
    state: Vec<(String, String)>,
}

struct Victim {
    pid: u32,
    pidfd: OwnedFd,
    channel: Option<UnixStream>,
    segment: i64,
    queue: i64,
    key: i64,
    address: u64,
}

impl World {
    /// Makes the decoys of a column below `top`.
    pub(super) fn make(
        top: &Path,
        name: &str,
        user: Option<u32>,
        program: &File,
    ) -> Result<Self, ProveError> {
        let directory = top.join(name);
        fs::create_dir(&directory).map_err(making("making a directory for decoys"))?;
        let quiet = making("making listeners");
        let listeners = || -> io::Result<_> {
            let tcp4 = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
            let tcp6 = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).ok();
            let udp4 = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
            let abstract_name = format!("carapace-decoy-{}-{name}", std::process::id());
            let address = SocketAddr::from_abstract_name(abstract_name.as_bytes())?;
            let abstract_listener = UnixListener::bind_addr(&address)?;
            let stream = UnixListener::bind(directory.join("stream"))?;
            let datagram = UnixDatagram::bind(directory.join("datagram"))?;
            for file in ["stream", "datagram"] {
                let open = fs::Permissions::from_mode(0o777);
                fs::set_permissions(directory.join(file), open)?;
            }
            tcp4.set_nonblocking(true)?;
            udp4.set_nonblocking(true)?;
            abstract_listener.set_nonblocking(true)?;
            stream.set_nonblocking(true)?;
            datagram.set_nonblocking(true)?;
            if let Some(listener) = &tcp6 {
                listener.set_nonblocking(true)?;
            }
            Ok((
                tcp4,
                tcp6,
                udp4,
                abstract_name,
                abstract_listener,
                stream,
                datagram,
            ))
        };
        let (tcp4, tcp6, udp4, abstract_name, abstract_listener, stream, datagram) =
            listeners().map_err(quiet)?;
        let port = |address: io::Result<std::net::SocketAddr>| address.map_or(0, |one| one.port());
        let mut world = Self {
            decoys: Decoys {
                tcp4: port(tcp4.local_addr()),
                tcp6: tcp6.as_ref().map_or(0, |one| port(one.local_addr())),
                udp4: port(udp4.local_addr()),
                abstract_name,
                directory: directory.to_string_lossy().into_owned(),
                prover: std::process::id(),
                host: host_name(),
                account: last_account(),
                namespaces: namespaces(),
                uptime: uptime(),
                ..Decoys::default()
            },
            victim: Victim::start(program, user)?,
            directory,
            user,
            tcp4,
            tcp6,
            udp4,
            abstract_listener,
            stream,
            datagram,
            state: Vec::new(),
        };
        world.fill()?;
        Ok(world)
    }

    /// The id that owns the decoys; `None` for the prover's own.
    pub(super) fn user(&self) -> Option<u32> {
        self.user
    }

    /// The environment of a process without a cage: with a secret in it.
    pub(super) fn environment() -> Vec<std::ffi::CString> {
        // NOTE(zero byte): the text holds none.
        std::ffi::CString::new(format!("CARAPACE_DECOY={}", SECRET.trim()))
            .into_iter()
            .collect()
    }

    /// What was touched since the last look; what was touched is made anew.
    pub(super) fn look(&mut self, program: &File) -> Result<Vec<String>, ProveError> {
        let mut touched = Vec::new();
        let mut bytes = [0_u8; 512];
        let mut listened = |name: &str, reached: bool| {
            if reached {
                touched.push(format!("{name} was reached"));
            }
        };
        listened("the TCP listener", self.tcp4.accept().is_ok());
        let six = self.tcp6.as_ref().is_some_and(|one| one.accept().is_ok());
        listened("the TCP listener on ::1", six);
        listened("the datagram port", self.udp4.recv(&mut bytes).is_ok());
        listened(
            "the abstract listener",
            self.abstract_listener.accept().is_ok(),
        );
        listened("the listener's file", self.stream.accept().is_ok());
        listened(
            "the datagram socket's file",
            self.datagram.recv(&mut bytes).is_ok(),
        );

        let now = self.observe();
        for (before, after) in self.state.iter().zip(&now) {
            if before != after {
                touched.push(format!("{} changed: {}", before.0, short(&after.1)));
            }
        }
        if now != self.state {
            self.clear()?;
            self.victim = Victim::start(program, self.user)?;
            self.fill()?;
        }
        Ok(touched)
    }

    /// Makes the files anew and takes down how everything should look.
    fn fill(&mut self) -> Result<(), ProveError> {
        let canary = self.directory.join("canary");
        let made = || -> io::Result<()> {
            fs::write(&canary, SECRET)?;
            fs::set_permissions(&canary, fs::Permissions::from_mode(0o644))?;
            fs::set_permissions(&self.directory, fs::Permissions::from_mode(0o755))?;
            for place in [&canary, &self.directory] {
                std::os::unix::fs::chown(place, self.user, self.user)?;
            }
            Ok(())
        };
        made().map_err(making("writing the canary"))?;
        let victim = &self.victim;
        self.decoys.victim = victim.pid;
        self.decoys.segment = victim.segment;
        self.decoys.queue = victim.queue;
        self.decoys.key = victim.key;
        self.decoys.address = victim.address;
        self.state = self.observe();
        Ok(())
    }

    /// Removes all but the socket files from the directory.
    fn clear(&self) -> Result<(), ProveError> {
        let removed = || -> io::Result<()> {
            for entry in fs::read_dir(&self.directory)? {
                let entry = entry?;
                if entry.file_name() == "stream" || entry.file_name() == "datagram" {
                    continue;
                }
                if entry.file_type()?.is_dir() {
                    fs::remove_dir_all(entry.path())?;
                } else {
                    fs::remove_file(entry.path())?;
                }
            }
            Ok(())
        };
        removed().map_err(making("clearing decoys"))
    }

    /// Everything whose change is an effect, by name.
    fn observe(&self) -> Vec<(String, String)> {
        let mut names: Vec<_> = fs::read_dir(&self.directory)
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        let canary = self.directory.join("canary");
        let meta = |path: &Path| {
            fs::symlink_metadata(path).map_or_else(
                |error| error.to_string(),
                |meta| {
                    format!(
                        "mode {:o} owner {} links {} size {} modified {}.{}",
                        meta.mode(),
                        meta.uid(),
                        meta.nlink(),
                        meta.size(),
                        meta.mtime(),
                        meta.mtime_nsec()
                    )
                },
            )
        };
        let proc = |file: &str| {
            fs::read_to_string(format!("/proc/{}/{file}", self.victim.pid))
                .unwrap_or_else(|error| error.to_string())
        };
        let status = proc("status");
        let of_status = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name));
            line.unwrap_or_default().to_owned()
        };
        let state = match of_status("State:") {
            line if line.contains("sleeping") || line.contains("running") => "alive".to_owned(),
            line => format!("{line} (or gone)"),
        };
        let nice = proc("stat");
        let nice = nice.rsplit(')').next().unwrap_or_default();
        let nice = nice.split_whitespace().nth(16).unwrap_or_default();
        vec![
            ("the decoy directory".into(), names.join(" ")),
            ("the canary".into(), meta(&canary)),
            (
                "the canary's content".into(),
                fs::read_to_string(&canary).unwrap_or_default(),
            ),
            ("the canary's attributes".into(), attributes(&canary)),
            ("the victim".into(), state),
            ("the victim's tracer".into(), of_status("TracerPid:")),
            (
                "signals for the victim".into(),
                of_status("SigPnd:") + &of_status("ShdPnd:"),
            ),
            ("the victim's processors".into(), of_status("Cpus_allowed:")),
            ("the victim's priority".into(), nice.to_owned()),
            ("the victim's limits".into(), proc("limits")),
            ("the victim's score".into(), proc("oom_score_adj")),
        ]
    }
}

impl Victim {
    fn start(program: &File, user: Option<u32>) -> Result<Self, ProveError> {
        let step = "starting a victim";
        let (mine, theirs) = UnixStream::pair().map_err(making(step))?;
        let words = [PROBE_NAME, Column::Victim.as_str()];
        // NOTE(zero byte): the words hold none.
        let argv: Vec<_> = words
            .into_iter()
            .filter_map(|word| std::ffi::CString::new(word).ok())
            .collect();
        let (pid, pidfd) = control::start(
            program,
            &argv,
            &World::environment(),
            user,
            &OwnedFd::from(theirs),
        )
        .map_err(making(step))?;
        let mut victim = Self {
            pid,
            pidfd,
            channel: None,
            segment: -1,
            queue: -1,
            key: -1,
            address: 0,
        };
        mine.set_read_timeout(Some(std::time::Duration::from_secs(5)))
            .map_err(making(step))?;
        victim.channel = Some(mine);
        victim.read_line()?;
        Ok(victim)
    }

    /// What it made, as it says.
    fn read_line(&mut self) -> Result<(), ProveError> {
        let mut line = Vec::new();
        let mut byte = [0_u8];
        while let Some(channel) = &mut self.channel {
            let count = channel.read(&mut byte);
            if count.map_err(making("waiting for a victim"))? == 0 || byte[0] == b'\n' {
                break;
            }
            line.push(byte[0]);
        }
        let line = String::from_utf8_lossy(&line).into_owned();
        let words: Vec<&str> = line.split_whitespace().collect();
        let said = Decoys::from_arguments(&words);
        if said.address == 0 {
            let silent = io::Error::other("it ended at once");
            return Err(making("waiting for a victim")(silent));
        }
        self.address = said.address;
        (self.segment, self.queue, self.key) = (said.segment, said.queue, said.key);
        Ok(())
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        // It removes its own objects when its channel closes.
        drop(self.channel.take());
        let ended = process::poll_readable(&[self.pidfd.as_raw_fd()], 300);
        if !matches!(ended.as_deref(), Ok([true])) {
            use std::os::fd::AsFd;
            let _ = process::pidfd_send_signal(self.pidfd.as_fd(), libc::SIGKILL);
        }
        let _ = process::wait(self.pid, true);
        // Killed by an attempt, it could not.
        for (remove, object) in [
            (libc::SYS_shmctl, self.segment),
            (libc::SYS_msgctl, self.queue),
        ] {
            if object >= 0 {
                let _ = call(remove, &[object as u64, libc::IPC_RMID as u64]);
            }
        }
        if self.key >= 0 {
            const UNLINK: u64 = 9;
            const USER_KEYRING: u64 = -4_i64 as u64;
            let _ = call(libc::SYS_keyctl, &[UNLINK, self.key as u64, USER_KEYRING]);
        }
    }
}

fn attributes(path: &Path) -> String {
    let mut names = vec![0_u8; 1024];
    let Ok(path) = std::ffi::CString::new(path.as_os_str().as_bytes()) else {
        return String::new();
    };
    let length = names.len() as u64;
    let arguments = [path.as_ptr() as u64, at(&names[..]), length];
    let count = call(libc::SYS_llistxattr, &arguments).unwrap_or(0);
    names.truncate(count as usize);
    String::from_utf8_lossy(&names).into_owned()
}

/// The beginning of an observation, for a line of evidence.
fn short(text: &str) -> String {
    text.split_whitespace()
        .take(12)
        .collect::<Vec<_>>()
        .join(" ")
}

fn host_name() -> String {
    fs::read_to_string("/proc/sys/kernel/hostname")
        .map(|name| name.trim().to_owned())
        .unwrap_or_default()
}

/// The last line of the account list names nobody that a generated list would.
fn last_account() -> String {
    fs::read_to_string("/etc/passwd")
        .ok()
        .and_then(|text| text.lines().last().map(str::to_owned))
        .filter(|line| !line.contains('\0'))
        .unwrap_or_default()
}

fn namespaces() -> String {
    let own = |name: &str| fs::read_link(format!("/proc/self/ns/{name}"));
    ["pid", "net", "ipc", "uts", "mnt", "cgroup"]
        .into_iter()
        .filter_map(|name| own(name).ok())
        .map(|link| link.to_string_lossy().into_owned())
        .collect::<Vec<_>>()
        .join(",")
}

fn uptime() -> u64 {
    fs::read_to_string("/proc/uptime")
        .ok()
        .and_then(|text| text.split('.').next()?.parse().ok())
        .unwrap_or(0)
}
