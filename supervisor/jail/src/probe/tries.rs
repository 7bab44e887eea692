//! One try per layer. Each does in a child what a cage would do, and says what it saw.

use std::fs;
use std::io::Read;
use std::os::fd::AsRawFd;

use crate::bpf::{Action, Table};
use crate::cgroup::Group;
use crate::child::{self, IdMap};
use crate::config::CageConfig;
use crate::sys::process::{self, Cloned};
use crate::sys::secure;
use crate::{Layer, ProfileName, ids, paths, root, spawn};

/// A layer, how to try it, and what its absence means.
pub(super) struct Try {
    pub(super) layer: Layer,
    pub(super) attempt: fn(&CageConfig) -> Result<String, String>,
    pub(super) consequence: &'static str,
    pub(super) remedy: &'static str,
}

const NOTHING_STARTS: &str = "nothing starts";

/// Every layer, in the order of the report.
pub(super) const ALL: &[Try] = &[
    Try {
        layer: Layer::Seccomp,
        attempt: seccomp,
        consequence: NOTHING_STARTS,
        remedy: "use a kernel with CONFIG_SECCOMP_FILTER",
    },
    Try {
        layer: Layer::NoNewPrivs,
        attempt: no_new_privs,
        consequence: NOTHING_STARTS,
        remedy: "use Linux 3.5 or newer",
    },
    Try {
        layer: Layer::Landlock,
        attempt: landlock,
        consequence: "no second layer behind the root and the filter; hands and broker lean on mounts alone",
        remedy: "use Linux 6.12 or newer with landlock in the boot parameter lsm=, or waive landlock",
    },
    Try {
        layer: Layer::Namespaces,
        attempt: namespaces,
        consequence: "no own network, processes or files; hands and broker cannot start",
        remedy: "EPERM in a container: its seccomp profile refuses; ENOSPC: raise user.max_user_namespaces; \
                 on Ubuntu install an AppArmor profile with `userns,` or run carapace as root",
    },
    Try {
        layer: Layer::Root,
        attempt: root,
        consequence: "the cage would see the host's files",
        remedy: "as for namespaces; EACCES after a good clone is AppArmor \
                 (kernel.apparmor_restrict_unprivileged_userns=1)",
    },
    Try {
        layer: Layer::NestedLimit,
        attempt: nested_limit,
        consequence: "the filter alone refuses further namespaces",
        remedy: "none needed; a writable /proc/sys and an ordinary user would allow it",
    },
    Try {
        layer: Layer::Cgroup,
        attempt: cgroup,
        consequence: "rlimits bound one process; the memory and CPU of all together are unbounded",
        remedy: "run under systemd with Delegate=pids memory, or as root",
    },
    Try {
        layer: Layer::Capabilities,
        attempt: capabilities,
        consequence: NOTHING_STARTS,
        remedy: "start as an ordinary user or as root with CAP_SETPCAP, CAP_SETUID and CAP_SETGID",
    },
    Try {
        layer: Layer::Ids,
        attempt: user_ids,
        consequence: NOTHING_STARTS,
        remedy: "set uid-base in cage.toml to a range that this system maps (see /proc/self/uid_map)",
    },
    Try {
        layer: Layer::Keyring,
        attempt: keyring,
        consequence: NOTHING_STARTS,
        remedy: "the container's seccomp profile refuses keyctl; allow it or use another runtime",
    },
    Try {
        layer: Layer::Rlimits,
        attempt: rlimits,
        consequence: NOTHING_STARTS,
        remedy: "none known: lowering limits needs no privilege",
    },
    Try {
        layer: Layer::Mdwe,
        attempt: mdwe,
        consequence: NOTHING_STARTS,
        remedy: "use Linux 6.6 or newer",
    },
    Try {
        layer: Layer::Dumpable,
        attempt: dumpable,
        consequence: NOTHING_STARTS,
        remedy: "none known: giving this up needs no privilege",
    },
    Try {
        layer: Layer::Session,
        attempt: session,
        consequence: NOTHING_STARTS,
        remedy: "none known: a new session needs no privilege",
    },
];

/// Runs a try in a child made with these clone flags.
fn in_child(
    flags: i32,
    attempt: impl FnOnce() -> Result<String, String>,
) -> Result<String, String> {
    let threads = fs::read_dir("/proc/self/task").map_or(0, Iterator::count);
    if threads != 1 {
        return Err(format!("not tried: the caller has {threads} threads"));
    }
    let (mut read, write) = std::io::pipe().map_err(|error| format!("pipe: {error}"))?;
    match process::clone3(flags as u64).map_err(|error| format!("clone3: {error}"))? {
        Cloned::Child => {
            let line = match attempt() {
                Ok(evidence) => format!("+{evidence}"),
                Err(evidence) => format!("-{evidence}"),
            };
            // NOTE(write): a try that cannot report counts as failed.
            let _ = process::write_all(write.as_raw_fd(), line.as_bytes());
            process::exit_now(0)
        }
        Cloned::Parent { pid, .. } => {
            drop(write);
            let mut text = String::new();
            let outcome = read.read_to_string(&mut text);
            let status = process::wait(pid, true);
            match (outcome, text.split_at_checked(1)) {
                (Ok(_), Some(("+", evidence))) => Ok(evidence.to_owned()),
                (Ok(_), Some(("-", evidence))) => Err(evidence.to_owned()),
                _ => Err(format!("the child ended without a word ({status:?})")),
            }
        }
    }
}

