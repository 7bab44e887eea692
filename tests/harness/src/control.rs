//! One connection to a broker's control socket, as the person's programs have it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use carapace_contract::control::{Ask, QuestionCard, Tell, TurnEnd};
use carapace_contract::id::{Code, Digest, SecretName, SessionId, TurnId};
use carapace_contract::secret::{NewSecret, SecretText};
use carapace_contract::verdict::Decision;
use carapace_ipc_proto::link::{self, LinkError, Receiver, Sender};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// How long a test waits for a word before it counts as never.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// One connection.
pub struct Control {
    receiver: Receiver<UnixStream>,
    sender: Sender<UnixStream>,
}

/// How a turn went: what was told on the way, and the end.
#[derive(Debug)]
pub struct Turn {
    /// The session it was in.
    pub session: SessionId,
    /// How it ended.
    pub end: TurnEnd,
    /// The final text.
    pub text: String,
    /// Everything else that was told, in order.
    pub told: Vec<Tell>,
}

impl Turn {
    /// The questions that were asked.
    pub fn questions(&self) -> Vec<&QuestionCard> {
        self.told
            .iter()
            .filter_map(|tell| match tell {
                Tell::Question(card) => Some(&**card),
                _ => None,
            })
            .collect()
    }

    /// What the broker said on the way.
    pub fn notices(&self) -> Vec<&str> {
        self.told
            .iter()
            .filter_map(|tell| match tell {
                Tell::Notice { text } => Some(text.as_str()),
                _ => None,
            })
            .collect()
    }

    /// The text as it came, piece by piece.
    pub fn streamed(&self) -> Vec<&str> {
        self.told
            .iter()
            .filter_map(|tell| match tell {
                Tell::Delta { text } => Some(text.as_str()),
                _ => None,
            })
            .collect()
    }

    /// The outcomes of its tool calls, in order.
    pub fn outcomes(&self) -> Vec<&str> {
        self.told
            .iter()
            .filter_map(|tell| match tell {
                Tell::ToolEnded { outcome, .. } => Some(outcome.as_str()),
                _ => None,
            })
            .collect()
    }
}

impl Control {
    /// Connects.
    pub fn connect(socket: &Path) -> Result<Self, LinkError> {
        let stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let (receiver, sender) = link::open(stream.try_clone()?, stream)?;
        Ok(Self { receiver, sender })
    }

    /// Asks.
    pub fn ask(&mut self, ask: &Ask) -> Result<(), LinkError> {
        self.sender
            .send(&serde_json::to_vec(ask).expect("an ask serialises"))
    }

    /// Sends any bytes as one frame.
    pub fn raw(&mut self, bytes: &[u8]) -> Result<(), LinkError> {
        self.sender.send(bytes)
    }

    /// The next word.
    pub fn hear(&mut self) -> Result<Tell, LinkError> {
        let frame = self.receiver.receive()?;
        Ok(serde_json::from_slice(&frame).unwrap_or_else(|error| {
            panic!(
                "a word of another form: {error}: {}",
                String::from_utf8_lossy(&frame)
            )
        }))
    }

    /// Asks, and gives the next word.
    pub fn get(&mut self, ask: &Ask) -> Tell {
        self.ask(ask).expect("the broker listens");
        self.hear().expect("the broker answers")
    }

    /// Sends a message and follows its turn to the end, answering each question with `decide`.
    pub fn chat(
        &mut self,
        session: Option<SessionId>,
        text: &str,
        decide: impl FnMut(&QuestionCard) -> Option<(Decision, Option<String>)>,
    ) -> Turn {
        self.try_chat(session, TurnId::random(), text, decide)
            .expect("the broker stays")
    }

    /// As [`Control::chat`], with the turn's id and without insisting that the broker stays.
    pub fn try_chat(
        &mut self,
        session: Option<SessionId>,
        turn: TurnId,
        text: &str,
        decide: impl FnMut(&QuestionCard) -> Option<(Decision, Option<String>)>,
    ) -> Result<Turn, LinkError> {
        self.ask(&say(session, turn, text))?;
        self.to_the_end(decide)
    }

