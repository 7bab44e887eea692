//! A terminal for the program: what is typed goes in, what it draws comes out.

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::process::{Child, Command};

/// The person's side of a terminal of 80 columns.
pub struct Terminal {
    keys: File,
    /// Everything that was drawn so far.
    pub drawn: String,
    pub child: Child,
}

impl Terminal {
    /// Starts the program on a fresh terminal.
    pub fn start(mut command: Command) -> Self {
        let main = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&main).unwrap();
        unlockpt(&main).unwrap();
        let name = ptsname(&main, Vec::new()).unwrap();
        let side = OpenOptions::new()
            .read(true)
            .write(true)
            .open(name.to_str().unwrap())
            .unwrap();
        tcsetwinsize(
            &side,
            Winsize {
                ws_row: 40,
                ws_col: 80,
                ws_xpixel: 0,
                ws_ypixel: 0,
            },
        )
        .unwrap();
        let child = command
            .env("TERM", "xterm")
            .env("NO_COLOR", "1")
            .stdin(side.try_clone().unwrap())
            .stdout(side.try_clone().unwrap())
            .stderr(side)
            .spawn()
            .unwrap();
        Self {
            keys: File::from(main),
            drawn: String::new(),
            child,
        }
    }

    pub fn type_in(&mut self, text: &str) {
        self.keys.write_all(text.as_bytes()).unwrap();
    }

    /// Waits until this was drawn, and forgets everything up to it. The test's own time limit ends it otherwise.
    #[track_caller]
    pub fn until(&mut self, part: &str) -> String {
        loop {
            if let Some(at) = self.drawn.find(part) {
                let rest = self.drawn.split_off(at + part.len());
                return std::mem::replace(&mut self.drawn, rest);
            }
            let mut piece = [0; 4096];
            match self.keys.read(&mut piece) {
                Ok(count @ 1..) => self
                    .drawn
                    .push_str(&String::from_utf8_lossy(&piece[..count])),
                _ => panic!("{part:?} was not drawn before the end: {:?}", self.drawn),
            }
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
