//! Mounts, by the descriptor-based calls where they exist.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use super::check;

/// Attributes of a mount: read-only.
pub(crate) const RDONLY: u64 = libc::MOUNT_ATTR_RDONLY;
/// Attributes of a mount: set-uid bits do nothing.
pub(crate) const NOSUID: u64 = libc::MOUNT_ATTR_NOSUID;
/// Attributes of a mount: device files cannot be opened.
pub(crate) const NODEV: u64 = libc::MOUNT_ATTR_NODEV;
/// Attributes of a mount: nothing is executed.
pub(crate) const NOEXEC: u64 = libc::MOUNT_ATTR_NOEXEC;

/// Opens a place in the file system without following any symlink on the way.
pub(crate) fn open_place(path: &CStr, directory: bool) -> io::Result<OwnedFd> {
    // SAFETY: open_how is plain integers, for which zero is a value the kernel defines.
    let mut how: libc::open_how = unsafe { std::mem::zeroed() };
    let kind = if directory { libc::O_DIRECTORY } else { 0 };
    how.flags = (libc::O_PATH | libc::O_CLOEXEC | kind) as u64;
    how.resolve = libc::RESOLVE_NO_SYMLINKS | libc::RESOLVE_NO_MAGICLINKS;
    // SAFETY: the path is a live C string and `how` a live structure of the size given.
    let fd = check(unsafe {
        libc::syscall(
            libc::SYS_openat2,
            libc::AT_FDCWD,
            path.as_ptr(),
            &raw const how,
            std::mem::size_of::<libc::open_how>(),
        )
    })?;
    // SAFETY: the kernel just made this descriptor; nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
}

/// Copies the mount at an opened place, with those below it, as a detached tree.
pub(crate) fn clone_tree(place: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let flags = libc::OPEN_TREE_CLONE
        | libc::OPEN_TREE_CLOEXEC
        | (libc::AT_EMPTY_PATH | libc::AT_RECURSIVE) as libc::c_uint;
    // SAFETY: an empty C string and integers.
    let fd = check(unsafe {
        libc::syscall(libc::SYS_open_tree, place.as_raw_fd(), c"".as_ptr(), flags)
    })?;
    // SAFETY: the kernel just made this descriptor; nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
}

/// Sets attributes of a mount and of all below it.
pub(crate) fn set_attributes(tree: BorrowedFd<'_>, set: u64) -> io::Result<()> {
    // SAFETY: mount_attr is plain integers, for which zero is a value the kernel defines.
    let mut attributes: libc::mount_attr = unsafe { std::mem::zeroed() };
    attributes.attr_set = set;
    // SAFETY: an empty C string and a live structure of the size given.
    check(unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            tree.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH | libc::AT_RECURSIVE,
            &raw const attributes,
            std::mem::size_of::<libc::mount_attr>(),
        )
    })
    .map(drop)
}

/// Attaches a detached tree at a path.
pub(crate) fn attach(tree: BorrowedFd<'_>, at: &CStr) -> io::Result<()> {
    const MOVE_MOUNT_F_EMPTY_PATH: libc::c_uint = 4;
    // SAFETY: two live C strings and integers.
    check(unsafe {
        libc::syscall(
            libc::SYS_move_mount,
            tree.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_FDCWD,
            at.as_ptr(),
            MOVE_MOUNT_F_EMPTY_PATH,
        )
    })
    .map(drop)
}

/// Makes a new file system of a kind, detached, with options as key and value.
pub(crate) fn new_filesystem(
    kind: &CStr,
    options: &[(&CStr, &CStr)],
    attributes: u64,
) -> io::Result<OwnedFd> {
    const FSOPEN_CLOEXEC: libc::c_uint = 1;
    const FSCONFIG_SET_STRING: libc::c_uint = 1;
    const FSCONFIG_CMD_CREATE: libc::c_uint = 6;
    const FSMOUNT_CLOEXEC: libc::c_uint = 1;
    let null = std::ptr::null::<libc::c_char>();
    // SAFETY: a live C string and an integer.
    let fd = check(unsafe { libc::syscall(libc::SYS_fsopen, kind.as_ptr(), FSOPEN_CLOEXEC) })?;
    // SAFETY: the kernel just made this descriptor; nothing else owns it.
    let context = unsafe { OwnedFd::from_raw_fd(fd as RawFd) };
    let fd = context.as_raw_fd();
    for (key, value) in options {
        // SAFETY: live C strings and integers.
        check(unsafe {
            libc::syscall(
                libc::SYS_fsconfig,
                fd,
                FSCONFIG_SET_STRING,
                key.as_ptr(),
                value.as_ptr(),
                0_i32,
            )
        })?;
    }
    // SAFETY: the create command takes no key and no value.
    check(unsafe {
        libc::syscall(
            libc::SYS_fsconfig,
            fd,
            FSCONFIG_CMD_CREATE,
            null,
            null,
            0_i32,
        )
    })?;
    // SAFETY: integers only.
    let fd = check(unsafe { libc::syscall(libc::SYS_fsmount, fd, FSMOUNT_CLOEXEC, attributes) })?;
    // SAFETY: the kernel just made this descriptor; nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
}

/// No mount made here from now on shows anywhere else, nor the other way round.
pub(crate) fn make_all_private() -> io::Result<()> {
    let null = std::ptr::null::<libc::c_char>();
    // SAFETY: for a propagation change only the target is read, a live C string.
    check(
        unsafe {
            libc::mount(
                null,
                c"/".as_ptr(),
                null,
                libc::MS_REC | libc::MS_PRIVATE,
                null.cast(),
            )
        }
        .into(),
    )
    .map(drop)
}

/// Makes a mounted tree the root directory and lets go of the old one.
pub(crate) fn enter_root(tree: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: an integer.
    check(unsafe { libc::fchdir(tree.as_raw_fd()) }.into())?;
    // SAFETY: two live C strings.
    check(unsafe { libc::syscall(libc::SYS_pivot_root, c".".as_ptr(), c".".as_ptr()) })?;
    // SAFETY: a live C string and an integer. The old root lies over the new one at ".".
    check(unsafe { libc::umount2(c".".as_ptr(), libc::MNT_DETACH) }.into())?;
    // SAFETY: a live C string.
    check(unsafe { libc::chdir(c"/".as_ptr()) }.into()).map(drop)
}

/// Makes the file system behind the root directory read-only, not only the mount of it.
pub(crate) fn freeze_root() -> io::Result<()> {
    let null = std::ptr::null::<libc::c_char>();
    let flags =
        libc::MS_REMOUNT | libc::MS_RDONLY | libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC;
    // SAFETY: for a remount without options only the target is read, a live C string.
    check(unsafe { libc::mount(null, c"/".as_ptr(), null, flags, null.cast()) }.into()).map(drop)
}

/// Changes the working directory.
pub(crate) fn chdir(path: &CStr) -> io::Result<()> {
    // SAFETY: a live C string.
    check(unsafe { libc::chdir(path.as_ptr()) }.into()).map(drop)
}

/// Gives an opened place (empty name) or an entry of it, never what a symlink points to, to an id.
pub(crate) fn give_to(place: BorrowedFd<'_>, name: &CStr, id: u32) -> io::Result<()> {
    let flags = libc::AT_EMPTY_PATH | libc::AT_SYMLINK_NOFOLLOW;
    // SAFETY: a live C string and integers.
    check(unsafe { libc::fchownat(place.as_raw_fd(), name.as_ptr(), id, id, flags) }.into())
        .map(drop)
}
