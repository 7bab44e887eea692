//! Model servers on this machine: looked for on the ports where they usually listen, and offered
//! once. Only loopback is asked, only for the list of models, with short limits.
//!
//! The request is written here: one GET of HTTP/1.0, whose answer ends with the connection, so
//! there is no body framing to get wrong. HTTP clients that fit have time limits in whole seconds.

use crate::command::Context;
use crate::command::auth::provider;
use crate::failure::{Exit, Explain, Failure};
use crate::{config_file, screen};
use serde::Serialize;
use std::fmt;
use std::io::{self, IsTerminal, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// Servers and their usual ports.
const USUAL: [(&str, u16); 4] = [
    ("Ollama", 11434),
    ("LM Studio", 1234),
    ("llama.cpp", 8080),
    ("vLLM", 8000),
];
/// For connecting and for the whole answer: on this machine it is there at once or not at all.
const PATIENCE: Duration = Duration::from_millis(200);
/// The largest answer that is read, in bytes: some 500 models.
const ANSWER: u64 = 64 * 1024;
/// A model's name, in bytes; a longer one is not offered.
const NAME: usize = 128;

/// A server that answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Offer {
    /// What usually listens there.
    pub(crate) server: &'static str,
    /// Its port.
    pub(crate) port: u16,
    /// Its models, at least one.
    pub(crate) models: Vec<String>,
}

impl fmt::Display for Offer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "{} on 127.0.0.1:{} offers {}",
            self.server, self.port, self.models[0]
        )?;
        if self.models.len() > 1 {
            write!(out, " and {} more", self.models.len() - 1)?;
        }
        Ok(())
    }
}

impl Offer {
    /// The changes of the configuration that use its first model.
    pub(crate) fn changes(&self) -> Vec<(String, String)> {
        let quoted = |text: &str| toml_edit::Value::from(text).to_string();
        vec![
            (
                "providers.local.kind".to_owned(),
                quoted("openai-compatible"),
            ),
            (
                "providers.local.base-url".to_owned(),
                quoted(&format!("http://127.0.0.1:{}/v1", self.port)),
            ),
            (
                "model.route".to_owned(),
                quoted(&format!("local:{}", self.models[0])),
            ),
        ]
    }

    /// What a person types to use it.
    pub(crate) fn command(&self) -> String {
        format!("carapace config use-model {}:{}", self.port, self.models[0])
    }
}

/// Why an offer could not be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ModelServerError {
    /// Nothing of the kind answers there.
    #[error("looking for a model server: nothing on 127.0.0.1:{port} offers {wanted}")]
    Absent {
        /// The port.
        port: u16,
        /// What was asked for.
        wanted: String,
    },
    /// The words name no server.
    #[error("looking for a model server: {0:?} is not PORT or PORT:MODEL")]
    Words(String),
}

impl Explain for ModelServerError {
    fn code(&self) -> &'static str {
        match self {
            Self::Absent { .. } => "model-absent",
            Self::Words(_) => "model-words",
        }
    }

    fn remedy(&self) -> String {
        match self {
            Self::Absent { port, .. } => {
                format!(
                    "start the server, or see what it has: curl http://127.0.0.1:{port}/v1/models"
                )
            }
            Self::Words(_) => "for example `carapace config use-model 11434:llama3.2`".to_owned(),
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Absent { .. } => Exit::Failed,
            Self::Words(_) => Exit::Usage,
        }
    }
}

/// The servers that answer on the usual ports.
pub(crate) fn find() -> Vec<Offer> {
    USUAL
        .iter()
        .filter_map(|(server, port)| look(server, *port))
        .collect()
}

/// Offers the first server found, once, to a person at a terminal, where no model is configured.
/// A yes writes the configuration and brings it into force.
///
/// # Errors
/// The configuration cannot be read, written or brought into force.
pub(crate) fn offer(context: &Context) -> Result<(), Failure> {
    let person = !context.json && io::stdin().is_terminal() && io::stderr().is_terminal();
    let asked = context.home.run().join("model-offered");
    if !person || asked.exists() || config_file::load(&context.home)?.1.model.route != "offline" {
        return Ok(());
    }
    let Some(offer) = find().into_iter().next() else {
        return Ok(());
    };
    screen::aside(&format!(
        "{}. Use it? [y/N] ",
        screen::neutral::line(&offer.to_string())
    ));
    let mut answer = String::new();
    // A file that says it was asked is a courtesy; without it the question comes once more.
    let _ = crate::files::create(&asked, b"");
    if io::stdin().read_line(&mut answer).is_err() || !matches!(answer.trim(), "y" | "Y" | "yes") {
        let command = screen::neutral::line(&offer.command());
        screen::aside(&format!("not used; later: {command}\n"));
        return Ok(());
    }
    take(context, &offer)
}

