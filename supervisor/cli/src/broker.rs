//! Talking to the broker: one JSON value a frame, over its control socket.

use crate::failure::{Exit, Explain, split_remedy};
use carapace_contract::control::{Ask, Tell};
use carapace_contract::home::Home;
use carapace_ipc_proto::link::{self, LinkError};
use std::io::{self, ErrorKind};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;
use zeroize::Zeroizing;

/// Until the broker has answered a plain question. It may be starting anew, which takes a second or two.
const PATIENCE: Duration = Duration::from_secs(15);
/// Until a frame is written.
const WRITE: Duration = Duration::from_secs(5);
/// Room for a request: a secret of the largest size with every character escaped, or a piece of a file.
const BODY: usize = 512 * 1024;

/// Why the broker could not be asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BrokerError {
    /// Nothing listens.
    #[error("asking the broker: carapace is not running ({0})")]
    NotRunning(PathBuf),
    /// The socket fails.
    #[error("asking the broker: {0}")]
    Io(#[from] io::Error),
    /// The link ended.
    #[error("asking the broker: {0}")]
    Link(LinkError),
    /// No answer in time.
    #[error("asking the broker: no answer in time")]
    Silent,
    /// An answer that is none of the known.
    #[error("asking the broker: its answer cannot be read: {0}")]
    Unclear(serde_json::Error),
    /// A known answer to another question.
    #[error("asking the broker: it answered something else")]
    Other,
    /// It says no.
    #[error("{message}")]
    Failed {
        /// Its code.
        code: String,
        /// What and why.
        message: String,
        /// What to do; may be empty.
        remedy: String,
    },
}

impl Explain for BrokerError {
    fn code(&self) -> &'static str {
        match self {
            Self::NotRunning(_) => "not-running",
            Self::Io(_) | Self::Link(_) => "broker-gone",
            Self::Silent => "broker-silent",
            Self::Unclear(_) | Self::Other => "broker-unclear",
            Self::Failed { .. } => "broker-refused",
        }
    }

    fn remedy(&self) -> String {
        match self {
            Self::NotRunning(_) => "start it with `carapace start`".to_owned(),
            Self::Io(_) | Self::Link(_) => {
                "try again; it is started anew by itself. `carapace status` shows how it is"
                    .to_owned()
            }
            Self::Silent => "look at `carapace status` and `carapace logs`".to_owned(),
            Self::Unclear(_) | Self::Other => {
                "cli and broker are of different versions: `carapace restart`".to_owned()
            }
            Self::Failed { remedy, .. } => remedy.clone(),
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::NotRunning(_) => Exit::State,
            _ => Exit::Failed,
        }
    }
}

impl BrokerError {
    /// Its refusal, parted into message and remedy.
    pub(crate) fn failed(code: String, text: &str) -> Self {
        let (message, remedy) = split_remedy(text);
        Self::Failed {
            code,
            message,
            remedy,
        }
    }
}

/// The speaking half.
pub(crate) struct Speaker(link::Sender<UnixStream>);

/// The listening half.
pub(crate) struct Listener(link::Receiver<UnixStream>);

/// An open conversation.
pub(crate) struct Connection {
    /// The speaking half.
    pub(crate) speaker: Speaker,
    /// The listening half.
    pub(crate) listener: Listener,
    /// The socket itself, to end the conversation while a thread listens.
    pub(crate) socket: UnixStream,
}

/// Opens a conversation. `patience` is how long a read waits at most; `None` for ever.
///
/// # Errors
/// [`BrokerError::NotRunning`] where nothing listens.
pub(crate) fn connect(home: &Home, patience: Option<Duration>) -> Result<Connection, BrokerError> {
    let path = home.control_socket();
    let stream = UnixStream::connect(&path).map_err(|error| match error.kind() {
        ErrorKind::NotFound | ErrorKind::ConnectionRefused => BrokerError::NotRunning(path),
        _ => BrokerError::Io(error),
    })?;
    stream.set_write_timeout(Some(WRITE))?;
    stream.set_read_timeout(patience)?;
    let (receiver, sender) =
        link::open(stream.try_clone()?, stream.try_clone()?).map_err(BrokerError::Link)?;
    Ok(Connection {
        speaker: Speaker(sender),
        listener: Listener(receiver),
        socket: stream,
    })
}

impl Speaker {
    /// Says one thing.
    ///
    /// # Errors
    /// The link ended.
    pub(crate) fn say(&mut self, ask: &Ask) -> Result<(), BrokerError> {
        // It may hold a secret: the text is never moved to a larger place, and is zeroed.
        let mut body = Zeroizing::new(Vec::with_capacity(BODY));
        serde_json::to_writer(&mut *body, ask).map_err(BrokerError::Unclear)?;
        self.0.send(&body).map_err(BrokerError::Link)
    }
}

impl Listener {
    /// The next thing it tells; waits for it.
    ///
    /// # Errors
    /// The link ended, nothing came in time, or what came is not known.
    pub(crate) fn hear(&mut self) -> Result<Tell, BrokerError> {
        let body = self.0.receive().map_err(|error| match error {
            LinkError::Io(cause) if cause.kind() == ErrorKind::WouldBlock => BrokerError::Silent,
            other => BrokerError::Link(other),
        })?;
        serde_json::from_slice(&body).map_err(BrokerError::Unclear)
    }
}

/// Asks one thing and waits for its one answer.
///
/// # Errors
/// As [`connect`]; [`BrokerError::Failed`] where the broker says no.
pub(crate) fn ask(home: &Home, ask: &Ask) -> Result<Tell, BrokerError> {
    ask_within(home, ask, PATIENCE)
}

/// As [`ask`], for what takes longer: a call of a provider, a passphrase that is stretched.
///
/// # Errors
/// As [`ask`].
pub(crate) fn ask_within(home: &Home, ask: &Ask, patience: Duration) -> Result<Tell, BrokerError> {
    let mut connection = connect(home, Some(patience))?;
    connection.speaker.say(ask)?;
    match connection.listener.hear()? {
        Tell::Failed { code, message } => Err(BrokerError::failed(code, &message)),
        tell => Ok(tell),
    }
}
