//! A foreign program in the same cage: `carapace sandbox run`.
//!
//! Such a program cannot apply a last lock to itself, so everything is applied before its exec:
//! the final filter plus what exec and a C library's start need, which [`differences`] lists. The
//! cage says READY by itself, complete but for exec, is attested in that state, and only then
//! executes the program. Its standard streams are pipes to the caller, never a terminal.

use std::collections::BTreeSet;
use std::ffi::{CString, OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use crate::attest::{AttestError, Attestation, attest};
use crate::child::Program;
use crate::config::CageConfig;
use crate::exit::{self, Cause, classify};
use crate::filter::{self, Stage};
use crate::report::{self, Line};
use crate::spawn::{Caged, Order, start};
use crate::sys::process;
use crate::{ProfileName, SpawnError, root};

/// How a foreign program fared.
#[derive(Debug)]
pub struct ForeignOutcome {
    /// Its wait status.
    pub status: ExitStatus,
    /// What that means.
    pub cause: Cause,
    /// What was seen from outside before it was executed.
    pub attestation: Attestation,
    /// What differed from a worker's or hands' own cage.
    pub differences: Vec<String>,
}

/// Why a foreign program was not run, or not to its end.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// The profile is not for foreign programs.
    #[error("profile {0} is not for foreign programs; use worker or hands")]
    Profile(ProfileName),
    /// The program cannot be opened.
    #[error("{path} cannot be opened: {cause}")]
    Open {
        /// The program.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// The program needs a loader or is no program.
    #[error(
        "{path} is not a static x86_64 program; an empty root has no loader, so build it static"
    )]
    NotStatic {
        /// The program.
        path: PathBuf,
    },
    /// An argument or path with a zero byte.
    #[error("the argument {0:?} holds a zero byte")]
    Argument(OsString),
    /// The cage was not started.
    #[error(transparent)]
    Spawn(#[from] SpawnError),
    /// The cage could not be finished; the program was not executed.
    #[error("the cage was not finished: {layer}: {message}")]
    Boot {
        /// The layer that failed.
        layer: String,
        /// Why.
        message: String,
    },
    /// The cage is not as it should be; the program was not executed.
    #[error(transparent)]
    Attest(#[from] AttestError),
    /// A pipe or wait failed.
    #[error("{step}: {cause}")]
    System {
        /// What was being done.
        step: &'static str,
        /// What the system said.
        cause: io::Error,
    },
}

/// What a foreign program's cage has that the profile's own program has not after its last lock,
/// or lacks; one line each, with the reason.
pub fn differences(profile: ProfileName) -> Vec<String> {
    let own = filter::table(profile, Stage::Final);
    let foreign = filter::table(profile, Stage::Foreign);
    let known: BTreeSet<i64> = own.lines.iter().map(|line| line.number).collect();
    let mut list: Vec<String> = foreign
        .lines
        .iter()
        .filter(|line| !known.contains(&line.number))
        .map(|line| format!("filter: {} ({})", line.name, line.reason))
        .collect();
    for line in &foreign.lines {
        let differs = own
            .lines
            .iter()
            .any(|other| other.number == line.number && other.reason != line.reason);
        if differs {
            list.push(format!("filter: {} is wider ({})", line.name, line.reason));
        }
    }
    if profile == ProfileName::Worker {
        list.push(
            "landlock: the program's own file may be executed and read (one layer, not two)".into(),
        );
    }
    list.push("dumpable: exec makes it dumpable again; only its own cage could look".into());
    list.push(match profile {
        ProfileName::Worker => {
            "memory: writable-and-executable is refused by the filter alone, not by MDWE too".into()
        }
        _ => "memory: no MDWE, as for everything that hands run".to_owned(),
    });
    list.push("descriptors: 0, 1 and 2 are pipes to the caller; there is no channel on 3".into());
    list
}

/// What a foreign program in this profile's cage sees of files, one line each.
///
/// # Errors
/// [`SpawnError::Plan`] when a directory is missing.
pub fn visible(profile: ProfileName, workspace: Option<&Path>) -> Result<Vec<String>, SpawnError> {
    Ok(root::plan(profile, workspace, None, &[], 1000)?.visible())
}

/// Runs a foreign program to its end. `announce` gets the [`differences`] before it starts.
///
/// For `worker` the program is a static file of the host. For `hands` it is a path in the cage
/// (below `/usr`, `/bin`, `/sbin`, `/workspace`) or a static file of the host. The caller's
/// standard streams are connected through pipes. The owner's mounts are not shown to it. The caller
/// chooses the workspace, which must not be the home or hold it.
///
/// When the caller is root, the workspace directory itself is given to the hands' user id: use a
/// directory made for that, like the home's `workspace/owner`.
///
/// # Errors
/// [`SandboxError`]; in all cases but a failed pipe or wait the program was not executed.
pub fn run_foreign(
    profile: ProfileName,
    program: &Path,
    arguments: &[OsString],
    config: &CageConfig,
    workspace: Option<&Path>,
    announce: &mut dyn FnMut(&[String]),
) -> Result<ForeignOutcome, SandboxError> {
    let found = Executable::find(profile, program)?;
    let mut argv = vec![c_string(program.as_os_str())?];
    for argument in arguments {
        argv.push(c_string(argument)?);
    }
    let differences = differences(profile);
    announce(&differences);

    let (input, feed) = pipe()?;
    let (output, from_output) = pipe().map(|(read, write)| (write, read))?;
    let (error, from_error) = pipe().map(|(read, write)| (write, read))?;
    let (hold, release) = pipe()?;
    let order = Order {
        profile,
        stage: Stage::Foreign,
        command: None,
        program: match &found {
            Executable::Opened(file) => Program::Opened(file.as_raw_fd()),
            Executable::Inside(path) => Program::Inside(path.clone()),
        },
        argv,
        environment: Vec::new(),
        view: None,
        descriptors: vec![
            (input.as_raw_fd(), 0),
            (output.as_raw_fd(), 1),
            (error.as_raw_fd(), 2),
        ],
        hold: Some(hold.as_raw_fd()),
        workspace: workspace.map(Path::to_owned),
        state: None,
        home: None,
        mounts: &[],
        // In root mode hands' files must stay theirs; a worker has no files.
        slot: if profile == ProfileName::Hands {
            0
        } else {
            FOREIGN_SLOT
        },
        config,
    };
    let caged = start(order)?;
    drop((input, output, error, hold));

    let attestation = match boot(&caged).and_then(|()| Ok(attest(caged.pid, &caged.expected)?)) {
        Ok(attestation) => attestation,
        Err(refused) => {
            caged
                .kill()
                .and_then(|()| caged.wait())
                .map_err(system("ending the cage"))?;
            return Err(refused);
        }
    };
    let mut release = File::from(release);
    release
        .write_all(b"+")
        .map_err(system("letting the program start"))?;
    drop(release);

    carry(feed, from_output, from_error).map_err(system("carrying the standard streams"))?;
    let status = caged.wait().map_err(system("waiting for the program"))?;
    let mut cause = classify(status);
    if cause == Cause::BootRefused {
        if let Some(refused) = late_failure(&caged)? {
            return Err(refused);
        }
        // The program's own choice of a status.
        cause = Cause::Failed(exit::BOOT_REFUSED);
    }
    Ok(ForeignOutcome {
        status,
        cause,
        attestation,
        differences,
    })
}

/// The last slot, away from those that a supervisor hands out from the first.
const FOREIGN_SLOT: u32 = 4000;

/// What is executed.
enum Executable {
    Opened(File),
    Inside(CString),
}

impl Executable {
    fn find(profile: ProfileName, path: &Path) -> Result<Self, SandboxError> {
        const IN_CAGE: [&str; 4] = ["/usr", "/bin", "/sbin", "/workspace"];
        match profile {
            ProfileName::Hands if IN_CAGE.iter().any(|top| path.starts_with(top)) => {
                return Ok(Self::Inside(c_string(path.as_os_str())?));
            }
            ProfileName::Worker | ProfileName::Hands => {}
            other => return Err(SandboxError::Profile(other)),
        }
        let open = |cause| SandboxError::Open {
            path: path.to_owned(),
            cause,
        };
        let file = File::open(path).map_err(open)?;
        if !file.metadata().map_err(open)?.is_file() {
            return Err(SandboxError::NotStatic {
                path: path.to_owned(),
            });
        }
        let mut head = Vec::new();
        (&file)
            .take(HEAD_LIMIT)
            .read_to_end(&mut head)
            .map_err(open)?;
        if !is_static_program(&head) {
            return Err(SandboxError::NotStatic {
                path: path.to_owned(),
            });
        }
        Ok(Self::Opened(file))
    }
}

/// Program headers of real programs stand in the first page; more is not read.
const HEAD_LIMIT: u64 = 64 << 10;

/// A 64-bit little-endian x86_64 ELF file without an interpreter.
fn is_static_program(head: &[u8]) -> bool {
    const INTERPRETER: u32 = 3;
    const X86_64: u16 = 62;
    let half = |at: usize| Some(u16::from_le_bytes(head.get(at..at + 2)?.try_into().ok()?));
    let word = |at: usize| Some(u32::from_le_bytes(head.get(at..at + 4)?.try_into().ok()?));
    let long = |at: usize| Some(u64::from_le_bytes(head.get(at..at + 8)?.try_into().ok()?));
    let looked = || -> Option<bool> {
        if head.get(..6)? != b"\x7fELF\x02\x01" || half(18)? != X86_64 {
            return Some(false);
        }
        let (table, size, count) = (usize::try_from(long(32)?).ok()?, half(54)?, half(56)?);
        for index in 0..usize::from(count) {
            let at = table.checked_add(index.checked_mul(usize::from(size))?)?;
            if word(at)? == INTERPRETER {
                return Some(false);
            }
        }
        Some(count > 0)
    };
    looked().unwrap_or(false)
}

/// Waits for the cage to be complete.
fn boot(caged: &Caged) -> Result<(), SandboxError> {
    match read_report(caged)? {
        Some(Line::Ready) => Ok(()),
        Some(Line::Failed { layer, message }) => Err(SandboxError::Boot { layer, message }),
        Some(Line::Malformed(text)) => Err(SandboxError::Boot {
            layer: "report".into(),
            message: format!("malformed: {text}"),
        }),
        None => Err(SandboxError::Boot {
            layer: "report".into(),
            message: "it ended without one".into(),
        }),
    }
}

/// A failure of exec itself, after READY.
fn late_failure(caged: &Caged) -> Result<Option<SandboxError>, SandboxError> {
    Ok(match read_report(caged)? {
        Some(Line::Failed { layer, message }) => Some(SandboxError::Boot { layer, message }),
        _ => None,
    })
}

fn read_report(caged: &Caged) -> Result<Option<Line>, SandboxError> {
    let mut bytes = Vec::new();
    loop {
        process::poll_readable(&[caged.report.as_raw_fd()], -1)
            .map_err(system("waiting for the report"))?;
        let mut buffer = [0; 256];
        let mut pipe = io::PipeReader::from(
            caged
                .report
                .try_clone()
                .map_err(system("reading the report"))?,
        );
        match pipe.read(&mut buffer) {
            Ok(0) => return Ok(None),
            Ok(count) => bytes.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
            Err(cause) => {
                return Err(SandboxError::System {
                    step: "reading the report",
                    cause,
                });
            }
        }
        if let Some(line) = report::parse(&bytes) {
            return Ok(Some(line));
        }
    }
}

/// Copies between the caller's standard streams and the program's until both outputs are closed.
/// The caller's input is read only while the program may still take it.
fn carry(feed: OwnedFd, output: OwnedFd, error: OwnedFd) -> io::Result<()> {
    process::set_nonblocking(feed.as_fd())?;
    let mut feed = Some(File::from(feed));
    let (mut output, mut error) = (Some(File::from(output)), Some(File::from(error)));
    let mut pending: Vec<u8> = Vec::new();
    while output.is_some() || error.is_some() {
        let number = |file: &Option<File>| file.as_ref().map_or(-1, AsRawFd::as_raw_fd);
        let stdin: RawFd = if feed.is_some() && pending.is_empty() {
            0
        } else {
            -1
        };
        // Waiting input is offered again soon; a pipe has no other sign that it was emptied.
        let timeout = if pending.is_empty() { -1 } else { 10 };
        let ready = process::poll_readable(&[stdin, number(&output), number(&error)], timeout)?;
        if ready[0] {
            let mut buffer = [0; 8192];
            match io::stdin().lock().read(&mut buffer)? {
                0 => feed = None,
                count => pending.extend_from_slice(&buffer[..count]),
            }
        }
        if let Some(pipe) = &mut feed
            && !pending.is_empty()
        {
            match pipe.write(&pending) {
                Ok(count) => drop(pending.drain(..count)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => {
                    feed = None;
                    pending.clear();
                }
            }
        }
        if ready[1] {
            copy_once(&mut output, &mut io::stdout().lock())?;
        }
        if ready[2] {
            copy_once(&mut error, &mut io::stderr().lock())?;
        }
    }
    Ok(())
}

fn copy_once(from: &mut Option<File>, to: &mut dyn Write) -> io::Result<()> {
    let Some(file) = from else { return Ok(()) };
    let mut buffer = [0; 8192];
    match file.read(&mut buffer)? {
        0 => *from = None,
        count => {
            to.write_all(&buffer[..count])?;
            to.flush()?;
        }
    }
    Ok(())
}

fn pipe() -> Result<(OwnedFd, OwnedFd), SandboxError> {
    let (read, write) = io::pipe().map_err(system("making a pipe"))?;
    Ok((read.into(), write.into()))
}

fn c_string(text: &OsStr) -> Result<CString, SandboxError> {
    CString::new(text.as_bytes()).map_err(|_| SandboxError::Argument(text.to_owned()))
}

fn system(step: &'static str) -> impl FnOnce(io::Error) -> SandboxError {
    move |cause| SandboxError::System { step, cause }
}

/// Whether a file is a static program, for callers that choose where to run it.
///
/// # Errors
/// The system's.
pub fn is_static(path: &Path) -> io::Result<bool> {
    let mut head = Vec::new();
    fs::File::open(path)?
        .take(HEAD_LIMIT)
        .read_to_end(&mut head)?;
    Ok(is_static_program(&head))
}
