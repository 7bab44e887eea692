//! The table of children, and the one thread that waits for them.

use super::Bell;
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, WaitOptions, WaitStatus};
use std::collections::HashMap;
use std::io;
use std::process::Command;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};

/// The children of this process. There is one table, because the kernel has one.
#[derive(Debug, Default)]
pub struct Children {
    table: Mutex<Table>,
    started: Condvar,
}

#[derive(Debug, Default)]
struct Table {
    running: HashMap<Pid, Arc<Running>>,
    /// How many were started, ever.
    count: u64,
}

/// A child that runs, or has ended and was not asked for yet.
#[derive(Debug)]
pub(super) struct Running {
    pid: Pid,
    status: OnceLock<WaitStatus>,
    pub(super) bell: Arc<Bell>,
}

impl Running {
    /// How it ended, once it has.
    pub(super) fn status(&self) -> Option<WaitStatus> {
        self.status.get().copied()
    }
}

impl Children {
    /// The table of this process; the first use starts the waiting thread.
    ///
    /// # Errors
    /// The system's, where the thread cannot be started.
    pub fn of_process() -> io::Result<&'static Self> {
        static TABLE: OnceLock<Children> = OnceLock::new();
        static WAITING: Mutex<bool> = Mutex::new(false);
        let table = TABLE.get_or_init(Self::default);
        let mut waiting = WAITING.lock().unwrap_or_else(PoisonError::into_inner);
        if !*waiting {
            std::thread::Builder::new()
                .name("children".to_owned())
                .spawn(|| table.wait_for_all())?;
            *waiting = true;
        }
        Ok(table)
    }

    /// Starts a program in a group of its own. `bell` is rung when it ends. `inherit` is given to
    /// it under the number it has; programs that others start meanwhile do not get it.
    pub(super) fn start(
        &self,
        command: &mut Command,
        bell: Arc<Bell>,
        inherit: Option<&std::os::fd::OwnedFd>,
    ) -> io::Result<(Arc<Running>, std::process::Child)> {
        use std::os::unix::process::CommandExt;
        // Held over the start, so that the child is in the table before its end is looked for.
        let mut table = self.lock();
        if let Some(descriptor) = inherit {
            rustix::io::fcntl_setfd(descriptor, rustix::io::FdFlags::empty())?;
        }
        let spawned = command.process_group(0).spawn();
        if let Some(descriptor) = inherit {
            rustix::io::fcntl_setfd(descriptor, rustix::io::FdFlags::CLOEXEC)?;
        }
        let child = spawned?;
        let pid = Pid::from_child(&child);
        let running = Arc::new(Running {
            pid,
            status: OnceLock::new(),
            bell,
        });
        table.running.insert(pid, Arc::clone(&running));
        table.count += 1;
        self.started.notify_all();
        Ok((running, child))
    }

    /// Ends a child and its group, unless it has ended.
    pub(super) fn kill(&self, running: &Running) {
        let table = self.lock();
        if table.running.contains_key(&running.pid) {
            let _ = rustix::process::kill_process_group(running.pid, Signal::KILL);
        }
    }

    fn wait_for_all(&self) {
        loop {
            let count = self.lock().count;
            // Looks without taking: the status is taken under the lock.
            match rustix::process::waitid(
                WaitId::All,
                WaitIdOptions::EXITED | WaitIdOptions::NOWAIT,
            ) {
                Ok(_) => self.take_ended(),
                Err(Errno::INTR) => {}
                // No child, so no orphan either, until one is started.
                Err(_) => {
                    let table = self.lock();
                    let waited = self.started.wait_while(table, |table| table.count == count);
                    drop(waited);
                }
            }
        }
    }

    fn take_ended(&self) {
        let mut table = self.lock();
        while let Ok(Some((pid, status))) = rustix::process::wait(WaitOptions::NOHANG) {
            let Some(ended) = table.running.remove(&pid) else {
                continue;
            };
            // What it started goes with it. The number is not in use again yet: numbers are handed
            // out in a circle, and while the group has a member it is not handed out at all.
            let _ = rustix::process::kill_process_group(pid, Signal::KILL);
            if table.running.is_empty() && rustix::process::getpid() == Pid::INIT {
                // To process 1, "group 1" means every process of the cage but itself.
                let _ = rustix::process::kill_process_group(Pid::INIT, Signal::KILL);
            }
            let _ = ended.status.set(status);
            ended.bell.ring();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        // The table is whole at every moment: a panic elsewhere does not spoil it.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
