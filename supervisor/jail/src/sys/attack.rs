//! Calls as an attacker makes them: any number, any argument.
//!
//! Used by the attempts alone, in throw-away processes that make one attempt and end: whatever a
//! call does to such a process' memory ends with it.

use std::io;

use super::check;

/// Makes a call. The answer, or the error number.
pub(crate) fn call(number: i64, arguments: &[u64]) -> Result<u64, i32> {
    let mut list = [0_u64; 6];
    for (place, argument) in list.iter_mut().zip(arguments) {
        *place = *argument;
    }
    let [a, b, c, d, e, f] = list;
    // SAFETY: the attempts pass integers and addresses of buffers that outlive the call, or ones
    // that are meant to fault in the kernel; the process makes one attempt and ends.
    let answer = unsafe { libc::syscall(number, a, b, c, d, e, f) };
    check(answer)
        .map(|value| value as u64)
        .map_err(|error| error.raw_os_error().unwrap_or(libc::EIO))
}

/// The address of a value, for [`call`].
pub(crate) fn at<T: ?Sized>(value: &T) -> u64 {
    (&raw const *value).cast::<u8>() as u64
}

/// The address of a value that the kernel writes, for [`call`].
pub(crate) fn at_mut<T: ?Sized>(value: &mut T) -> u64 {
    (&raw mut *value).cast::<u8>() as u64
}

/// Makes a child with a copy of this memory. `Ok(0)` in the child.
pub(crate) fn fork() -> Result<u32, i32> {
    call(libc::SYS_clone, &[libc::SIGCHLD as u64]).map(|pid| pid as u32)
}

/// Asks for the process id through the 32-bit table of calls; the answer, negative on error.
pub(crate) fn call_32(number: u32) -> i32 {
    let answer: u32;
    // SAFETY: the one user asks for the process id, which touches no memory; the gate changes rax
    // and, on some kernels, r8 to r11, which are named as lost.
    unsafe {
        std::arch::asm!("int 0x80", inlateout("eax") number => answer,
            out("r8") _, out("r9") _, out("r10") _, out("r11") _);
    }
    answer as i32
}

/// Jumps to code at an address and returns what it returns.
pub(crate) fn run_code(address: u64) -> u64 {
    // SAFETY: the attempts pass an executable page of their own that holds one function with the
    // C calling convention, no argument and an integer result.
    let function: extern "C" fn() -> u64 = unsafe { std::mem::transmute(address) };
    function()
}

/// A byte at an address of this process' own mapping.
pub(crate) fn peek(address: u64, length: usize) -> Vec<u8> {
    // SAFETY: the attempts pass the address and length of a mapping that the kernel just made.
    unsafe { std::slice::from_raw_parts(address as *const u8, length) }.to_vec()
}

/// Writes a byte into this process' own mapping.
pub(crate) fn poke(address: u64, bytes: &[u8]) {
    // SAFETY: the attempts pass the address of a writable mapping that the kernel just made, at
    // least as long as the bytes.
    unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), address as *mut u8, bytes.len()) };
}

/// The path under which the kernel says this program was started.
pub(crate) fn started_as() -> String {
    // SAFETY: the value is null or a string that the kernel placed above the stack for good.
    unsafe {
        let text = libc::getauxval(libc::AT_EXECFN) as *const libc::c_char;
        if text.is_null() {
            return String::new();
        }
        std::ffi::CStr::from_ptr(text)
            .to_string_lossy()
            .into_owned()
    }
}

/// Kills a process group.
pub(crate) fn kill_group(leader: u32) -> io::Result<()> {
    // SAFETY: integers only.
    check(unsafe { libc::kill(-(leader as i32), libc::SIGKILL) }.into()).map(drop)
}

/// Makes this process the leader of a group of its own.
pub(crate) fn lead_group() -> io::Result<()> {
    // SAFETY: integers only.
    check(unsafe { libc::setpgid(0, 0) }.into()).map(drop)
}

/// What one message on a local socket carried.
#[derive(Debug, Default)]
pub(crate) struct Message {
    /// Its bytes; empty at the end.
    pub(crate) bytes: Vec<u8>,
    /// Who sent it, as the kernel says, if the socket asks for that.
    pub(crate) sender: Option<u32>,
    /// Descriptors that came with it; all closed again.
    pub(crate) descriptors: usize,
}

/// Has the kernel name the sender of each message.
pub(crate) fn ask_for_senders(socket: i32) -> io::Result<()> {
    let on: libc::c_int = 1;
    // SAFETY: a live integer of the size given.
    check(
        unsafe {
            libc::setsockopt(
                socket,
                libc::SOL_SOCKET,
                libc::SO_PASSCRED,
                (&raw const on).cast(),
                size_of::<libc::c_int>() as libc::socklen_t,
            )
        }
        .into(),
    )
    .map(drop)
}

/// Receives without waiting. With `descriptors`, takes any that come along; without, leaves room
/// for the sender alone, as the broker does, and the kernel drops them.
pub(crate) fn receive(socket: i32, descriptors: bool) -> io::Result<Message> {
    let mut bytes = vec![0_u8; 4096];
    // Aligned for the headers in it.
    let mut control = [0_u64; 64];
    let room = if descriptors {
        size_of_val(&control)
    } else {
        // SAFETY: arithmetic only.
        (unsafe { libc::CMSG_SPACE(size_of::<libc::ucred>() as u32) }) as usize
    };
    let mut part = libc::iovec {
        iov_base: bytes.as_mut_ptr().cast(),
        iov_len: bytes.len(),
    };
    // SAFETY: msghdr is integers and pointers, for which zero is a value.
    let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
    header.msg_iov = &raw mut part;
    header.msg_iovlen = 1;
    header.msg_control = control.as_mut_ptr().cast();
    header.msg_controllen = room;
    let flags = libc::MSG_DONTWAIT | libc::MSG_CMSG_CLOEXEC;
    // SAFETY: the header and all it points to are live and of the sizes given.
    let count = check(unsafe { libc::recvmsg(socket, &raw mut header, flags) } as libc::c_long)?;
    bytes.truncate(count as usize);
    let mut message = Message {
        bytes,
        ..Message::default()
    };
    // SAFETY: the kernel filled `control` with whole headers and set its length; the macros walk
    // within it, and each payload is read as the type that its header names.
    unsafe {
        let mut entry = libc::CMSG_FIRSTHDR(&raw const header);
        while !entry.is_null() {
            let payload = libc::CMSG_DATA(entry);
            let length = (*entry).cmsg_len as usize - (payload as usize - entry as usize);
            match (*entry).cmsg_type {
                libc::SCM_CREDENTIALS => {
                    let sender = payload.cast::<libc::ucred>().read_unaligned();
                    message.sender = Some(sender.pid as u32);
                }
                libc::SCM_RIGHTS => {
                    for index in 0..length / size_of::<libc::c_int>() {
                        let fd = payload.cast::<libc::c_int>().add(index).read_unaligned();
                        libc::close(fd);
                        message.descriptors += 1;
                    }
                }
                _ => {}
            }
            entry = libc::CMSG_NXTHDR(&raw const header, entry);
        }
    }
    Ok(message)
}