    /// Follows a turn that was asked for to its end.
    pub fn to_the_end(
        &mut self,
        mut decide: impl FnMut(&QuestionCard) -> Option<(Decision, Option<String>)>,
    ) -> Result<Turn, LinkError> {
        let mut told = Vec::new();
        loop {
            let tell = self.hear()?;
            match &tell {
                Tell::Done {
                    session, end, text, ..
                } => {
                    return Ok(Turn {
                        session: *session,
                        end: *end,
                        text: text.clone(),
                        told,
                    });
                }
                Tell::Question(card) => {
                    if let Some((decision, note)) = decide(card) {
                        self.ask(&Ask::Answer {
                            code: card.code.clone(),
                            decision,
                            note,
                            part: None,
                        })?;
                    }
                }
                Tell::Failed { code, message } => panic!("the broker refused ({code}): {message}"),
                _ => {}
            }
            told.push(tell);
        }
    }

    /// As [`Control::chat`] over another route, in a new session, with attachments that were handed
    /// over on this connection.
    pub fn chat_over(
        &mut self,
        route: &str,
        text: &str,
        attachments: Vec<Digest>,
        decide: impl FnMut(&QuestionCard) -> Option<(Decision, Option<String>)>,
    ) -> Turn {
        self.ask(&Ask::ChatSend {
            session: None,
            turn: TurnId::random(),
            text: text.to_owned(),
            route: Some(route.to_owned()),
            attachments,
        })
        .expect("the broker listens");
        self.to_the_end(decide).expect("the broker stays")
    }

    /// Hands a file over.
    pub fn attach(&mut self, name: &str, bytes: &[u8]) -> Digest {
        match self.get(&Ask::Attach {
            name: name.to_owned(),
            piece: BASE64.encode(bytes),
            last: true,
        }) {
            Tell::Attached { attachment } => attachment.id,
            other => panic!("it was not taken: {other:?}"),
        }
    }

    /// Stores an API key for the providers that use a secret of this name.
    pub fn put_key(&mut self, name: &str, value: &str) {
        let told = self.get(&put_key(name, value));
        assert!(matches!(told, Tell::Stored { .. }), "{told:?}");
    }

    /// What the broker refuses: its code and its words.
    pub fn refusal(&mut self, ask: &Ask) -> (String, String) {
        match self.get(ask) {
            Tell::Failed { code, message } => (code, message),
            other => panic!("it was not refused: {other:?}"),
        }
    }

    /// Answers a question.
    pub fn answer(&mut self, code: &Code, decision: Decision) -> Tell {
        self.get(&Ask::Answer {
            code: code.clone(),
            decision,
            note: None,
            part: None,
        })
    }
}

/// A message on the session's own route.
pub fn say(session: Option<SessionId>, turn: TurnId, text: &str) -> Ask {
    Ask::ChatSend {
        session,
        turn,
        text: text.to_owned(),
        route: None,
        attachments: Vec::new(),
    }
}

/// An API key for the vault.
pub fn put_key(name: &str, value: &str) -> Ask {
    Ask::SecretPut {
        name: secret_name(name),
        secret: NewSecret::Key {
            value: SecretText::new(value.to_owned()),
        },
        each_session: false,
        origins: Vec::new(),
        staged: false,
    }
}

/// The name of a secret.
pub fn secret_name(name: &str) -> SecretName {
    name.parse().expect("a name")
}

/// Answers every question with "once".
pub fn allow(_: &QuestionCard) -> Option<(Decision, Option<String>)> {
    Some((Decision::Once, None))
}

/// Answers every question with "no".
pub fn deny(_: &QuestionCard) -> Option<(Decision, Option<String>)> {
    Some((Decision::Deny, None))
}

/// Must not be asked.
pub fn no_question(card: &QuestionCard) -> Option<(Decision, Option<String>)> {
    panic!("a question was asked that should not be: {}", card.title)
}