fn said<T>(step: &str, result: std::io::Result<T>) -> Result<T, String> {
    result.map_err(|error| format!("{step}: {error}"))
}

fn seccomp(_: &CageConfig) -> Result<String, String> {
    in_child(0, || {
        said(
            "no_new_privs",
            secure::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0),
        )?;
        let refuse = Action::Errno(libc::EOWNERDEAD as u16);
        let lines = vec![crate::bpf::Line {
            number: crate::filter::numbers::umask,
            name: "umask",
            clauses: &[],
            action: refuse,
            otherwise: refuse,
            reason: "a call that is easy to try",
        }];
        let table = Table {
            name: "probe",
            lines,
            default: Action::Allow,
            newest: None,
        };
        let program = crate::bpf::compile(&table).map_err(|error| error.to_string())?;
        said(
            "seccomp filter with TSYNC",
            secure::install_filter(&program),
        )?;
        if process::umask_call_works() {
            return Err("the filter has no effect".into());
        }
        Ok("filter, TSYNC and argument rules work".to_owned())
    })
    .and_then(|evidence| foreign_calls().map(|foreign| format!("{evidence}; {foreign}")))
}

/// A call through the 32-bit table must end the process.
fn foreign_calls() -> Result<String, String> {
    let said = in_child(0, || {
        said(
            "no_new_privs",
            secure::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0),
        )?;
        let table = Table {
            name: "probe",
            lines: Vec::new(),
            default: Action::Allow,
            newest: None,
        };
        let program = crate::bpf::compile(&table).map_err(|error| error.to_string())?;
        said("seccomp filter", secure::install_filter(&program))?;
        process::foreign_getpid();
        Ok("a foreign call returned".to_owned())
    });
    match said {
        Err(_) => Ok("int 0x80 is killed".to_owned()),
        Ok(evidence) => Err(evidence),
    }
}

fn no_new_privs(_: &CageConfig) -> Result<String, String> {
    in_child(0, || {
        said("setting", secure::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0))?;
        match said("reading", secure::prctl(libc::PR_GET_NO_NEW_PRIVS, 0, 0))? {
            1 => Ok("set and read back".to_owned()),
            other => Err(format!("reads back as {other}")),
        }
    })
}

pub(super) fn landlock(_: &CageConfig) -> Result<String, String> {
    in_child(0, || {
        let abi = match secure::landlock_abi() {
            Ok(abi) => abi,
            Err(error) => {
                return Err(match error.raw_os_error() {
                    Some(libc::ENOSYS) => "ENOSYS: not built into this kernel".to_owned(),
                    Some(libc::EOPNOTSUPP) => {
                        "EOPNOTSUPP: built in, not in the boot parameter lsm=".to_owned()
                    }
                    _ => format!("version: {error}"),
                });
            }
        };
        if abi < paths::REQUIRED_ABI {
            return Err(format!("ABI {abi}, and {} is needed", paths::REQUIRED_ABI));
        }
        said(
            "no_new_privs",
            secure::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0),
        )?;
        paths::nothing().map_err(|error| error.to_string())?;
        match fs::read_dir("/") {
            Err(error) if error.raw_os_error() == Some(libc::EACCES) => {
                let open = if abi < 9 {
                    "; socket files and UDP are not covered by it here"
                } else {
                    ""
                };
                Ok(format!("ABI {abi}, reading / refused{open}"))
            }
            other => Err(format!(
                "ABI {abi} applied, but reading / gave {:?}",
                other.map(drop)
            )),
        }
    })
}

/// The map of an ordinary user; nothing for root.
fn own_map(profile: ProfileName) -> Option<IdMap> {
    let (user, group) = process::effective_ids();
    (user != 0).then_some(IdMap {
        inside: ids::inside(profile, user),
        inside_group: ids::inside(profile, group),
        user,
        group,
    })
}

fn in_namespaces(attempt: impl FnOnce() -> Result<String, String>) -> Result<String, String> {
    let profile = ProfileName::Worker;
    let map = own_map(profile);
    let flags = spawn::namespace_flags(profile, map.is_none(), true);
    in_child(flags as i32, move || {
        if let Some(map) = map {
            child::map_ids_for_probe(&map)?;
        }
        attempt()
    })
}

pub(super) fn namespaces(_: &CageConfig) -> Result<String, String> {
    in_namespaces(|| {
        if process::own_pid() != 1 {
            return Err("the child is not process 1".into());
        }
        let text = said("interfaces", fs::read_to_string("/proc/self/net/dev"))?;
        let others = text
            .lines()
            .skip(2)
            .filter(|line| !line.trim_start().starts_with("lo:"))
            .count();
        let kinds = if process::effective_ids().0 == 0 {
            "without"
        } else {
            "with"
        };
        Ok(format!(
            "{kinds} a user namespace; pid 1, {others} interfaces besides lo"
        ))
    })
}

