//! Processes, descriptors and signals.

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use super::check;

/// Which side of [`clone3`] this is.
pub(crate) enum Cloned {
    /// The caller: the child's process id and a descriptor for it.
    Parent { pid: u32, pidfd: OwnedFd },
    /// The new process.
    Child,
}

/// Makes a process with a copy of this one's memory, in new namespaces as `flags` say.
///
/// The caller must have one thread, or the copy may hold locks that nobody releases;
/// `spawn` checks that.
pub(crate) fn clone3(flags: u64) -> io::Result<Cloned> {
    let mut pidfd: RawFd = -1;
    // SAFETY: clone_args is plain integers, for which zero is a value the kernel defines.
    let mut args: libc::clone_args = unsafe { std::mem::zeroed() };
    args.flags = flags | libc::CLONE_PIDFD as u64;
    args.pidfd = (&raw mut pidfd) as u64;
    args.exit_signal = libc::SIGCHLD as u64;
    // SAFETY: without CLONE_VM the child has its own copy of memory and no stack is passed, so it
    // returns here as after fork; `args` and `pidfd` outlive the call.
    let result = unsafe {
        libc::syscall(
            libc::SYS_clone3,
            &raw mut args,
            std::mem::size_of::<libc::clone_args>(),
        )
    };
    match check(result)? {
        0 => Ok(Cloned::Child),
        pid => {
            // SAFETY: the kernel stored a new descriptor that nothing else owns.
            let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
            Ok(Cloned::Parent {
                pid: pid as u32,
                pidfd,
            })
        }
    }
}

/// Replaces the program by the one behind `program`; returns only on failure.
pub(crate) fn execveat(program: RawFd, argv: &[CString], envp: &[CString]) -> io::Error {
    let pointers = |list: &[CString]| -> Vec<*const libc::c_char> {
        list.iter()
            .map(|text| text.as_ptr())
            .chain([std::ptr::null()])
            .collect()
    };
    let (argv, envp) = (pointers(argv), pointers(envp));
    // SAFETY: both arrays end with null and point to strings that outlive the call.
    unsafe {
        libc::syscall(
            libc::SYS_execveat,
            program,
            c"".as_ptr(),
            argv.as_ptr(),
            envp.as_ptr(),
            libc::AT_EMPTY_PATH,
        );
    }
    io::Error::last_os_error()
}

/// Replaces the program by the one at `path`; returns only on failure.
pub(crate) fn execve(path: &CStr, argv: &[CString], envp: &[CString]) -> io::Error {
    let pointers = |list: &[CString]| -> Vec<*const libc::c_char> {
        list.iter()
            .map(|text| text.as_ptr())
            .chain([std::ptr::null()])
            .collect()
    };
    let (argv, envp) = (pointers(argv), pointers(envp));
    // SAFETY: both arrays end with null and point to strings that outlive the call.
    unsafe { libc::execve(path.as_ptr(), argv.as_ptr(), envp.as_ptr()) };
    io::Error::last_os_error()
}

/// Ends this process at once, without destructors.
pub(crate) fn exit_now(status: i32) -> ! {
    // SAFETY: _exit touches no memory of this process.
    unsafe { libc::_exit(status) }
}

/// Copies a descriptor to the lowest free number at or above `floor`, close-on-exec.
pub(crate) fn duplicate_above(fd: RawFd, floor: RawFd) -> io::Result<RawFd> {
    // SAFETY: F_DUPFD_CLOEXEC takes integers only; a bad number is an error, not a fault.
    Ok(check(unsafe { libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, floor) }.into())? as RawFd)
}

/// Copies a descriptor to exactly `target`, replacing what was there.
pub(crate) fn duplicate_to(fd: RawFd, target: RawFd, close_on_exec: bool) -> io::Result<()> {
    let flags = if close_on_exec { libc::O_CLOEXEC } else { 0 };
    // SAFETY: dup3 takes integers only. It is called in a fresh child, which owns every number.
    check(unsafe { libc::dup3(fd, target, flags) }.into()).map(drop)
}

/// Closes every descriptor from `first` to `last`, open or not.
pub(crate) fn close_range(first: u32, last: u32) -> io::Result<()> {
    // SAFETY: integers only. It is called in a fresh child, whose owners of descriptors never
    // run again: it ends by exec or by exit without destructors.
    check(unsafe { libc::syscall(libc::SYS_close_range, first, last, 0_u32) }).map(drop)
}

/// Whether a descriptor number is open.
pub(crate) fn is_open(fd: RawFd) -> bool {
    // SAFETY: F_GETFD takes integers only.
    unsafe { libc::fcntl(fd, libc::F_GETFD) >= 0 }
}

/// Closes a fixed number when another program is executed.
pub(crate) fn close_on_exec(fd: RawFd) -> io::Result<()> {
    // SAFETY: F_SETFD takes integers only.
    check(unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) }.into()).map(drop)
}

