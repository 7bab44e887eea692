//! The broker's end of the resolver's channel: many questions at once, and a new resolver when
//! one dies.
//!
//! [`client`] gives a handle that any task may hold and the work that serves it; the work ends when
//! the last handle is dropped. How a resolver is launched is the caller's. It is launched with the
//! first question, and again when it died, spoke nonsense, or twice in a row had no answer from any
//! server, because the servers of a machine that moved are others; never more often than once in
//! [`LAUNCH_INTERVAL`].

use crate::resolve::{ANSWER, Answer, HostName, IN_FLIGHT, Question, Status};
use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout};

/// Between two launches, at least.
pub const LAUNCH_INTERVAL: Duration = Duration::from_secs(2);
/// A question without an answer by then has failed: the resolver itself gives up after 5 s.
pub const PATIENCE: Duration = Duration::from_secs(8);

/// Why a name has no addresses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// What was asked is no name of a host.
    #[error(
        "resolving a name: it is not the name of a host\n  remedy: use letters, digits, `-`, `_` and dots"
    )]
    NoName,
    /// There is no such name, or it has no address.
    #[error("resolving {0}: there is no such host\n  remedy: check its spelling")]
    Absent(String),
    /// No name server answered in time.
    #[error(
        "resolving {0}: no name server answered in time\n  remedy: check the network, or name servers in cage.toml"
    )]
    Timeout(String),
    /// The name servers could not answer.
    #[error(
        "resolving {0}: the name servers could not answer\n  remedy: check the network, or name servers in cage.toml"
    )]
    Failed(String),
    /// Too many names are being resolved.
    #[error("resolving {0}: too many names are being resolved\n  remedy: try again")]
    Busy(String),
    /// There is no resolver now.
    #[error("resolving {name}: {cause}\n  remedy: try again; see logs/carapace.log in the home")]
    Unavailable {
        /// What was asked for.
        name: String,
        /// Why there is none.
        cause: String,
    },
}

/// Asks for addresses. Cheap to clone; any task may hold one.
#[derive(Debug, Clone)]
pub struct Client(mpsc::Sender<Asked>);

#[derive(Debug)]
struct Asked {
    name: HostName,
    answer: oneshot::Sender<Result<Vec<IpAddr>, ResolveError>>,
}

impl Client {
    /// The addresses of a host, at least one. Nothing here says that one may be connected to.
    ///
    /// # Errors
    /// [`ResolveError`].
    pub async fn resolve(&self, name: &str) -> Result<Vec<IpAddr>, ResolveError> {
        let name = HostName::new(name).ok_or(ResolveError::NoName)?;
        let text = name.as_str().to_owned();
        let unavailable = |cause: &str| ResolveError::Unavailable {
            name: text.clone(),
            cause: cause.to_owned(),
        };
        let (answer, wait) = oneshot::channel();
        self.0
            .try_send(Asked { name, answer })
            .map_err(|error| match error {
                mpsc::error::TrySendError::Full(_) => ResolveError::Busy(text.clone()),
                mpsc::error::TrySendError::Closed(_) => unavailable("it has been stopped"),
            })?;
        match timeout(PATIENCE, wait).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err(unavailable("the resolver ended")),
            Err(_) => Err(ResolveError::Timeout(text.clone())),
        }
    }
}

/// A handle, and the work that serves it. `launch` gives the channel of a new resolver; what it
/// gave before is closed by then, which ends the old one.
pub fn client<L>(launch: L) -> (Client, impl Future<Output = ()>)
where
    L: AsyncFnMut() -> Result<OwnedFd, String>,
{
    let (send, receive) = mpsc::channel(IN_FLIGHT);
    (Client(send), serve(receive, launch))
}

/// A resolver that is there.
struct Connection {
    answers: mpsc::Receiver<Answer>,
    questions: OwnedWriteHalf,
    asked: BTreeMap<u32, Asked>,
    /// Answers in a row that say that no server did.
    unanswered: u32,
}

impl Connection {
    fn adopt(channel: OwnedFd) -> io::Result<(Self, impl Future<Output = ()>)> {
        let stream = std::os::unix::net::UnixStream::from(channel);
        stream.set_nonblocking(true)?;
        let (read, write) = UnixStream::from_std(stream)?.into_split();
        let (tell, answers) = mpsc::channel(1);
        let connection = Self {
            answers,
            questions: write,
            asked: BTreeMap::new(),
            unanswered: 0,
        };
        Ok((connection, listen(read, tell)))
    }
}

/// Reads answers until the end or until one is none.
async fn listen(mut from: OwnedReadHalf, tell: mpsc::Sender<Answer>) {
    let mut frame = [0; ANSWER];
    while from.read_exact(&mut frame).await.is_ok() {
        let Some(answer) = Answer::decode(&frame) else {
            return;
        };
        if tell.send(answer).await.is_err() {
            return;
        }
    }
}

