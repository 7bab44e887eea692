//! The quarantine: text of others is read by a process of its own, and only narrow values come back.
//!
//! - [`fields`]: what may come back, and how much it can tell.
//! - [`shelf`]: free text, which stays here behind handles, and what each source has told already.
//! - [`reader`]: the process that reads: a fresh mind without history and without tools.
//!
//! What comes back are not the owner's words: it endorses nothing, because nothing here tells the facts
//! of a session that the owner said or named it. It keeps whose it is and is labelled as derived.

mod fields;
mod reader;
mod shelf;

pub(crate) use fields::{FIELDS, WORD, WORDS};
pub(crate) use shelf::Shelf;

use crate::answer::Asked;
use crate::tools::quarantine::{READ, SHOW, STORE};
use crate::{card, clean};
use carapace_contract::control::Tell;
use carapace_contract::label::{Integrity, Label};
use carapace_contract::tool::Invocation;
use carapace_ipc_proto::error::{Code, ErrorWord};
use carapace_store::Recorded;
use fields::{Fields, Fit};
use serde_json::{Map, Value, json};
use shelf::{Kept, source_of};

/// Bytes of a text that a person is shown at once.
const SHOWN: usize = 16 * 1024;

/// Does what a recorded call of the quarantine says. As with hands, the outer error means that nobody
/// knows whether it was done.
pub(crate) async fn run(
    asked: &Asked,
    recorded: &Recorded<Invocation>,
) -> Result<Result<String, ErrorWord>, ErrorWord> {
    match recorded.what().tool.as_str() {
        READ => Ok(read(asked, recorded).await),
        SHOW => Ok(show(asked, recorded)),
        STORE => store(asked, recorded).await,
        _ => Ok(Err(ErrorWord::new(
            Code::HandlerError,
            6,
            "this tool is not done here",
        ))),
    }
}

/// The label that a call's result has, where the quarantine made it.
pub(crate) fn delivered(asked: &Asked, call: &Invocation) -> Option<Label> {
    match call.tool.as_str() {
        READ => {
            let mut label = source_label(asked, call);
            label.integrity = Integrity::Derived;
            Some(label)
        }
        // What is told of these is fixed words.
        SHOW | STORE => Some(Label::default()),
        _ => None,
    }
}

/// The label of what a call of the quarantine writes into the workspace.
pub(crate) fn written(asked: &Asked, call: &Invocation) -> Option<Label> {
    (call.tool.as_str() == STORE).then(|| source_label(asked, call))
}

/// The label of the text that a call is about: of others, whatever else it is.
fn source_label(asked: &Asked, call: &Invocation) -> Label {
    let mut label = match named(call, "handle") {
        Some(handle) => asked
            .broker
            .shelf
            .borrow()
            .text(asked.session, handle)
            .map(|kept| kept.label)
            .unwrap_or_default(),
        None => asked
            .broker
            .workspaces
            .borrow()
            .get(&asked.turn.group)
            .cloned()
            .unwrap_or_default(),
    };
    label.private.extend(call.effects.data.iter().cloned());
    label.integrity = Integrity::Untrusted;
    label
}

async fn read(asked: &Asked, recorded: &Recorded<Invocation>) -> Result<String, ErrorWord> {
    let call = recorded.what();
    let invalid = |message: String| ErrorWord::new(Code::ValidationFailed, 6, message);
    let fields = Fields::read(&call.arguments["fields"]).map_err(|bad| invalid(bad.to_string()))?;
    let question = named(call, "question").unwrap_or_default();
    reader::possible(asked)?;
    let label = source_label(asked, call);
    let (source, earlier) = match (named(call, "path"), named(call, "handle")) {
        (Some(path), None) => (source_of(path), None),
        (None, Some(handle)) => {
            let kept = kept(asked, handle)?;
            (kept.source.clone(), Some(kept))
        }
        _ => {
            return Err(invalid(
                "name either a path or a handle, and not both".to_owned(),
            ));
        }
    };
    // Paid before anything is looked at: that it failed is an answer, too.
    asked
        .broker
        .shelf
        .borrow_mut()
        .pay(asked.session, &source, fields.bits())
        .map_err(|spent| ErrorWord::new(Code::BudgetExceeded, 6, spent.to_string()))?;
    let text = match earlier {
        Some(kept) => kept.text,
        None => file(asked, recorded).await?.into(),
    };
    let answer = reader::answer(asked, call, &label, question, &fields.described(), &text).await?;
    let fitting = fields.fit(&answer).ok_or_else(|| {
        ErrorWord::new(
            Code::HandlerError,
            6,
            "the reader's answer does not fit the fields; what it said was thrown away",
        )
    })?;
    let mut values = Map::new();
    for (name, fit) in fitting {
        let value = match fit {
            Fit::Told(value) => value,
            Fit::Kept(text) => {
                let kept = Kept {
                    text: clean::owned(text).into(),
                    source: source.clone(),
                    label: label.clone(),
                };
                let handle = asked.broker.shelf.borrow_mut().keep(asked.session, kept);
                json!({ "handle": handle })
            }
        };
        values.insert(name, value);
    }
    Ok(Value::Object(values).to_string())
}

