//! What kind of thing an id is of, told by names alone: those of tools, of their arguments and of the
//! fields of their rows. An id of one kind says nothing about the same text as an id of another.
//!
//! - An argument tells by its last word that is more than "id": `file_id` is a file, `calendarEventId` an
//!   event. One that has none (`id`) takes the kind from its tool: `file.delete` is about a file.
//! - Rows tell what they are for (`for`). Where they do not, the field that holds the id tells, then
//!   the field that holds the name (`channel_name`), then the tool that gave them: `search_events` gives
//!   events, `get_users_in_channel` users.
//! - Where neither side tells, the argument and the field must have one name.
//!
//! It is no grammar: a name that it reads wrongly leaves an id unresolved, and then a question is asked.

use crate::act;
use carapace_contract::effects::Identifies;

/// Words that say that something is referred to, and not what it is.
const REFERS: [&str; 17] = [
    "id",
    "uid",
    "uuid",
    "guid",
    "ref",
    "reference",
    "key",
    "name",
    "value",
    "number",
    "no",
    "nr",
    "item",
    "object",
    "target",
    "thing",
    "the",
];
/// Before these a tool's name says what it is about, after them how or where.
const HOW: [&str; 12] = [
    "by", "in", "of", "from", "for", "with", "at", "on", "to", "into", "as", "via",
];
/// What a tool does that is none of the floor's acts.
const READS: [&str; 23] = [
    "get", "list", "search", "find", "read", "show", "fetch", "look", "lookup", "query", "load",
    "view", "retrieve", "count", "select", "check", "browse", "download", "archive", "accept",
    "close", "all", "do",
];
/// What is sent along is one of these, where the argument says no more than that.
const ALONG: [&str; 6] = [
    "file",
    "document",
    "photo",
    "image",
    "picture",
    "attachment",
];
/// Two words for one kind of thing.
const SAME: [(&str, &str); 3] = [
    ("email", "mail"),
    ("doc", "document"),
    ("folder", "directory"),
];

/// Words that a person uses for one kind of thing. Some stand for more than one.
const CALLED: [&[&str]; 8] = [
    &[
        "file",
        "document",
        "spreadsheet",
        "sheet",
        "presentation",
        "photo",
        "picture",
        "image",
        "folder",
        "directory",
        "attachment",
    ],
    &[
        "mail",
        "message",
        "thread",
        "conversation",
        "newsletter",
        "draft",
    ],
    &["event", "meeting", "appointment", "reminder", "calendar"],
    &[
        "booking",
        "reservation",
        "trip",
        "flight",
        "hotel",
        "restaurant",
        "ticket",
        "order",
    ],
    &[
        "user",
        "contact",
        "person",
        "member",
        "colleague",
        "participant",
        "attendee",
        "assignee",
    ],
    &["channel", "room", "chat", "group"],
    &[
        "payment",
        "transfer",
        "transaction",
        "invoice",
        "bill",
        "order",
        "account",
        "card",
    ],
    &["issue", "ticket", "task", "repository", "branch", "commit"],
];

/// Where people and channels are among them.
const PEOPLE: usize = 4;
const CHANNELS: usize = 5;

/// A kind of thing, as a word in the singular; without one it is not told.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Kind(Option<String>);

impl Kind {
    /// The kind that a name of an argument or a field tells.
    fn of_name(name: &str) -> Self {
        Self(
            words(name)
                .into_iter()
                .rev()
                .find(|word| !REFERS.contains(&word.as_str())),
        )
    }

    /// The kind of thing that a tool is about.
    fn of_tool(tool: &str) -> Self {
        let mut parts: Vec<Vec<String>> = tool.split('.').map(words).collect();
        // `file.open`: what is done stands last and alone.
        if parts.len() > 1
            && parts
                .last()
                .is_some_and(|last| matches!(&last[..], [one] if is_done(one, true)))
        {
            parts.pop();
        }
        let all: Vec<String> = parts.concat();
        let (first, after) = match all.iter().position(|word| HOW.contains(&word.as_str())) {
            Some(at) => (&all[..at], &all[at + 1..]),
            None => (&all[..], &[][..]),
        };
        let last = |words: &[String]| {
            words
                .iter()
                .rev()
                .find(|word| !is_done(word, false) && !REFERS.contains(&word.as_str()))
                .cloned()
        };
        Self(last(first).or_else(|| last(after)))
    }
}

/// For which arguments the ids of one tool's rows hold.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum HoldsFor {
    /// Declared: names of arguments, or words for kinds.
    These(Vec<String>),
    /// Arguments of this kind; where it is not told, those of the field's name.
    Like(Kind, String),
}

impl HoldsFor {
    pub(crate) fn of(tool: &str, identifies: &Identifies) -> Self {
        if !identifies.holds_for.is_empty() {
            return Self::These(identifies.holds_for.clone());
        }
        let told = [
            Kind::of_name(&identifies.value),
            Kind::of_name(&identifies.name),
        ];
        let title = |kind: &Kind| {
            matches!(
                kind.0.as_deref(),
                Some("title" | "subject" | "label" | "summary" | "description")
            )
        };
        let kind = told
            .into_iter()
            .find(|kind| kind.0.is_some() && !title(kind))
            .unwrap_or_else(|| Kind::of_tool(tool));
        Self::Like(kind, words(&identifies.value).concat())
    }