async fn serve<L>(mut questions: mpsc::Receiver<Asked>, mut launch: L)
where
    L: AsyncFnMut() -> Result<OwnedFd, String>,
{
    let mut launched: Option<Instant> = None;
    let mut next = Some(Vec::new());
    while let Some(waiting) = next {
        let mut waiting = waiting;
        if waiting.is_empty() {
            match questions.recv().await {
                Some(asked) => waiting.push(asked),
                None => return,
            }
        }
        if let Some(last) = launched {
            tokio::time::sleep_until(last + LAUNCH_INTERVAL).await;
        }
        launched = Some(Instant::now());
        let adopted = match launch().await {
            Ok(channel) => Connection::adopt(channel).map_err(|error| error.to_string()),
            Err(cause) => Err(cause),
        };
        next = match adopted {
            Ok((connection, listening)) => {
                attend(connection, listening, waiting, &mut questions).await
            }
            Err(cause) => {
                for asked in waiting {
                    asked.fail(&format!("the resolver was not launched: {cause}"));
                }
                Some(Vec::new())
            }
        };
    }
}

/// Serves until this resolver is of no more use; the questions that are still to be put to the next
/// one. `None`: nobody asks any more.
async fn attend(
    mut connection: Connection,
    listening: impl Future<Output = ()>,
    waiting: Vec<Asked>,
    questions: &mut mpsc::Receiver<Asked>,
) -> Option<Vec<Asked>> {
    let mut listening = std::pin::pin!(listening);
    let mut heard_all = false;
    let mut id = 0;
    for asked in waiting {
        if let Err(asked) = connection.put(&mut id, asked).await {
            return Some(vec![asked]);
        }
    }
    loop {
        tokio::select! {
            () = &mut listening, if !heard_all => heard_all = true,
            answer = connection.answers.recv() => match answer {
                Some(answer) => {
                    connection.take(answer);
                    // Two in a row: one name may have a broken server of its own.
                    if connection.unanswered >= 2 {
                        return Some(Vec::new());
                    }
                }
                None => {
                    for asked in std::mem::take(&mut connection.asked).into_values() {
                        asked.fail("the resolver ended");
                    }
                    return Some(Vec::new());
                }
            },
            asked = questions.recv() => match asked {
                Some(asked) => {
                    connection.asked.retain(|_, one| !one.answer.is_closed());
                    if connection.asked.len() >= IN_FLIGHT {
                        let name = asked.name.as_str().to_owned();
                        // NOTE(send): who asked may have gone.
                        let _ = asked.answer.send(Err(ResolveError::Busy(name)));
                    } else if let Err(asked) = connection.put(&mut id, asked).await {
                        return Some(vec![asked]);
                    }
                }
                None => return None,
            },
        }
    }
}

impl Connection {
    /// Puts a question; gives it back where the resolver does not take it.
    async fn put(&mut self, id: &mut u32, asked: Asked) -> Result<(), Asked> {
        *id = id.wrapping_add(1);
        let question = Question {
            id: *id,
            name: Some(asked.name.clone()),
        };
        // A resolver that does not read is of no use: 64 questions fit the socket's buffer.
        match timeout(
            Duration::from_secs(1),
            self.questions.write_all(&question.encode()),
        )
        .await
        {
            Ok(Ok(())) => {
                self.asked.insert(*id, asked);
                Ok(())
            }
            _ => Err(asked),
        }
    }

    fn take(&mut self, answer: Answer) {
        self.unanswered = match answer.status {
            Status::Timeout | Status::Failed => self.unanswered + 1,
            _ => 0,
        };
        // Nobody's number: one whose asker has gone.
        let Some(asked) = self.asked.remove(&answer.id) else {
            return;
        };
        let name = asked.name.as_str().to_owned();
        let outcome = match answer.status {
            Status::Found => Ok(answer.addresses),
            Status::Absent => Err(ResolveError::Absent(name)),
            Status::NoName => Err(ResolveError::NoName),
            Status::Timeout => Err(ResolveError::Timeout(name)),
            Status::Failed => Err(ResolveError::Failed(name)),
            Status::Busy => Err(ResolveError::Busy(name)),
        };
        // NOTE(send): who asked may have gone.
        let _ = asked.answer.send(outcome);
    }
}

impl Asked {
    fn fail(self, cause: &str) {
        let name = self.name.as_str().to_owned();
        let cause = cause.to_owned();
        // NOTE(send): who asked may have gone.
        let _ = self
            .answer
            .send(Err(ResolveError::Unavailable { name, cause }));
    }
}
