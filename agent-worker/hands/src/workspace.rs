//! Paths of the workspace: every tool but `exec` reaches files through here, and only beneath a
//! root.
//!
//! A path is walked one name at a time from a descriptor of its root. Symlinks are read and walked
//! the same way, so one that leaves is refused, and nothing that is swapped during the walk leads
//! outside: `..` goes back to a descriptor that was passed, never to what stands above a directory
//! now. (`openat2` would do the same in one call; the cage's filter does not have it, because a
//! filter cannot look at its flags.) The cage is what confines; this gives clear errors and keeps a
//! tool to the files it was called for.

use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

/// The longest path, in bytes.
const PATH: usize = 4096;
/// Symlinks followed in one path, as the kernel counts them.
const LINKS: usize = 40;

/// A directory that paths may lie beneath.
#[derive(Debug, Clone)]
pub struct Root {
    /// What it is called in paths: absolute.
    pub seen_as: String,
    /// Where it is.
    pub at: PathBuf,
}

/// The directories that the tools reach.
#[derive(Debug)]
pub struct Workspace {
    roots: Vec<Root>,
}

/// Why a path is not used. Names the path as the caller wrote it.
#[derive(Debug, thiserror::Error)]
pub enum PathError {
    /// Empty, too long, or with a zero byte.
    #[error("{0:?} is not a path: give one of 1 to {PATH} bytes without a zero byte")]
    Form(String),
    /// Absolute and beneath no root.
    #[error(
        "{path} is outside the workspace; use a path relative to the workspace, or one that begins with {roots}"
    )]
    Outside {
        /// The path.
        path: String,
        /// The roots, for the reader.
        roots: String,
    },
    /// `..` or a symlink leads out.
    #[error("{0} leads outside the workspace, by \"..\" or by a symlink; it is not followed")]
    Leaves(String),
    /// More symlinks than the kernel would follow.
    #[error("{0} goes through more than {LINKS} symlinks; they may point at each other")]
    Links(String),
    /// Nothing is there.
    #[error("{0} does not exist; `list` shows what does")]
    Missing(String),
    /// A name in the middle is not a directory.
    #[error("{0} goes through something that is not a directory")]
    NotDirectory(String),
    /// A device, a pipe or a socket.
    #[error("{0} is neither a file nor a directory, so it is not touched")]
    Special(String),
    /// Another answer of the system.
    #[error("{path}: {step}: {cause}")]
    System {
        /// The path.
        path: String,
        /// What was being done.
        step: &'static str,
        /// What the system said.
        cause: std::io::Error,
    },
}

/// A path that was walked: the directory it lies in, held open, and its last name there. What the
/// name stands for is no symlink.
#[derive(Debug)]
pub struct WorkspacePath {
    directory: OwnedFd,
    /// `.` for a root itself.
    name: String,
    /// What it is; `None` where nothing is there yet.
    kind: Option<FileType>,
    /// As the caller wrote it.
    written: String,
}

impl Workspace {
    /// A workspace of these roots. Relative paths start at the first.
    pub fn new(roots: Vec<Root>) -> Self {
        Self { roots }
    }

    /// Where programs start.
    pub fn start_directory(&self) -> PathBuf {
        self.roots
            .first()
            .map(|root| root.at.clone())
            .unwrap_or_default()
    }

    /// Walks a path to something that exists.
    ///
    /// # Errors
    /// [`PathError`].
    pub fn existing(&self, path: &str) -> Result<WorkspacePath, PathError> {
        let walked = self.walk(path, false)?;
        match walked.kind {
            None => Err(PathError::Missing(path.to_owned())),
            Some(FileType::RegularFile | FileType::Directory) => Ok(walked),
            Some(_) => Err(PathError::Special(path.to_owned())),
        }
    }

    /// Walks a path to a file that exists or can be made; missing directories above it are made.
    ///
    /// # Errors
    /// [`PathError`].
    pub fn to_write(&self, path: &str) -> Result<WorkspacePath, PathError> {
        let walked = self.walk(path, true)?;
        match walked.kind {
            None | Some(FileType::RegularFile | FileType::Directory) => Ok(walked),
            Some(_) => Err(PathError::Special(path.to_owned())),
        }
    }

    fn walk(&self, path: &str, make: bool) -> Result<WorkspacePath, PathError> {
        if path.is_empty() || path.len() > PATH || path.contains('\0') {
            return Err(PathError::Form(path.chars().take(80).collect()));
        }
        let outside = || PathError::Outside {
            path: path.to_owned(),
            roots: self
                .roots
                .iter()
                .map(|root| root.seen_as.as_str())
                .collect::<Vec<_>>()
                .join(" or "),
        };
        let mut links = 0;
        let mut walk = Walk {
            root: 0,
            passed: Vec::new(),
            path,
        };
        // Names still to walk, the next one last.
        let mut names: Vec<String> = Vec::new();
        walk.enter(self, path, &mut names).ok_or_else(outside)??;
        let mut last = (".".to_owned(), Some(FileType::Directory));
        while let Some(name) = names.pop() {
            if name == ".." {
                if walk.passed.len() <= 1 {
                    return Err(PathError::Leaves(path.to_owned()));
                }
                walk.passed.pop();
                last = (".".to_owned(), Some(FileType::Directory));
                continue;
            }
            let kind = walk.kind(&name)?;
            match kind {
                Some(FileType::Symlink) => {
                    links += 1;
                    if links > LINKS {
                        return Err(PathError::Links(path.to_owned()));
                    }
                    let target = walk.target(&name)?;
                    walk.enter(self, &target, &mut names)
                        .ok_or_else(|| PathError::Leaves(path.to_owned()))??;
                    last = (".".to_owned(), Some(FileType::Directory));
                }
                Some(FileType::Directory) => {
                    walk.descend(&name)?;
                    last = (".".to_owned(), kind);
                }
                None if make && !names.is_empty() => {
                    walk.make(&name)?;
                    walk.descend(&name)?;
                }
                None if !names.is_empty() => return Err(PathError::Missing(path.to_owned())),
                Some(_) if !names.is_empty() => {
                    return Err(PathError::NotDirectory(path.to_owned()));
                }
                _ => last = (name, kind),
            }
        }
        let (name, kind) = last;
        match walk.passed.pop() {
            Some(directory) => Ok(WorkspacePath {
                directory,
                name,
                kind,
                written: path.to_owned(),
            }),
            None => Err(outside()),
        }
    }
}