    /// True where it says what kind of thing it is.
    pub(crate) fn is_told(&self) -> bool {
        !matches!(self, Self::Like(Kind(None), _))
    }

    /// True where an id of these rows may stand in such an argument.
    pub(crate) fn admits(&self, place: &Place<'_>) -> bool {
        match self {
            Self::These(names) => names.iter().any(|name| {
                name == place.argument || {
                    let kind = Kind::of_name(name);
                    kind.0.is_some() && place.kinds().contains(&kind)
                }
            }),
            Self::Like(kind, field) => match &kind.0 {
                Some(_) => place.kinds().contains(kind),
                None => place.kinds().is_empty() && *field == words(place.name()).concat(),
            },
        }
    }
}

/// Where an id stands in a call.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) tool: &'a str,
    pub(crate) argument: &'a str,
    /// The field of an argument that has its parts.
    pub(crate) part: Option<&'a str>,
    /// True for what is sent along.
    pub(crate) along: bool,
    /// What the parts of an argument say that it is.
    pub(crate) said: Option<&'a str>,
}

impl<'a> Place<'a> {
    /// What stands right before the id.
    pub(crate) fn name(&self) -> &'a str {
        self.part.unwrap_or(self.argument)
    }

    /// True where a word says what belongs here: `bookings` where it takes a `booking_id`.
    pub(crate) fn is_called(&self, word: &str) -> bool {
        let said = Kind::of_name(word);
        said.0.is_some() && self.kinds().contains(&said)
    }

    /// True where a word says that it is something else: "the mail" where it takes a `booking_id`. Beside a
    /// person stands much that is about them, so of one only a channel is something else.
    pub(crate) fn is_other(&self, word: &str) -> bool {
        let of = |kind: &Kind| {
            let word = kind.0.as_deref().unwrap_or_default();
            CALLED.map(|called| called.contains(&word))
        };
        let said = of(&Kind::of_name(word));
        let known = |classes: &[bool]| classes.contains(&true);
        let here: Vec<_> = self.kinds().iter().map(of).collect();
        let person = here.iter().any(|here| here[PEOPLE]);
        known(&said)
            && (!person || said[CHANNELS])
            && !here.is_empty()
            && here.iter().all(|here| {
                known(here) && !here.iter().zip(&said).any(|(here, said)| *here && *said)
            })
    }

    fn kinds(&self) -> Vec<Kind> {
        let own = Kind::of_name(self.name());
        let attached = own.0.as_deref().is_none_or(|word| word == "attachment");
        if !attached {
            return vec![own];
        }
        if let Some(said) = self.said {
            return vec![Kind::of_name(said)];
        }
        if self.along {
            return ALONG
                .iter()
                .map(|word| Kind(Some((*word).to_owned())))
                .collect();
        }
        let whole = Kind::of_name(self.argument);
        let tool = Kind::of_tool(self.tool);
        [own, whole, tool]
            .into_iter()
            .find(|kind| kind.0.is_some())
            .into_iter()
            .collect()
    }
}

/// The words of a name, small and in the singular: `calendarEventIds` is `calendar`, `event`, `id`.
fn words(name: &str) -> Vec<String> {
    let mut all = Vec::new();
    let mut word = String::new();
    let mut small = false;
    for char in name.chars().chain(['_']) {
        let begins = char.is_ascii_uppercase() && small;
        small = char.is_ascii_lowercase() || char.is_ascii_digit();
        if (begins || !char.is_alphanumeric()) && !word.is_empty() {
            all.extend(singular(&std::mem::take(&mut word)));
        }
        if char.is_alphanumeric() {
            word.extend(char.to_lowercase());
        }
    }
    all
}

/// A word without its plural; of `filename` both parts.
fn singular(word: &str) -> Vec<String> {
    if let Some(thing) = word.strip_suffix("name")
        && thing.len() > 2
    {
        return vec![one(thing), "name".to_owned()];
    }
    vec![one(word)]
}

fn one(word: &str) -> String {
    let one = if let Some(stem) = word.strip_suffix("ies").filter(|stem| stem.len() > 1) {
        format!("{stem}y")
    } else if ["xes", "ches", "shes", "sses"]
        .iter()
        .any(|end| word.ends_with(end))
    {
        word[..word.len() - 2].to_owned()
    } else {
        match word.strip_suffix('s') {
            Some(stem) if stem.len() > 1 && !stem.ends_with(['s', 'u', 'i']) => stem.to_owned(),
            _ => word.to_owned(),
        }
    };
    SAME.iter()
        .find(|(other, _)| *other == one)
        .map_or(one, |(_, known)| (*known).to_owned())
}

