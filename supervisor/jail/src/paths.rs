//! Landlock rulesets: which paths and ports a process keeps.
//!
//! The rights of ABI 6 are a hard requirement, written out by version and never "the newest". What
//! later kernels add (resolving socket files, for one) is asked for as an extra.

use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, NetPort, PathBeneath,
    PathFd, Ruleset, RulesetAttr, RulesetCreated, RulesetCreatedAttr, RulesetError, Scope,
};

/// The ABI whose rights must all be enforced.
const REQUIRED: ABI = ABI::V6;
/// The newest ABI whose rights are asked for as an extra.
const EXTRA: ABI = ABI::V9;
/// The number of [`REQUIRED`], for messages.
pub(crate) const REQUIRED_ABI: i64 = 6;

/// Why a ruleset could not be made or applied.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PathsError {
    /// The kernel lacks a right of the required ABI, or refused.
    #[error("landlock: {0}")]
    Ruleset(#[from] RulesetError),
    /// A path of the profile cannot be opened.
    #[error("landlock cannot open {path}: {cause}")]
    Path {
        /// The path.
        path: PathBuf,
        /// What the system said.
        cause: landlock::PathFdError,
    },
}

fn handled() -> Result<RulesetCreated, PathsError> {
    Ok(Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(REQUIRED))?
        .handle_access(AccessNet::from_all(REQUIRED))?
        .scope(Scope::from_all(REQUIRED))?
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(EXTRA))?
        .create()?
        .set_compatibility(CompatLevel::HardRequirement))
}

/// Layer 1 of a worker: may execute the one opened file, nothing else.
pub(crate) fn only_execute(program: BorrowedFd<'_>) -> Result<(), PathsError> {
    let rights: BitFlags<AccessFs> = AccessFs::Execute | AccessFs::ReadFile;
    handled()?
        .add_rule(PathBeneath::new(program, rights))?
        .restrict_self()?;
    Ok(())
}

/// Layer 2 of a worker: nothing at all.
pub(crate) fn nothing() -> Result<(), PathsError> {
    handled()?.restrict_self()?;
    Ok(())
}

/// The hands' layer, made inside their root: everything there may be read, system directories and
/// the workspace executed, workspace and scratch written.
pub(crate) fn hands(program: Option<BorrowedFd<'_>>, system: &[PathBuf]) -> Result<(), PathsError> {
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    let make = AccessFs::from_write(REQUIRED)
        & !(AccessFs::MakeChar | AccessFs::MakeBlock | AccessFs::IoctlDev);
    let mut ruleset = handled()?;
    if let Some(program) = program {
        let rights: BitFlags<AccessFs> = AccessFs::Execute | AccessFs::ReadFile;
        ruleset = ruleset.add_rule(PathBeneath::new(program, rights))?;
    }
    ruleset = beneath(ruleset, Path::new("/"), read)?;
    for directory in system {
        ruleset = beneath(ruleset, directory, read | AccessFs::Execute)?;
    }
    ruleset = beneath(
        ruleset,
        Path::new("/workspace"),
        read | make | AccessFs::Execute,
    )?;
    ruleset = beneath(ruleset, Path::new("/tmp"), read | make)?;
    ruleset = beneath(ruleset, Path::new("/dev/shm"), read | make)?;
    let device = AccessFs::ReadFile | AccessFs::WriteFile | AccessFs::IoctlDev;
    ruleset = beneath(ruleset, Path::new("/dev"), device)?;
    ruleset.restrict_self()?;
    Ok(())
}

/// The broker's layer: state read and written, named files read, named TCP ports connected to.
pub(crate) fn broker(
    state: &Path,
    read_only: &[PathBuf],
    connect_ports: &[u16],
) -> Result<(), PathsError> {
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    let make = AccessFs::from_write(REQUIRED)
        & !(AccessFs::MakeChar | AccessFs::MakeBlock | AccessFs::IoctlDev | AccessFs::MakeFifo);
    let mut ruleset = beneath(handled()?, state, read | make)?;
    for path in read_only {
        ruleset = beneath(ruleset, path, read)?;
    }
    for port in connect_ports {
        ruleset = ruleset.add_rule(NetPort::new(*port, AccessNet::ConnectTcp))?;
    }
    ruleset.restrict_self()?;
    Ok(())
}

/// The resolver's layer, its last: no file at all, and the named TCP ports connected to.
pub(crate) fn resolver(connect_ports: &[u16]) -> Result<(), PathsError> {
    let mut ruleset = handled()?;
    for port in connect_ports {
        ruleset = ruleset.add_rule(NetPort::new(*port, AccessNet::ConnectTcp))?;
    }
    ruleset.restrict_self()?;
    Ok(())
}

/// The layer of who reads a secret: everything may be read and executed, devices and the named
/// places written. Socket files may be connected to: an agent, the message bus. With the host's
/// network TCP connections are not limited to ports, because the owner's server may have any.
pub(crate) fn secret(writable: &[PathBuf], online: bool) -> Result<(), PathsError> {
    let network = if online {
        AccessNet::BindTcp.into()
    } else {
        AccessNet::from_all(REQUIRED)
    };
    let read = AccessFs::from_read(REQUIRED);
    let write = AccessFs::from_write(REQUIRED)
        & !(AccessFs::MakeChar | AccessFs::MakeBlock | AccessFs::IoctlDev);
    let mut ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(REQUIRED))?
        .handle_access(network)?
        .scope(Scope::from_all(REQUIRED))?
        .create()?;
    ruleset = beneath(ruleset, Path::new("/"), read)?;
    let device = AccessFs::ReadFile | AccessFs::WriteFile | AccessFs::IoctlDev;
    ruleset = beneath(ruleset, Path::new("/dev"), device)?;
    for place in writable {
        ruleset = beneath(ruleset, place, read | write)?;
    }
    ruleset.restrict_self()?;
    Ok(())
}

fn beneath(
    ruleset: RulesetCreated,
    path: &Path,
    rights: BitFlags<AccessFs>,
) -> Result<RulesetCreated, PathsError> {
    let place = PathFd::new(path).map_err(|cause| PathsError::Path {
        path: path.to_owned(),
        cause,
    })?;
    // A file has no right to be listed or made in.
    let rights = if path.is_dir() {
        rights
    } else {
        rights & AccessFs::from_file(REQUIRED)
    };
    Ok(ruleset.add_rule(PathBeneath::new(place, rights))?)
}
