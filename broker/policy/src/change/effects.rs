//! Effects in words, and what two declarations differ in.

use super::line::{listed, quoted};
use carapace_contract::effects::{Act, Effects, Reach, Undo};

/// The most arguments of one kind that are named.
const ARGUMENTS: usize = 4;
/// Characters of an argument's name that are shown.
const NAME: usize = 32;

/// What a tool does, as a part of a sentence: `reads …, changes … and cannot be undone`.
pub(super) fn in_words(effects: &Effects) -> String {
    let mut parts = Vec::new();
    if effects.reads > Reach::None {
        parts.push(format!("reads {}", from(effects.reads)));
    }
    if effects.writes > Reach::None {
        parts.push(format!("changes {}", to(effects.writes)));
    }
    for (what, list) in [
        ("reaches whom it is given as", &effects.recipients),
        ("sends out what it is given as", &effects.egress),
        ("sends along what it is given as", &effects.attachments),
        ("costs what it is given as", &effects.cost),
    ] {
        if !list.is_empty() {
            parts.push(format!("{what} {}", arguments(list)));
        }
    }
    if effects.cost.is_empty() && effects.costs_money() {
        parts.push("costs money".to_owned());
    }
    if effects.undo == Undo::Impossible {
        parts.push("cannot be undone".to_owned());
    }
    if !effects.data.is_empty() {
        let kinds: Vec<String> = effects.data.iter().map(ToString::to_string).collect();
        parts.push(format!(
            "gives private data ({})",
            listed(&kinds, ARGUMENTS)
        ));
    }
    if parts.is_empty() {
        return "neither reads nor changes anything".to_owned();
    }
    listed(&parts, parts.len())
}

/// Which calls of a granted tool pass, as far as the floor goes, and when: `{which} now {how}`.
pub(super) fn passes(effects: &Effects) -> (&'static str, &'static str) {
    let carries = effects.reads == Reach::Internet || !effects.egress.is_empty();
    let own = effects.egress.is_empty()
        && effects.recipients.is_empty()
        && effects.undo != Undo::Impossible;
    match effects.writes {
        _ if effects.costs_money() => (
            "",
            "is left to the floor, which always asks about what costs money",
        ),
        Reach::None | Reach::Workspace if carries => (
            "",
            "passes without a question while a session has seen nothing private and nothing of others, and later where you named what leaves the machine",
        ),
        Reach::None | Reach::Workspace => ("", "passes without a question"),
        Reach::Private if own => (
            "",
            "passes without a question while a session has seen nothing private and nothing of others, and later where you asked for it",
        ),
        Reach::Private | Reach::Internet => (
            " that you asked for",
            "passes without a question where you named whom and what it reaches",
        ),
    }
}

/// What two declarations differ in, each as the end of `it declares that …`.
#[derive(Debug, Default)]
pub(super) struct Difference {
    /// What is declared no more: it is checked no more.
    pub(super) less: Vec<String>,
    /// What is declared now: it may be done now.
    pub(super) more: Vec<String>,
    /// What makes judgements looser and is declared now.
    pub(super) looser: Vec<String>,
    /// The same, declared no more.
    pub(super) stricter: Vec<String>,
}

/// What `after` declares otherwise than `before`. Empty where the two are alike.
pub(super) fn difference(before: &Effects, after: &Effects) -> Difference {
    let mut found = Difference::default();
    found.ranked(before.reads, after.reads, |reach| {
        format!("it reads {}", from(reach))
    });
    found.ranked(before.writes, after.writes, |reach| {
        format!("it changes {}", to(reach))
    });
    found.ranked(before.undo, after.undo, |undo| {
        match undo {
            Undo::Nothing => "nothing is to be undone",
            Undo::Possible => "it changes what can be restored",
            Undo::Impossible => "it cannot be undone",
        }
        .to_owned()
    });
    for (what, before, after) in [
        ("names a recipient", &before.recipients, &after.recipients),
        ("leaves the machine", &before.egress, &after.egress),
        ("says what is changed", &before.objects, &after.objects),
        ("names what is made", &before.names, &after.names),
        ("is sent along", &before.attachments, &after.attachments),
        ("is an amount of money", &before.cost, &after.cost),
    ] {
        found.listed(before, after, |name| {
            format!("{} {what}", quoted(name, NAME))
        });
    }
    found.listed(&before.acts, &after.acts, |act| {
        format!("it is what a person asks for with {}", word(*act))
    });
    found.listed(&before.data, &after.data, |category| {
        format!("it gives private data ({category})")
    });
    found.listed(&before.identifies, &after.identifies, |row| {
        let (name, value) = (quoted(&row.name, NAME), quoted(&row.value, NAME));
        format!("{name} in its results tells whose {value} it is")
    });
    // The words that ask for it, who wrote what it returns and whether it may be repeated only loosen.
    let (words, fewer) = both(&before.asked, &after.asked);
    let asks = |one: &String| format!("{} asks for it", quoted(one, NAME));
    found.looser.extend(words.into_iter().map(asks));
    found.stricter.extend(fewer.into_iter().map(asks));
    for (what, before, after) in [
        (
            "nobody but you and this system writes what it returns",
            before.trusted,
            after.trusted,
        ),
        (
            "it may be done again after an interruption",
            before.idempotent,
            after.idempotent,
        ),
    ] {
        match (before, after) {
            (false, true) => found.looser.push(what.to_owned()),
            (true, false) => found.stricter.push(what.to_owned()),
            _ => {}
        }
    }
    found
}

impl Difference {
    fn ranked<T: Copy + Ord>(&mut self, before: T, after: T, words: impl Fn(T) -> String) {
        if after > before {
            self.more.push(words(after));
        } else if after < before {
            self.less.push(words(before));
        }
    }

    fn listed<T: PartialEq>(&mut self, before: &[T], after: &[T], words: impl Fn(&T) -> String) {
        let (added, gone) = both(before, after);
        self.more.extend(added.into_iter().map(&words));
        self.less.extend(gone.into_iter().map(&words));
    }
}

/// What only the second has, and what only the first has.
fn both<'a, T: PartialEq>(before: &'a [T], after: &'a [T]) -> (Vec<&'a T>, Vec<&'a T>) {
    let only = |one: &'a [T], other: &'a [T]| one.iter().filter(|part| !other.contains(part));
    (only(after, before).collect(), only(before, after).collect())
}

fn arguments(names: &[String]) -> String {
    let shown: Vec<String> = names.iter().map(|name| quoted(name, NAME)).collect();
    listed(&shown, ARGUMENTS)
}

fn from(reach: Reach) -> &'static str {
    match reach {
        Reach::None => "nothing",
        Reach::Workspace => "the workspace",
        Reach::Private => "your private data",
        Reach::Internet => "from beyond this machine",
    }
}

fn to(reach: Reach) -> &'static str {
    match reach {
        Reach::None => "nothing",
        Reach::Workspace => "the workspace",
        Reach::Private => "your private data",
        Reach::Internet => "things beyond this machine",
    }
}

fn word(act: Act) -> &'static str {
    match act {
        Act::Send => "send",
        Act::Publish => "publish",
        Act::Share => "share",
        Act::Invite => "invite",
        Act::Create => "create",
        Act::Change => "change",
        Act::Delete => "delete",
        Act::Pay => "pay",
        Act::Book => "book",
        Act::Run => "run",
    }
}