/// Makes reads and writes of a descriptor return at once when they would wait.
pub(crate) fn set_nonblocking(fd: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: F_SETFL takes integers only.
    check(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETFL, libc::O_NONBLOCK) }.into()).map(drop)
}

/// Writes to a descriptor by number, as a child does that owns nothing yet.
pub(crate) fn write_all(fd: RawFd, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        // SAFETY: the pointer and length are those of a live slice, which the kernel only reads.
        let written = unsafe { libc::write(fd, bytes.as_ptr().cast(), bytes.len()) };
        bytes = &bytes[check(written as libc::c_long)? as usize..];
    }
    Ok(())
}

/// Reads one byte; `None` at the end.
pub(crate) fn read_byte(fd: RawFd) -> io::Result<Option<u8>> {
    let mut byte = 0_u8;
    // SAFETY: a live byte that the kernel writes.
    let count = unsafe { libc::read(fd, (&raw mut byte).cast(), 1) };
    Ok((check(count as libc::c_long)? == 1).then_some(byte))
}

/// A fixed number of a cage as a borrowed descriptor.
pub(crate) fn borrow(fd: RawFd) -> BorrowedFd<'static> {
    // SAFETY: only called in a child that placed an open descriptor there and keeps it until exec.
    unsafe { BorrowedFd::borrow_raw(fd) }
}

/// Closes a descriptor by number.
pub(crate) fn close(fd: RawFd) -> io::Result<()> {
    // SAFETY: integers only. The callers name the fixed numbers of a cage, which no value owns.
    check(unsafe { libc::close(fd) }.into()).map(drop)
}

/// Leaves the control group namespace for one whose root is the group this process is in now.
pub(crate) fn new_group_namespace() -> io::Result<()> {
    // SAFETY: integers only.
    check(unsafe { libc::unshare(libc::CLONE_NEWCGROUP) }.into()).map(drop)
}

/// Starts a session without a terminal.
pub(crate) fn setsid() -> io::Result<()> {
    // SAFETY: no arguments.
    check(unsafe { libc::setsid() }.into()).map(drop)
}

/// Sets the host name of this process' own namespace.
pub(crate) fn set_host_name(name: &str) -> io::Result<()> {
    // SAFETY: the pointer and length are those of a live text, which the kernel only reads.
    check(unsafe { libc::sethostname(name.as_ptr().cast(), name.len()) }.into()).map(drop)
}

/// Sets the file mode mask.
pub(crate) fn umask(mask: u32) {
    // SAFETY: integers only; umask cannot fail.
    unsafe { libc::umask(mask) };
}

/// Default dispositions for all signals and an empty mask.
pub(crate) fn reset_signals() -> io::Result<()> {
    // SAFETY: a zeroed sigaction is SIG_DFL with no flags and an empty mask.
    let default: libc::sigaction = unsafe { std::mem::zeroed() };
    for signal in 1..=64 {
        // SAFETY: `default` outlives the call. The kernel refuses the numbers that cannot be
        // changed (9, 19, and two that the C library keeps), which need no change.
        unsafe { libc::sigaction(signal, &raw const default, std::ptr::null_mut()) };
    }
    // SAFETY: sigset_t is plain integers; zero is the empty set on Linux.
    let empty: libc::sigset_t = unsafe { std::mem::zeroed() };
    // SAFETY: `empty` outlives the call.
    check(
        unsafe { libc::sigprocmask(libc::SIG_SETMASK, &raw const empty, std::ptr::null_mut()) }
            .into(),
    )
    .map(drop)
}

/// A descriptor for a process, for signals and for its end.
pub(crate) fn pidfd_open(pid: u32) -> io::Result<OwnedFd> {
    // SAFETY: integers only.
    let fd = check(unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0_u32) })?;
    // SAFETY: the kernel just made this descriptor; nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
}

/// Sends a signal to the process behind a descriptor; never to another with its old number.
pub(crate) fn pidfd_send_signal(pidfd: BorrowedFd<'_>, signal: i32) -> io::Result<()> {
    // SAFETY: a null siginfo is defined as that of kill(2); the rest is integers.
    check(unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            pidfd.as_raw_fd(),
            signal,
            std::ptr::null::<libc::siginfo_t>(),
            0_u32,
        )
    })
    .map(drop)
}

