//! One run: three columns of decoys, a process per attempt and column, a verdict per row.

use std::ffi::CString;
use std::fs::{self, File};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::decoys::World;
use super::judge::{self, Observed};
use super::{Progress, Proof, ProveError, ProveOptions, control, making, system};
use crate::attempts::{self, Attempt, Column, Control, Decoys, PROBE_NAME};
use crate::config::CageConfig;
use crate::report::{self, Line};
use crate::sys::attack::{self, Message};
use crate::sys::process;
use crate::{CageSpec, Caged, ProfileName, attest, ids, spawn};

/// What an attempt may take, from its start signal on.
const DEADLINE: Duration = Duration::from_secs(2);
/// What a cage may take to be finished.
const BOOT_DEADLINE: Duration = Duration::from_secs(10);
/// Slots away from those that a supervisor hands out from the first.
const SLOT: u32 = 3900;
/// The control's user in the reserved range: the last but a few, which no slot in use reaches.
const CONTROL_ID: u32 = 65_000;
/// The profiles whose cages are attacked.
const PROFILES: [ProfileName; 2] = [ProfileName::Worker, ProfileName::Hands];

/// Runs every attempt in every column. The caller has one thread and is in no cage itself; what it
/// makes below the temporary directory is removed again.
///
/// # Errors
/// [`ProveError`]; then nothing is proved.
pub fn run(options: ProveOptions<'_>) -> Result<Proof, ProveError> {
    let ProveOptions {
        probe,
        config,
        progress,
    } = options;
    let program = crate::open_program(probe).map_err(|cause| ProveError::Probe {
        path: probe.to_owned(),
        cause,
    })?;
    let place = Place::make()?;
    let prover = Prover {
        program: File::from(program),
        config,
        workspace: place.top.join("workspace"),
    };
    let is_root = process::effective_ids().0 == 0;
    let attempts = attempts::all();

    let user = is_root.then(|| config.uid_base + CONTROL_ID);
    let mut world = World::make(&place.top, "control", user, &prover.program)?;
    let mut controls: Vec<(&Attempt, Option<Observed>)> = Vec::new();
    for attempt in &attempts {
        let seen = match attempt.control {
            Control::Run => Some(prover.uncaged(attempt, &mut world)?),
            Control::NotRun(_) => None,
        };
        controls.push((attempt, seen));
    }
    drop(world);

    let mut results = Vec::new();
    for profile in PROFILES {
        let user = is_root.then(|| ids::uid(profile, SLOT, config.uid_base));
        let mut world = World::make(&place.top, profile.as_str(), user, &prover.program)?;
        for (attempt, control) in &controls {
            let seen = prover.caged(profile, attempt, &mut world)?;
            results.push(judge::entry(profile, attempt, &seen, control.as_ref()));
            if let Some(entry) = results.last() {
                progress(Progress {
                    done: results.len(),
                    total: controls.len() * PROFILES.len(),
                    entry,
                });
            }
        }
    }
    let totals = judge::totals(&results, &controls);
    Ok(Proof { results, totals })
}

/// The directory of a run.
struct Place {
    top: PathBuf,
}

impl Place {
    fn make() -> Result<Self, ProveError> {
        let step = "making a directory for decoys";
        let name = format!("carapace-prove-{}", std::process::id());
        let top = std::env::temp_dir().join(name);
        let mut builder = fs::DirBuilder::new();
        // The columns' users look into it.
        builder.mode(0o755).create(&top).map_err(making(step))?;
        let place = Self { top };
        let open = fs::Permissions::from_mode(0o755);
        fs::set_permissions(&place.top, open).map_err(making(step))?;
        fs::create_dir(place.top.join("workspace")).map_err(making(step))?;
        Ok(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.top);
    }
}

struct Prover<'a> {
    program: File,
    config: &'a CageConfig,
    workspace: PathBuf,
}