/// Uses what a person names: `PORT` or `PORT:MODEL`.
///
/// # Errors
/// Nothing there offers it, or the configuration cannot be written.
pub(crate) fn take_named(context: &Context, words: &str) -> Result<(), Failure> {
    let (port, model) = words
        .split_once(':')
        .map_or((words, None), |(port, model)| (port, Some(model)));
    let port: u16 = port
        .parse()
        .map_err(|_| ModelServerError::Words(words.chars().take(80).collect()))?;
    let usual = USUAL
        .iter()
        .find(|(_, usual)| *usual == port)
        .map_or("a server", |(server, _)| server);
    let absent = || ModelServerError::Absent {
        port,
        wanted: model.unwrap_or("a model").to_owned(),
    };
    let mut offer = look(usual, port).ok_or_else(absent)?;
    if let Some(model) = model {
        let at = offer
            .models
            .iter()
            .position(|one| one == model)
            .ok_or_else(absent)?;
        offer.models.swap(0, at);
    }
    take(context, &offer)
}

fn take(context: &Context, offer: &Offer) -> Result<(), Failure> {
    provider::change(context, &offer.changes())?;
    let model = screen::neutral::line(&offer.models[0]);
    if context.json {
        screen::print_json(&serde_json::json!({"route": format!("local:{}", offer.models[0])}));
    } else {
        screen::aside(&format!("the model is now local:{model}\n"));
    }
    Ok(())
}

fn look(server: &'static str, port: u16) -> Option<Offer> {
    let body = get(port, "/v1/models").ok()?;
    let models = models(&body);
    if models.is_empty() {
        None
    } else {
        Some(Offer {
            server,
            port,
            models,
        })
    }
}

/// The body of a successful GET on loopback.
fn get(port: u16, path: &str) -> io::Result<Vec<u8>> {
    let until = Instant::now() + PATIENCE;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(
        format!(
            "GET {path} HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\nAccept: application/json\r\n\r\n"
        )
        .as_bytes(),
    )?;
    let mut answer = Vec::new();
    let mut piece = [0; 4096];
    while (answer.len() as u64) < ANSWER {
        // The limit is for the whole answer: a server that drips ends with it.
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(&mut piece)? {
            0 => break,
            count => answer.extend_from_slice(&piece[..count]),
        }
    }
    body(&answer).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// The body of an answer with status 200.
fn body(answer: &[u8]) -> Option<Vec<u8>> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut head = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(at) = head.parse(answer).ok()? else {
        return None;
    };
    (head.code == Some(200)).then(|| answer[at..].to_vec())
}

/// The names in a list of models; what cannot be a plain name is left out.
fn models(body: &[u8]) -> Vec<String> {
    let list: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let plain = |name: &&str| {
        (1..=NAME).contains(&name.len())
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"._:/@+-".contains(&byte))
    };
    let mut names: Vec<String> = list["data"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|model| model["id"].as_str())
        .filter(plain)
        // A model that only makes embeddings cannot answer.
        .filter(|name| !name.contains("embed"))
        .map(str::to_owned)
        .collect();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    fn serve(answer: &'static [u8]) -> u16 {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 1024];
            let _ = stream.read(&mut request);
            let _ = stream.write_all(answer);
        });
        port
    }

    #[test]
    fn a_server_is_found_with_its_models() {
        let port = serve(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{\"data\":[{\"id\":\"nomic-embed-text\"},{\"id\":\"llama3.2:latest\"},{\"id\":\"a\\u001b[2J\"}]}",
        );
        let offer = look("Ollama", port).expect("it answers");
        assert_eq!(offer.models, ["llama3.2:latest"]);
        assert_eq!(
            offer.to_string(),
            format!("Ollama on 127.0.0.1:{port} offers llama3.2:latest")
        );
        let changed: Vec<_> = offer
            .changes()
            .into_iter()
            .map(|(_, value)| value)
            .collect();
        assert!(
            changed.contains(&"\"local:llama3.2:latest\"".to_owned()),
            "{changed:?}"
        );
    }

    #[test]
    fn what_is_no_model_server_offers_nothing() {
        for answer in [
            &b"HTTP/1.1 404 Not Found\r\n\r\n{\"data\":[{\"id\":\"m\"}]}"[..],
            b"HTTP/1.1 200 OK\r\n\r\n<html>",
            b"SSH-2.0-OpenSSH_9.6\r\n",
            b"",
        ] {
            assert_eq!(look("x", serve(answer)), None, "{answer:?}");
        }
    }
}