/// Reaps the child with this number. `None`: it still runs (only when `block` is false).
pub(crate) fn wait(pid: u32, block: bool) -> io::Result<Option<ExitStatus>> {
    let mut status = 0;
    loop {
        let flags = if block { 0 } else { libc::WNOHANG };
        // SAFETY: `status` is a live integer that the kernel writes.
        let result =
            unsafe { libc::waitpid(pid as libc::pid_t, &raw mut status, flags | libc::__WALL) };
        match check(result.into()) {
            Ok(0) => return Ok(None),
            Ok(_) => return Ok(Some(ExitStatus::from_raw(status))),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Waits until one of the descriptors is readable or hung up, or the time (milliseconds, -1 for
/// ever) is over; returns for each whether it is.
pub(crate) fn poll_readable(fds: &[RawFd], timeout: i32) -> io::Result<Vec<bool>> {
    let mut list: Vec<libc::pollfd> = fds
        .iter()
        .map(|fd| libc::pollfd {
            fd: *fd,
            events: libc::POLLIN,
            revents: 0,
        })
        .collect();
    loop {
        // SAFETY: the pointer and count are those of a live vector.
        let result = unsafe { libc::poll(list.as_mut_ptr(), list.len() as libc::nfds_t, timeout) };
        match check(result.into()) {
            Ok(_) => return Ok(list.iter().map(|entry| entry.revents != 0).collect()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// The ids of this process: real, effective and saved user id.
pub(crate) fn user_ids() -> io::Result<[u32; 3]> {
    let mut ids = [0; 3];
    let [real, effective, saved] = &mut ids;
    // SAFETY: three live integers that the kernel writes.
    check(unsafe { libc::getresuid(real, effective, saved) }.into())?;
    Ok(ids)
}

/// The effective user and group id.
pub(crate) fn effective_ids() -> (u32, u32) {
    // SAFETY: no arguments; these calls cannot fail.
    unsafe { (libc::geteuid(), libc::getegid()) }
}

/// The process id as this process' own namespace counts it.
pub(crate) fn own_pid() -> u32 {
    // SAFETY: no arguments; the raw call is made because the C library may cache an older value.
    unsafe { libc::syscall(libc::SYS_getpid) as u32 }
}

/// A socket of this process' own network namespace, to ask for its interfaces.
pub(crate) fn local_socket() -> io::Result<OwnedFd> {
    // SAFETY: integers only.
    let fd = check(
        unsafe { libc::socket(libc::AF_UNIX, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0) }.into(),
    )?;
    // SAFETY: the kernel just made this descriptor; nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
}

/// The flags of the network interface with this index in the namespace in which the socket was
/// made. `None`: there is no such interface.
pub(crate) fn interface_flags(socket: RawFd, index: i32) -> io::Result<Option<i16>> {
    // SAFETY: ifreq is plain integers and bytes, for which zero is a value.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    request.ifr_ifru.ifru_ifindex = index;
    // SAFETY: SIOCGIFNAME reads the index and writes the name into a live ifreq.
    let named = unsafe { libc::ioctl(socket, libc::SIOCGIFNAME, &raw mut request) };
    if let Err(error) = check(named.into()) {
        return if error.raw_os_error() == Some(libc::ENODEV) {
            Ok(None)
        } else {
            Err(error)
        };
    }
    // SAFETY: SIOCGIFFLAGS reads the name and writes the flags into a live ifreq.
    check(unsafe { libc::ioctl(socket, libc::SIOCGIFFLAGS, &raw mut request) }.into())?;
    // SAFETY: the call above stored the flags in this member.
    Ok(Some(unsafe { request.ifr_ifru.ifru_flags }))
}

/// Whether `umask` is executed; for a try of the filter, which refuses it with an error.
pub(crate) fn umask_call_works() -> bool {
    // SAFETY: an integer; the mask concerns files this process makes.
    unsafe { libc::syscall(libc::SYS_umask, 0o077) >= 0 }
}

/// Asks for the process id through the 32-bit table of calls.
pub(crate) fn foreign_getpid() {
    const GETPID_32: u32 = 20;
    // SAFETY: getpid reads and writes no memory; the gate changes rax and, on some kernels, r8 to
    // r11, which are named as lost.
    unsafe {
        std::arch::asm!("int 0x80", inlateout("eax") GETPID_32 => _,
            out("r8") _, out("r9") _, out("r10") _, out("r11") _);
    }
}

/// Whether a page can be made writable first and executable afterwards.
pub(crate) fn executable_memory_works() -> bool {
    // SAFETY: a new private page at an address of the kernel's choice, used by nobody.
    unsafe {
        let page = libc::mmap(
            std::ptr::null_mut(),
            4096,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
            -1,
            0,
        );
        page != libc::MAP_FAILED
            && libc::mprotect(page, 4096, libc::PROT_READ | libc::PROT_EXEC) == 0
    }
}

/// Takes over a descriptor that this program was started with. `None` where the number is not open,
/// is one of the standard three, or was taken before.
pub fn take_inherited(number: i32) -> Option<OwnedFd> {
    use std::sync::atomic::{AtomicU64, Ordering};
    static TAKEN: AtomicU64 = AtomicU64::new(0);
    if !(3..64).contains(&number) {
        return None;
    }
    // SAFETY: F_GETFD reads a flag of a number; it has no other effect, also where it is not open.
    if unsafe { libc::fcntl(number, libc::F_GETFD) } < 0 {
        return None;
    }
    let bit = 1_u64 << number;
    if TAKEN.fetch_or(bit, Ordering::SeqCst) & bit != 0 {
        return None;
    }
    // SAFETY: the number is open, and the mark above makes this the only owner that is ever made of
    // it here. Callers take it first thing in `main`, before anything could have been opened on it.
    Some(unsafe { OwnedFd::from_raw_fd(number) })
}
