//! The `ipc` command: `ipc TOPIC JSON` asks the broker and prints the result.

use super::{DOOR_VARIABLE, links};
use carapace_ipc_proto::link::{self, LinkError};
use carapace_ipc_proto::words::{Down, Joiner, Request, Word};
use carapace_ipc_proto::{json, limits};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::process::ExitCode;

const USAGE: &str = "usage: ipc TOPIC [JSON]\n  ipc tool.list\n  ipc tool.invoke.math_eval '{\"expression\": \"6*7\"}'\n\
    Prints the result as JSON. Exits with 1 and the error as JSON on standard error where it is refused or fails.";

/// Why the command does not ask, or has no answer.
#[derive(Debug, thiserror::Error)]
pub enum IpcError {
    /// Wrong arguments.
    #[error("{0}\n{USAGE}")]
    Usage(String),
    /// The call was not begun with `ipc`.
    #[error(
        "this program may not use ipc: run it by a call of `exec` with \"ipc\": true, and do not close its descriptors"
    )]
    NoDoor,
    /// The link cannot be begun, or ended.
    #[error("the link to the broker failed: {0}; the call may have ended")]
    Link(#[from] LinkError),
}

/// Whether the program was started as this command.
pub fn is_meant(name: Option<&OsStr>) -> bool {
    name.and_then(|name| std::path::Path::new(name).file_name())
        .is_some_and(|name| name == "ipc")
}

/// The command: exit status 0 with a result, 1 with an error, 2 for wrong use.
pub fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args_os()
        .skip(1)
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    match ask(&arguments) {
        Ok(Ok(result)) => ExitCode::from(u8::from(!print(io::stdout(), &result))),
        Ok(Err(error)) => {
            print(io::stderr(), &error);
            ExitCode::from(1)
        }
        Err(error) => {
            print(io::stderr(), error.to_string().as_bytes());
            ExitCode::from(if matches!(error, IpcError::Link(_)) {
                1
            } else {
                2
            })
        }
    }
}

/// Asks, and gives the result's JSON or the error's.
fn ask(arguments: &[String]) -> Result<Result<Vec<u8>, Vec<u8>>, IpcError> {
    let (topic, text) = match arguments {
        [topic] if !topic.starts_with('-') => (topic, "{}"),
        [topic, text] if !topic.starts_with('-') => (topic, text.as_str()),
        _ => {
            return Err(IpcError::Usage(
                "a topic and its arguments are needed".to_owned(),
            ));
        }
    };
    if topic.is_empty() || topic.len() > limits::TOPIC {
        return Err(IpcError::Usage(format!(
            "a topic has 1 to {} bytes",
            limits::TOPIC
        )));
    }
    if text.len() > limits::ARGUMENTS {
        return Err(IpcError::Usage(format!(
            "the arguments have more than {} bytes",
            limits::ARGUMENTS
        )));
    }
    json::check(text.as_bytes(), limits::JSON_FIELD)
        .map_err(|excess| IpcError::Usage(format!("the arguments: {excess}")))?;
    match serde_json::from_str::<serde_json::Value>(text) {
        Ok(value) if value.is_object() => {}
        Ok(_) => {
            return Err(IpcError::Usage(
                "the arguments are not a JSON object".to_owned(),
            ));
        }
        Err(error) => {
            return Err(IpcError::Usage(format!(
                "the arguments are not JSON: {error}"
            )));
        }
    }
    let number = std::env::var(DOOR_VARIABLE)
        .ok()
        .and_then(|text| text.parse().ok());
    let door = number
        .and_then(carapace_jail::take_inherited)
        .ok_or(IpcError::NoDoor)?;
    let channel = File::from(OwnedFd::from(links::begin(door).map_err(LinkError::Io)?));
    let (mut receiver, mut sender) = link::open(&channel, &channel)?;
    let request = Request {
        topic: topic.clone(),
        correlation: "1".to_owned(),
        arguments: text.as_bytes().to_vec(),
        more: false,
        within: String::new(),
    };
    for frame in request.frames() {
        sender.send(&frame)?;
    }
    let mut joiner = Joiner::default();
    loop {
        let word = Down::read(&receiver.receive()?).map_err(LinkError::from)?;
        match word {
            Word::Result(part) => {
                if let Some(result) = joiner.take(part.json, part.more).map_err(LinkError::from)? {
                    return Ok(Ok(result));
                }
            }
            Word::Error(error) => return Ok(Err(error.json)),
            Word::Gone(_) => {
                return Ok(Err(
                    br#"{"code":"CANCELLED","message":"the call has ended","retriable":false}"#
                        .to_vec(),
                ));
            }
            // Pieces of a result that comes whole in the end; other words are not for a program.
            _ => {}
        }
    }
}

fn print(mut to: impl Write, text: &[u8]) -> bool {
    to.write_all(text)
        .and_then(|()| to.write_all(b"\n"))
        .is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_decides() {
        for (name, meant) in [
            ("ipc", true),
            ("/carapace/ipc", true),
            ("carapace-hands", false),
            ("/ipc/hands", false),
            ("xipc", false),
        ] {
            assert_eq!(is_meant(Some(OsStr::new(name))), meant, "{name}");
        }
        assert!(!is_meant(None));
    }

    #[test]
    fn wrong_use_is_told_before_anything_is_asked() {
        let long = "x".repeat(limits::TOPIC + 1);
        for words in [
            &[][..],
            &["--help"],
            &["a", "{}", "c"],
            &["tool.list", "[]"],
            &["tool.list", "{"],
            &["", "{}"],
            &[&long, "{}"],
        ] {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            assert!(matches!(ask(&words), Err(IpcError::Usage(_))), "{words:?}");
        }
    }
}