/// A started probe.
struct Running {
    pid: u32,
    pidfd: OwnedFd,
    channel: UnixStream,
    /// Whether whatever comes over the channel is taken.
    naive: bool,
}

impl Prover<'_> {
    fn uncaged(&self, attempt: &Attempt, world: &mut World) -> Result<Observed, ProveError> {
        let (mine, theirs) = channel()?;
        let argv = arguments(Column::Control, attempt, &world.decoys);
        let environment = World::environment();
        let theirs = OwnedFd::from(theirs);
        let (pid, pidfd) =
            control::start(&self.program, &argv, &environment, world.user(), &theirs)
                .map_err(system("starting a process without a cage"))?;
        drop(theirs);
        let running = Running {
            pid,
            pidfd,
            channel: mine,
            naive: true,
        };
        let mut seen = running.attempt()?;
        // The leader is not reaped yet, so its number is still its own.
        let _ = attack::kill_group(pid);
        let status = process::wait(pid, true).map_err(system("reaping a probe"))?;
        seen.status = seen.status.and(status);
        seen.touched.extend(world.look(&self.program)?);
        Ok(seen)
    }

    fn caged(
        &self,
        profile: ProfileName,
        attempt: &Attempt,
        world: &mut World,
    ) -> Result<Observed, ProveError> {
        let (mine, theirs) = channel()?;
        attack::ask_for_senders(mine.as_raw_fd()).map_err(system("preparing a channel"))?;
        let log = File::options().write(true).open("/dev/null");
        let caged = spawn(CageSpec {
            profile,
            program: self.program.as_fd(),
            argv: arguments(Column::Caged(profile), attempt, &world.decoys),
            fds: vec![(OwnedFd::from(theirs), 3)],
            log: OwnedFd::from(log.map_err(system("opening /dev/null"))?),
            workspace: Some(self.workspace.clone()),
            state: None,
            home: None,
            slot: SLOT,
            config: &CageConfig {
                mounts: Vec::new(),
                ..self.config.clone()
            },
        })
        .map_err(|cause| ProveError::Spawn {
            profile: profile.to_string(),
            id: attempt.id.to_owned(),
            cause,
        })?;
        let ended = self.in_cage(profile, attempt, &caged, mine);
        caged.kill().map_err(system("ending a cage"))?;
        let status = caged.wait().map_err(system("reaping a cage"))?;
        let mut seen = ended?;
        seen.status = seen.status.and(Some(status));
        seen.touched.extend(world.look(&self.program)?);
        Ok(seen)
    }

    fn in_cage(
        &self,
        profile: ProfileName,
        attempt: &Attempt,
        caged: &Caged,
        channel: UnixStream,
    ) -> Result<Observed, ProveError> {
        let said = boot(caged)?;
        if said != Some(Line::Ready) {
            return Err(ProveError::Boot {
                profile: profile.to_string(),
                id: attempt.id.to_owned(),
                said: match said {
                    Some(Line::Failed { layer, message }) => format!("{layer}: {message}"),
                    Some(Line::Malformed(text)) => text,
                    Some(Line::Ready) | None => "nothing".to_owned(),
                },
            });
        }
        let attested = attest::attest(caged.pid, &caged.expected);
        let pidfd = caged
            .pidfd
            .try_clone()
            .map_err(system("copying a descriptor"))?;
        let running = Running {
            pid: caged.pid,
            pidfd,
            channel,
            naive: false,
        };
        let mut seen = running.attempt()?;
        if let Err(error) = attested {
            seen.touched.push(format!("the cage is not one: {error}"));
        }
        Ok(seen)
    }
}