/// A walk in progress.
struct Walk<'a> {
    root: usize,
    /// Descriptors of the directories passed, the root first.
    passed: Vec<OwnedFd>,
    path: &'a str,
}

impl Walk<'_> {
    /// Puts a path's names before those still to walk; an absolute path starts anew at its root.
    /// `None` where that is none of the workspace's.
    fn enter(
        &mut self,
        workspace: &Workspace,
        path: &str,
        names: &mut Vec<String>,
    ) -> Option<Result<(), PathError>> {
        let beneath = if path.starts_with('/') {
            let found = workspace.roots.iter().enumerate().find_map(|(at, root)| {
                let rest = path.strip_prefix(root.seen_as.as_str())?;
                (rest.is_empty() || rest.starts_with('/')).then_some((at, rest))
            });
            let (root, rest) = found?;
            self.root = root;
            self.passed.clear();
            rest
        } else {
            path
        };
        if self.passed.is_empty() {
            let root = workspace.roots.get(self.root)?;
            let opened = rustix::fs::open(&root.at, DIRECTORY & !OFlags::NOFOLLOW, Mode::empty());
            match opened {
                Ok(opened) => self.passed.push(opened),
                Err(error) => return Some(Err(self.system("opening the workspace", error))),
            }
        }
        names.extend(
            beneath
                .split('/')
                .rev()
                .filter(|name| !matches!(*name, "" | "."))
                .map(str::to_owned),
        );
        Some(Ok(()))
    }

    fn here(&self) -> Result<&OwnedFd, PathError> {
        self.passed
            .last()
            .ok_or_else(|| PathError::Leaves(self.path.to_owned()))
    }

    fn kind(&self, name: &str) -> Result<Option<FileType>, PathError> {
        match rustix::fs::statat(self.here()?, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(found) => Ok(Some(FileType::from_raw_mode(found.st_mode))),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(self.system("looking at it", error)),
        }
    }

    fn target(&self, name: &str) -> Result<String, PathError> {
        let target = rustix::fs::readlinkat(self.here()?, name, Vec::new())
            .map_err(|error| self.system("reading a symlink", error))?;
        target
            .into_string()
            .map_err(|_| PathError::Form(self.path.to_owned()))
    }

    fn descend(&mut self, name: &str) -> Result<(), PathError> {
        let opened = rustix::fs::openat(self.here()?, name, DIRECTORY, Mode::empty())
            .map_err(|error| self.system("entering a directory", error))?;
        self.passed.push(opened);
        Ok(())
    }

    fn make(&self, name: &str) -> Result<(), PathError> {
        match rustix::fs::mkdirat(self.here()?, name, Mode::from_raw_mode(0o777)) {
            Ok(()) | Err(Errno::EXIST) => Ok(()),
            Err(error) => Err(self.system("making a directory", error)),
        }
    }

    fn system(&self, step: &'static str, error: Errno) -> PathError {
        PathError::System {
            path: self.path.to_owned(),
            step,
            cause: error.into(),
        }
    }
}

const DIRECTORY: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

impl WorkspacePath {
    /// As the caller wrote it.
    pub fn written(&self) -> &str {
        &self.written
    }

    /// Whether it is a directory.
    pub fn is_directory(&self) -> bool {
        self.kind == Some(FileType::Directory)
    }

    /// Whether anything is there.
    pub fn exists(&self) -> bool {
        self.kind.is_some()
    }

    /// The directory it lies in, or is.
    pub fn directory(&self) -> &OwnedFd {
        &self.directory
    }

    /// Its name in [`Self::directory`]; `.` for that directory itself.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Opens it for reading.
    ///
    /// # Errors
    /// [`PathError`]; also where it was replaced by something else since.
    pub fn open(&self) -> Result<File, PathError> {
        // Without NONBLOCK a pipe that took its place would hold the call.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let opened = rustix::fs::openat(&self.directory, &self.name, flags, Mode::empty())
            .map_err(|error| self.system("opening it", error.into()))?;
        let file = File::from(opened);
        let kind = file
            .metadata()
            .map_err(|error| self.system("looking at it", error))?
            .file_type();
        if kind.is_file() || kind.is_dir() {
            Ok(file)
        } else {
            Err(PathError::Special(self.written.clone()))
        }
    }

    /// An error of the system in a step on this path.
    pub fn system(&self, step: &'static str, cause: std::io::Error) -> PathError {
        PathError::System {
            path: self.written.clone(),
            step,
            cause,
        }
    }
}