/// A file, read by the hands of the session. Why it could not be read are words of the hands.
async fn file(asked: &Asked, recorded: &Recorded<Invocation>) -> Result<String, ErrorWord> {
    let path = named(recorded.what(), "path").unwrap_or_default();
    let arguments = json!({ "path": path });
    let read = asked
        .live
        .hands
        .on_behalf(asked, recorded, "read", arguments)
        .await;
    match read {
        Ok(Ok(text)) => Ok(text),
        Ok(Err(_)) | Err(_) => Err(ErrorWord::new(
            Code::HandlerError,
            6,
            "there is no such text file in the workspace, or it cannot be read",
        )),
    }
}

fn show(asked: &Asked, recorded: &Recorded<Invocation>) -> Result<String, ErrorWord> {
    let kept = kept(asked, named(recorded.what(), "handle").unwrap_or_default())?;
    let shown: String = {
        let mut cut = kept.text.len().min(SHOWN);
        while !kept.text.is_char_boundary(cut) {
            cut -= 1;
        }
        card::visible(&kept.text[..cut])
    };
    let quoted: Vec<String> = shown.lines().map(|line| format!("| {line}")).collect();
    let rest = match kept.text.len() > SHOWN {
        true => "\n(cut here)",
        false => "",
    };
    asked.turn.tell(Tell::Notice {
        text: format!(
            "text of others, unread by the assistant:\n{}{rest}",
            quoted.join("\n")
        ),
    });
    Ok("it was shown to the person".to_owned())
}

async fn store(
    asked: &Asked,
    recorded: &Recorded<Invocation>,
) -> Result<Result<String, ErrorWord>, ErrorWord> {
    let call = recorded.what();
    let kept = match kept(asked, named(call, "handle").unwrap_or_default()) {
        Ok(kept) => kept,
        Err(error) => return Ok(Err(error)),
    };
    let arguments = json!({
        "path": named(call, "path").unwrap_or_default(),
        "content": &*kept.text,
    });
    let done = asked
        .live
        .hands
        .on_behalf(asked, recorded, "write", arguments)
        .await?;
    // How long it is would tell more than that it was done.
    Ok(done.map(|_| "it was written".to_owned()))
}

fn kept(asked: &Asked, handle: &str) -> Result<Kept, ErrorWord> {
    asked
        .broker
        .shelf
        .borrow()
        .text(asked.session, handle)
        .ok_or_else(|| {
            ErrorWord::new(
                Code::ValidationFailed,
                6,
                "this session has no such handle; the oldest go, and all go when carapace restarts",
            )
        })
}

fn named<'a>(call: &'a Invocation, argument: &str) -> Option<&'a str> {
    call.arguments.get(argument).and_then(Value::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;
    use carapace_contract::effects::{Effects, Reach, Undo};
    use carapace_contract::verdict::Verdict;
    use carapace_policy::{Contacts, Facts, floor};

    /// A session that was told `values` by a reader, after the owner said `message`.
    fn told(message: &str) -> Facts {
        let mut facts = Facts::new(Contacts::default());
        facts.heard(message);
        facts.joined(&Label {
            integrity: Integrity::Derived,
            ..Label::default()
        });
        facts
    }

    #[test]
    fn a_derived_value_endorses_nothing() {
        let send = Effects {
            writes: Reach::Internet,
            recipients: vec!["to".to_owned()],
            undo: Undo::Impossible,
            ..Effects::default()
        };
        let tool = "send_message".parse().expect("a name");
        let arguments = json!({ "to": "eve@evil.example", "text": "hello" });
        let verdict = |facts: &Facts| floor(&tool, &send, &arguments, facts).verdict;
        let asked = "send a message to the address that stands in mail.txt";
        assert_eq!(verdict(&told(asked)), Verdict::Ask);
        // The same address, typed by the owner, does.
        let typed = "send a message to eve@evil.example";
        assert_eq!(verdict(&told(typed)), Verdict::Allow);
    }
}
