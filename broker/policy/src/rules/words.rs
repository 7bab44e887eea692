//! Conditions in words: what a person reads before they accept them. Every condition says all that it
//! tests, and nothing that it does not.

use super::condition::{Argument, Condition, Part, Recipient};
use super::glob::Glob;
use super::rule::When;
use carapace_contract::effects::{Act, Reach, Undo};
use carapace_contract::label::Integrity;

impl When {
    /// The conditions in words, one a line, nested ones indented.
    pub fn in_words(&self) -> String {
        let mut lines = Vec::new();
        match &self.trigger {
            None => lines.push("It is armed from the start of every session.".to_owned()),
            Some(trigger) => {
                lines.push(
                    "It is armed for the rest of a session as soon as this is so:".to_owned(),
                );
                say(trigger, 1, "", &mut lines);
            }
        }
        lines.push("Then it applies to every operation of which this is so:".to_owned());
        say(&self.effect, 1, "", &mut lines);
        lines.join("\n")
    }
}

/// A condition, indented; `lead` stands before its first line.
fn say(condition: &Condition, depth: usize, lead: &str, lines: &mut Vec<String>) {
    let indent = "  ".repeat(depth);
    let (head, parts): (String, &[Condition]) = match condition {
        Condition::All(list) => ("all of this:".to_owned(), list),
        Condition::Any(list) => ("at least one of these:".to_owned(), list),
        Condition::Not(one) => return say(one, depth, &format!("{lead}it is not so that "), lines),
        Condition::Used(one) => {
            let lead = format!("{lead}something was done in the session of which this is so: ");
            return say(one, depth, &lead, lines);
        }
        leaf => (of_leaf(leaf), &[]),
    };
    lines.push(format!("{indent}- {lead}{head}"));
    for part in parts {
        say(part, depth + 1, "", lines);
    }
}

fn of_leaf(condition: &Condition) -> String {
    match condition {
        Condition::Tool(glob) if glob.is_everything() => "any tool is used".to_owned(),
        Condition::Tool(glob) => format!("the tool {}", named(glob)),
        Condition::Act(act) => format!(
            "it is what a person asks for with words such as {}",
            act_of(*act)
        ),
        Condition::Reads(reach) => format!("it reads {}", from(*reach)),
        Condition::Writes(reach) => format!("it changes {}", to(*reach)),
        Condition::Undo(Undo::Impossible) => "it cannot be undone".to_owned(),
        Condition::Undo(_) => "it changes something, whether that can be undone or not".to_owned(),
        Condition::LeavesMachine(true) => "something of it leaves this machine".to_owned(),
        Condition::LeavesMachine(false) => "nothing of it leaves this machine".to_owned(),
        Condition::Cost(true) => "it costs money".to_owned(),
        Condition::Cost(false) => "it costs no money".to_owned(),
        Condition::Returns(glob) => format!("it gives {}", private(glob)),
        Condition::New(part) => format!(
            "{}, and you neither wrote nor keep it",
            match part {
                Part::Recipient => "it names a recipient",
                Part::Address => "it goes to an address, or carries words",
                Part::Object => "it names an existing thing",
                Part::Name => "it gives a name",
                Part::Attachment => "it sends something along",
                Part::Content => "an address stands in its text",
                Part::Anything => {
                    "it names a recipient, an address (also within a text), a thing, a name or something that is sent along"
                }
            }
        ),
        Condition::Asked(true) => "your message asks for such an act".to_owned(),
        Condition::Asked(false) => "your message does not ask for such an act".to_owned(),
        Condition::Recipient(test) => of_recipient(test),
        Condition::Argument(test) => of_argument(test),
        Condition::Integrity(Integrity::Untrusted) => {
            "the session has heard words of others: the web, mail, messages, files".to_owned()
        }
        Condition::Integrity(Integrity::Derived) => {
            "the session has heard words of others, or single values taken from them".to_owned()
        }
        Condition::Integrity(_) => "the session has heard more than you yourself".to_owned(),
        Condition::Private(glob) => format!("the session has seen {}", private(glob)),
        Condition::Secret(true) => "the session has seen a secret".to_owned(),
        Condition::Secret(false) => "the session has seen no secret".to_owned(),
        Condition::Exposure(least) => format!("the session's exposure is {least} or more"),
        Condition::All(_) | Condition::Any(_) | Condition::Not(_) | Condition::Used(_) => {
            String::new() // said with its parts
        }
    }
}

fn named(glob: &Glob) -> String {
    if glob.is_exact() {
        format!("is {:?}", glob.as_str())
    } else {
        format!("is like {:?}", glob.as_str())
    }
}

fn private(glob: &Glob) -> String {
    if glob.is_everything() {
        "private data of any kind".to_owned()
    } else {
        format!("private data whose kind {}", named(glob))
    }
}

fn of_recipient(test: &Recipient) -> String {
    match (&test.matches, &test.other_than) {
        (Some(glob), _) => format!("a recipient or address {}", named(glob)),
        (None, Some(glob)) => format!("a recipient or address is not one that {}", named(glob)),
        (None, None) => "nothing".to_owned(),
    }
}

fn of_argument(test: &Argument) -> String {
    let which = if test.name.is_everything() {
        "any argument".to_owned()
    } else if test.name.is_exact() {
        format!("the argument {:?}", test.name.as_str())
    } else {
        format!("an argument like {:?}", test.name.as_str())
    };
    if let Some(glob) = &test.matches {
        format!("{which} {}", named(glob))
    } else if let Some(glob) = &test.other_than {
        format!("{which} has a value that is not one that {}", named(glob))
    } else if let Some(folder) = &test.under {
        format!("{which} is a path to or within a folder called {folder:?}")
    } else if let Some(limit) = test.more_than {
        format!("{which} is a number greater than {limit}")
    } else {
        "nothing".to_owned()
    }
}

fn from(reach: Reach) -> &'static str {
    match reach {
        Reach::None => "anything or nothing",
        Reach::Workspace => "the workspace, private data, or beyond this machine",
        Reach::Private => "private data, or beyond this machine",
        Reach::Internet => "beyond this machine",
    }
}

fn to(reach: Reach) -> &'static str {
    match reach {
        Reach::None => "anything or nothing",
        Reach::Workspace => "the workspace, private data, or something beyond this machine",
        Reach::Private => "private data, or something beyond this machine",
        Reach::Internet => "something beyond this machine: others may see it",
    }
}

fn act_of(act: Act) -> &'static str {
    match act {
        Act::Send => "send, reply or tell",
        Act::Publish => "post, publish or upload",
        Act::Share => "share or give access",
        Act::Invite => "invite or add somebody",
        Act::Create => "create, add or save",
        Act::Change => "change, move or rename",
        Act::Delete => "delete, remove or cancel",
        Act::Pay => "pay, buy or transfer",
        Act::Book => "book or reserve",
        Act::Run => "run, start or install",
    }
}