/// True for a word that says what is done. Some are things as well; `alone` they are not.
fn is_done(word: &str, alone: bool) -> bool {
    READS.contains(&word) || act::is_word(word) && (alone || !act::is_thing(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(tool: &str, name: &str, value: &str, holds_for: &[&str]) -> HoldsFor {
        HoldsFor::of(
            tool,
            &Identifies {
                name: name.to_owned(),
                value: value.to_owned(),
                holds_for: holds_for.iter().map(|word| (*word).to_owned()).collect(),
            },
        )
    }

    fn admits(rows: &HoldsFor, tool: &str, argument: &str) -> bool {
        rows.admits(&Place {
            tool,
            argument,
            part: None,
            along: false,
            said: None,
        })
    }

    #[test]
    fn rows_hold_for_arguments_of_their_own_kind() {
        for (rows, tool, argument) in [
            (
                rows("search_files", "filename", "id_", &[]),
                "append",
                "file_id",
            ),
            (rows("files.list", "name", "id", &[]), "files.remove", "id"),
            (
                rows("search_calendar_events", "title", "id_", &[]),
                "cancel_calendar_event",
                "event_id",
            ),
            (
                rows("get_users_in_channel", "name", "id", &[]),
                "remove_user",
                "user_id",
            ),
            (
                rows("list_mail_boxes", "name", "id", &[]),
                "box.clear",
                "mailBoxIds",
            ),
            (
                rows("search_emails", "subject", "id", &[]),
                "delete_mail",
                "mail_id",
            ),
            (
                rows("look", "title", "booking_id", &[]),
                "cancel_booking",
                "id",
            ),
            (
                rows("categories.list", "name", "id", &[]),
                "shop.change",
                "category_id",
            ),
            (rows("look", "name", "id", &[]), "remove", "id"),
            (
                rows("calendar.list", "title", "id", &["event"]),
                "calendar.cancel",
                "event_id",
            ),
            (
                rows("calendar.list", "title", "id", &["which"]),
                "calendar.cancel",
                "which",
            ),
        ] {
            assert!(admits(&rows, tool, argument), "{rows:?} {tool} {argument}");
        }
    }

    #[test]
    fn rows_do_not_hold_for_another_kind() {
        for (rows, tool, argument) in [
            (
                rows("search_files", "filename", "id_", &[]),
                "cancel_calendar_event",
                "event_id",
            ),
            (rows("files.list", "name", "id", &[]), "mail.delete", "id"),
            (
                rows("get_users_in_channel", "name", "id", &[]),
                "channel.close",
                "channel_id",
            ),
            (
                rows("get_users_in_channel", "name", "id", &[]),
                "channel.close",
                "id",
            ),
            (
                rows("get_day_calendar_events", "title", "id", &[]),
                "calendar.drop",
                "calendar_id",
            ),
            (
                rows("calendar.list", "title", "id", &["event"]),
                "calendar.drop",
                "calendar_id",
            ),
            (
                rows("calendar.list", "title", "id", &["which"]),
                "calendar.cancel",
                "event_id",
            ),
            (rows("look", "name", "id", &[]), "remove", "file_id"),
            (rows("look", "name", "key", &[]), "remove", "id"),
            (rows("look", "name", "id", &["id"]), "remove", "key"),
        ] {
            assert!(!admits(&rows, tool, argument), "{rows:?} {tool} {argument}");
        }
    }

    #[test]
    fn a_word_for_another_kind_of_thing_is_told_from_one_that_may_be_meant() {
        let place = |argument| Place {
            tool: "do.it",
            argument,
            part: None,
            along: false,
            said: None,
        };
        for (argument, word) in [
            ("booking_id", "mail"),
            ("event_id", "files"),
            ("user", "channel"),
            ("channel_id", "user"),
            ("file_id", "E-Mails"),
        ] {
            assert!(place(argument).is_other(word), "{argument} {word}");
        }
        for (argument, word) in [
            ("event_id", "appointment"),
            ("mail_id", "messages"),
            ("booking_id", "order"),
            ("payment_id", "order"),
            ("file_id", "the"),
            ("id", "mail"),
            ("gadget_id", "mail"),
            ("to", "channel"),
            ("user", "meeting"),
        ] {
            assert!(!place(argument).is_other(word), "{argument} {word}");
        }
    }

    #[test]
    fn what_is_sent_along_is_a_file_unless_it_says_what_it_is() {
        let files = rows("drive.list", "filename", "id", &[]);
        let mails = rows("mail.search", "subject", "id", &[]);
        let place = |part, said| Place {
            tool: "mail.send",
            argument: "attachments",
            part,
            along: true,
            said,
        };
        assert!(files.admits(&place(None, None)));
        assert!(files.admits(&place(Some("id"), Some("file"))));
        assert!(mails.admits(&place(Some("id"), Some("email"))));
        assert!(!mails.admits(&place(None, None)));
        assert!(!mails.admits(&place(Some("file_id"), Some("email"))));
        assert!(!files.admits(&place(Some("id"), Some("email"))));
        let declared = rows("look", "name", "id", &["id"]);
        assert!(!declared.admits(&place(Some("id"), Some("file"))));
    }
}