impl Running {
    /// Gives the start signal and listens until the probe ends or its time is over. The probe is
    /// not reaped; a status of `None` says that its time was over.
    fn attempt(&self) -> Result<Observed, ProveError> {
        use std::io::Write;
        let mut seen = Observed::default();
        let mut bytes = Vec::new();
        // A probe that ended before has no reader, which its end shows.
        let _ = (&self.channel).write(b"+");
        let until = Instant::now() + DEADLINE;
        let mut open = true;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let channel = if open { self.channel.as_raw_fd() } else { -1 };
            let ready = process::poll_readable(
                &[self.pidfd.as_raw_fd(), channel],
                i32::try_from(left.as_millis()).unwrap_or(0),
            )
            .map_err(system("waiting for a probe"))?;
            if ready[1] {
                open = self.take(&mut bytes, &mut seen);
            }
            if ready[0] {
                while open {
                    open = self.take(&mut bytes, &mut seen);
                }
                // Any status; the caller reaps and puts the real one.
                seen.status = Some(std::os::unix::process::ExitStatusExt::from_raw(0));
                break;
            }
            if left.is_zero() {
                use std::os::fd::AsFd;
                process::pidfd_send_signal(self.pidfd.as_fd(), libc::SIGKILL)
                    .map_err(system("ending a probe"))?;
                process::poll_readable(&[self.pidfd.as_raw_fd()], -1)
                    .map_err(system("waiting for a probe"))?;
                break;
            }
        }
        seen.said = last_line(&bytes);
        Ok(seen)
    }

    /// Receives once; false at the end of what there is.
    fn take(&self, bytes: &mut Vec<u8>, seen: &mut Observed) -> bool {
        const ENOUGH: usize = 64 << 10;
        let receive = || attack::receive(self.channel.as_raw_fd(), self.naive);
        // Out-of-band data reads as nothing once, the end of the channel as nothing twice.
        let received = match receive() {
            Ok(message) if message.bytes.is_empty() => receive(),
            other => other,
        };
        let Ok(message) = received else {
            return false;
        };
        let Message {
            bytes: new,
            sender,
            descriptors,
        } = message;
        if descriptors > 0 {
            seen.touched
                .push("a descriptor came over the channel".into());
        }
        // Words of any process but the attested one are not taken for its own.
        let is_own = self.naive || sender == Some(self.pid);
        if is_own && bytes.len() < ENOUGH {
            bytes.extend_from_slice(&new);
        }
        !new.is_empty()
    }
}

/// The line of the result; what an attempt itself wrote before it is no line of ours.
fn last_line(bytes: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(bytes);
    let known = |line: &&str| {
        *line == "nothing" || line.starts_with("through\t") || line.starts_with("refused\t")
    };
    text.lines().rfind(known).map(str::to_owned)
}

fn channel() -> Result<(UnixStream, UnixStream), ProveError> {
    UnixStream::pair().map_err(system("making a channel"))
}

fn arguments(column: Column, attempt: &Attempt, decoys: &Decoys) -> Vec<CString> {
    [PROBE_NAME, column.as_str(), attempt.id]
        .into_iter()
        // NOTE(zero byte): these words hold none.
        .filter_map(|word| CString::new(word).ok())
        .chain(decoys.to_arguments())
        .collect()
}

/// The boot report, waited for.
fn boot(caged: &Caged) -> Result<Option<Line>, ProveError> {
    use std::io::Read;
    let step = "reading a boot report";
    let until = Instant::now() + BOOT_DEADLINE;
    let copy = caged.report.try_clone().map_err(system(step))?;
    let mut file = File::from(copy);
    let mut bytes = Vec::new();
    let mut buffer = [0_u8; 512];
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(None);
        }
        let wait = i32::try_from(left.as_millis()).unwrap_or(i32::MAX);
        process::poll_readable(&[caged.report.as_raw_fd()], wait).map_err(system(step))?;
        match file.read(&mut buffer) {
            Ok(0) => return Ok(report::parse(&bytes)),
            Ok(count) => bytes.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(cause) => return Err(system(step)(cause)),
        }
        if let Some(line) = report::parse(&bytes) {
            return Ok(Some(line));
        }
    }
}