pub(super) fn root(_: &CageConfig) -> Result<String, String> {
    in_namespaces(|| {
        let plan = root::plan(ProfileName::Worker, None, None, &[], 0)
            .map_err(|error| error.to_string())?;
        let step = |failed: root::Failed| format!("{}: {}", failed.step, failed.cause);
        let sources = root::take_sources(&plan, None).map_err(step)?;
        root::enter(&plan, sources).map_err(step)?;
        match fs::create_dir("/x") {
            Err(error) if error.raw_os_error() == Some(libc::EROFS) => {}
            other => return Err(format!("making a directory in the root gave {other:?}")),
        }
        let entries = said("listing", fs::read_dir("/"))?.count();
        if entries == 0 {
            Ok("empty root, read-only".to_owned())
        } else {
            Err(format!("{entries} entries"))
        }
    })
}

pub(super) fn nested_limit(_: &CageConfig) -> Result<String, String> {
    if process::effective_ids().0 == 0 {
        return Err("not applied as root: cages have no user namespace of their own".into());
    }
    in_namespaces(|| {
        said(
            "/proc/sys/user/max_user_namespaces",
            fs::write("/proc/sys/user/max_user_namespaces", "0"),
        )?;
        Ok("user.max_user_namespaces set to 0".to_owned())
    })
}

fn cgroup(_: &CageConfig) -> Result<String, String> {
    let group = Group::make(ProfileName::Worker);
    let evidence = group.evidence().to_owned();
    if group.holds() {
        Ok(evidence)
    } else {
        Err(evidence)
    }
}

fn capabilities(config: &CageConfig) -> Result<String, String> {
    let id = ids::uid(ProfileName::Worker, 0, config.uid_base);
    let is_root = process::effective_ids().0 == 0;
    let attempt = |privileged, become_id| {
        move || {
            child::drop_power_for_probe(privileged, become_id)?;
            let sets = said("reading back", secure::capabilities())?;
            if sets != [0; 6] {
                return Err("sets remain".to_owned());
            }
            Ok("all sets empty after the drop".to_owned())
        }
    };
    if is_root {
        return in_child(0, attempt(true, Some(id)));
    }
    in_namespaces(attempt(true, None)).or_else(|_| {
        // Without a user namespace there is nothing to drop but the inheritable rest.
        in_child(0, attempt(false, None)).map(|evidence| format!("{evidence}, bounding set apart"))
    })
}

fn user_ids(config: &CageConfig) -> Result<String, String> {
    let (user, _) = process::effective_ids();
    if user != 0 {
        return Ok(format!("an ordinary user ({user}); one id is mapped"));
    }
    let first = ids::uid(ProfileName::Broker, 0, config.uid_base);
    let last = first + ids::RANGE - 1;
    for id in [first, last] {
        in_child(0, move || {
            said("leaving groups", secure::leave_groups())?;
            said(&format!("becoming user {id}"), secure::become_id(id))?;
            Ok(String::new())
        })?;
    }
    Ok(format!("ids {first} to {last}"))
}

fn keyring(_: &CageConfig) -> Result<String, String> {
    in_child(0, || {
        said("joining", secure::new_session_keyring())?;
        Ok("a fresh session keyring".to_owned())
    })
}

fn rlimits(_: &CageConfig) -> Result<String, String> {
    in_child(0, || {
        let list = crate::limits::of(ProfileName::Worker);
        for limit in list {
            let hard = said(limit.title, secure::hard_limit(limit.resource))?;
            said(
                limit.title,
                secure::set_limit(limit.resource, limit.value.min(hard)),
            )?;
        }
        Ok(format!("{} limits set", list.len()))
    })
}

fn mdwe(_: &CageConfig) -> Result<String, String> {
    in_child(0, || {
        let flags = u64::from(libc::PR_MDWE_REFUSE_EXEC_GAIN | libc::PR_MDWE_NO_INHERIT);
        said("setting", secure::prctl(libc::PR_SET_MDWE, flags, 0))?;
        if process::executable_memory_works() {
            return Err("executable memory can still be had".into());
        }
        Ok("writable memory does not become executable".to_owned())
    })
}

fn dumpable(_: &CageConfig) -> Result<String, String> {
    in_child(0, || {
        said("setting", secure::prctl(libc::PR_SET_DUMPABLE, 0, 0))?;
        let pattern = fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap_or_default();
        Ok(format!("not dumpable; core_pattern {:?}", pattern.trim()))
    })
}

fn session(_: &CageConfig) -> Result<String, String> {
    in_child(0, || {
        said("setsid", process::setsid())?;
        let old = fs::read_to_string("/proc/sys/dev/tty/legacy_tiocsti").unwrap_or_default();
        let note = if old.trim() == "1" {
            "; TIOCSTI exists here and is kept away"
        } else {
            ""
        };
        Ok(format!("no terminal{note}"))
    })
}
