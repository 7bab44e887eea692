//! Starts the program with an environment that holds what a test names and nothing else.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What one run left.
#[derive(Debug)]
pub struct Outcome {
    pub status: Option<i32>,
    pub out: Vec<u8>,
    pub said: String,
}

impl Outcome {
    /// It succeeded with exactly these bytes and said nothing.
    #[track_caller]
    pub fn gives(&self, value: &str) {
        assert_eq!(self.status, Some(0), "{self:?}");
        assert_eq!(String::from_utf8_lossy(&self.out), value);
        assert_eq!(self.said, "");
    }

    /// It failed with this status, gave nothing, and named cause and remedy.
    #[track_caller]
    pub fn fails(&self, status: i32, words: &str) {
        assert_eq!(self.status, Some(status), "{self:?}");
        assert!(self.out.is_empty(), "{self:?}");
        assert!(self.said.contains(words), "{self:?}");
        let lines: Vec<&str> = self.said.lines().collect();
        assert_eq!(lines.len(), 2, "{self:?}");
        assert!(
            lines[0].contains(": ") && lines[1].starts_with("  remedy: "),
            "{self:?}"
        );
        assert!(
            !self.said.chars().any(|c| c.is_control() && c != '\n'),
            "{self:?}"
        );
    }
}

/// Runs the program with only these variables.
pub fn run(arguments: &[&str], environment: &[(&str, &str)]) -> Outcome {
    run_with_input(arguments, environment, b"")
}

/// The same, with bytes on standard input.
pub fn run_with_input(arguments: &[&str], environment: &[(&str, &str)], input: &[u8]) -> Outcome {
    let mut child = Command::new(env!("CARGO_BIN_EXE_carapace-secret-helper"))
        .args(arguments)
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .envs(environment.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It may have ended without reading.
    let _ = child.stdin.take().unwrap().write_all(input);
    let output = child.wait_with_output().unwrap();
    Outcome {
        status: output.status.code(),
        out: output.stdout,
        said: String::from_utf8(output.stderr).unwrap(),
    }
}

/// One of the scripts.
pub fn fake(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fakes")
        .join(name);
    path.to_str().unwrap().to_owned()
}

/// Where a program of this machine is. A machine without it is not ready for these tests.
pub fn program(name: &str, package: &str) -> PathBuf {
    ["/usr/local/bin", "/usr/bin", "/bin"]
        .iter()
        .map(|folder| Path::new(folder).join(name))
        .find(|path| path.exists())
        .unwrap_or_else(|| {
            panic!(
                "`{name}` is missing: install Debian's package `{package}` (tools/setup.sh test)"
            )
        })
}
