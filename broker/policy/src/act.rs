//! What a person asked for: the words of each act, and whether a message asks for it. Only the form of
//! a message is looked at; what is not recognised is not asked for, and then a question is asked.
//!
//! - A condition or a question in another clause leaves a wish a wish: "is it free? If so, book it".
//! - What is to be told to the writer is not to be sent ("tell me"); what is to be done for them is to be done
//!   ("book me a room").
//! - "Let Dana know" asks to write to her.

use carapace_contract::effects::{Act, Effects};
use carapace_contract::id::ToolName;

const ALL: [Act; 10] = [
    Act::Send,
    Act::Publish,
    Act::Share,
    Act::Invite,
    Act::Create,
    Act::Change,
    Act::Delete,
    Act::Pay,
    Act::Book,
    Act::Run,
];

/// The words of an act, in their base form: English, German, French, Spanish.
fn words(act: Act) -> &'static [&'static str] {
    match act {
        Act::Send => &[
            "send",
            "email",
            "e-mail",
            "mail",
            "write",
            "forward",
            "reply",
            "respond",
            "answer",
            "message",
            "text",
            "tell",
            "notify",
            "inform",
            "contact",
            "ask",
            "dm",
            "ping",
            "remind",
            "warn",
            "sende",
            "schick",
            "schicke",
            "schreib",
            "schreibe",
            "antworte",
            "sag",
            "sage",
            "benachrichtige",
            "envoie",
            "envoyer",
            "réponds",
            "envía",
            "enviar",
            "responde",
            "escribe",
        ],
        Act::Publish => &[
            "post",
            "publish",
            "upload",
            "put",
            "tweet",
            "announce",
            "submit",
            "write",
            "send",
            "comment",
            "reply",
            "veröffentliche",
            "poste",
            "publie",
            "publier",
            "publica",
            "publicar",
        ],
        Act::Share => &[
            "share",
            "give",
            "grant",
            "send",
            "forward",
            "teile",
            "gib",
            "partage",
            "partager",
            "comparte",
            "compartir",
        ],
        Act::Invite => &[
            "invite", "add", "include", "join", "enrol", "enroll", "lade", "füge", "ajoute",
            "ajouter", "añade", "añadir", "invita",
        ],
        Act::Create => &[
            "create",
            "make",
            "add",
            "new",
            "save",
            "write",
            "store",
            "generate",
            "draft",
            "set",
            "schedule",
            "book",
            "plan",
            "put",
            "start",
            "open",
            "erstelle",
            "lege",
            "speichere",
            "crée",
            "créer",
            "ajoute",
            "crea",
            "crear",
            "guarda",
        ],
        Act::Change => &[
            "change",
            "update",
            "modify",
            "edit",
            "adjust",
            "adapt",
            "correct",
            "set",
            "amend",
            "revise",
            "fix",
            "rename",
            "move",
            "reschedule",
            "postpone",
            "shift",
            "append",
            "add",
            "insert",
            "replace",
            "increase",
            "decrease",
            "raise",
            "lower",
            "extend",
            "shorten",
            "switch",
            "mark",
            "put",
            "write",
            "ändere",
            "aktualisiere",
            "verschiebe",
            "change",
            "modifie",
            "modifier",
            "déplace",
            "cambia",
            "cambiar",
            "actualiza",
            "mueve",
        ],
        Act::Delete => &[
            "delete",
            "remove",
            "erase",
            "cancel",
            "clear",
            "drop",
            "discard",
            "trash",
            "purge",
            "kick",
            "unsubscribe",
            "revoke",
            "lösche",
            "löschen",
            "entferne",
            "storniere",
            "supprime",
            "supprimer",
            "annule",
            "elimina",
            "eliminar",
            "borra",
            "cancela",
        ],
        Act::Pay => &[
            "pay",
            "transfer",
            "send",
            "buy",
            "purchase",
            "order",
            "refund",
            "wire",
            "settle",
            "reimburse",
            "bezahle",
            "zahle",
            "überweise",
            "paie",
            "payer",
            "paga",
            "pagar",
            "transfiere",
            "compra",
        ],
        Act::Book => &[
            "book",
            "reserve",
            "schedule",
            "arrange",
            "order",
            "make",
            "buche",
            "reserviere",
            "réserve",
            "réserver",
            "reserva",
            "reservar",
        ],
        Act::Run => &[
            "run",
            "execute",
            "install",
            "start",
            "launch",
            "build",
            "test",
            "compile",
            "deploy",
            "führe",
            "starte",
            "installiere",
            "lance",
            "exécute",
            "ejecuta",
            "instala",
        ],
    }
}

/// Words that are more often a thing than an act.
const THINGS: [&str; 23] = [
    "email", "e-mail", "mail", "message", "text", "post", "dm", "answer", "reply", "contact",
    "book", "order", "plan", "schedule", "transfer", "change", "update", "comment", "test",
    "start", "new", "share", "refund",
];

/// What stands before a word that asks: the beginning, or one of these.
const BEFORE_AN_ACT: [&str; 18] = [
    "please", "and", "then", "to", "also", "you", "or", "just", "now", "bitte", "und", "dann",
    "kannst", "et", "y", "finally", "can", "could",
];

/// Before an act: it is told, not asked for.
const BEFORE_A_TALE: [&str; 12] = [
    "i", "he", "she", "they", "we", "it", "who", "did", "does", "has", "ich", "er",
];

const NOT: [&str; 14] = [
    "not", "don't", "dont", "don’t", "never", "without", "nicht", "kein", "keine", "ne", "no",
    "nunca", "avoid", "cannot",
];

/// After these it is a question whether something is done.
const WHETHER: [&str; 5] = ["whether", "if", "ob", "si", "falls"];

/// In how many words after "let" it says "know".
const LET: usize = 6;

/// The one who writes, as the one who is to be told.
const ME: [&str; 8] = ["me", "us", "mir", "uns", "moi", "nous", "nos", "myself"];

/// Phrases by which a person hands the choice of acts over to what is written elsewhere.
const HANDED: [&str; 9] = [
    "do", "follow", "perform", "complete", "handle", "execute", "process", "carry", "take",
];
const WORK: [&str; 13] = [
    "task",
    "tasks",
    "action",
    "actions",
    "step",
    "steps",
    "instruction",
    "instructions",
    "todo",
    "todos",
    "to-do",
    "to-dos",
    "care",
];

/// True for a word of an act.
pub(crate) fn is_word(word: &str) -> bool {
    ALL.into_iter().any(|act| words(act).contains(&word))
}

/// True for a word that is more often a thing than an act.
pub(crate) fn is_thing(word: &str) -> bool {
    THINGS.contains(&word)
}

/// True where a word that may be an act is one after this word, or at the beginning.
pub(crate) fn begins(before: Option<&str>) -> bool {
    before.is_none_or(|before| {
        before.ends_with(['.', ',', ';', ':', '!', '?', '('])
            || BEFORE_AN_ACT.contains(&before.to_lowercase().as_str())
    })
}

/// The acts of a tool: as declared, else those whose words are in its name.
pub(crate) fn acts_of(tool: &ToolName, effects: &Effects) -> Vec<Act> {
    if !effects.acts.is_empty() {
        return effects.acts.clone();
    }
    let name = tool.as_str().to_lowercase();
    let parts: Vec<&str> = name
        .split(|char: char| !char.is_alphanumeric())
        .filter(|part| !part.is_empty())
        .collect();
    ALL.into_iter()
        .filter(|act| parts.iter().any(|part| words(*act).contains(part)))
        .collect()
}

/// A message, word by word.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Words(Vec<Word>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Word {
    text: String,
    /// True where a clause begins here.
    first: bool,
}

impl Words {
    pub(crate) fn of(text: &str) -> Self {
        let mut words = Vec::new();
        let mut first = true;
        let mut word = String::new();
        let mut flush = |word: &mut String, first: &mut bool| {
            if !word.is_empty() {
                let text = word
                    .trim_matches(|char| matches!(char, '\'' | '’' | '-'))
                    .to_lowercase();
                if !text.is_empty() {
                    words.push(Word {
                        text,
                        first: *first,
                    });
                    *first = false;
                }
                word.clear();
            }
        };
        let mut chars = text.chars().peekable();
        while let Some(char) = chars.next() {
            // A dot within an address or a file's name ends no clause.
            let within = char == '.'
                && chars
                    .peek()
                    .is_some_and(|next| next.is_lowercase() || next.is_numeric());
            if char.is_alphanumeric() || matches!(char, '\'' | '’' | '-') {
                word.push(char);
                continue;
            }
            flush(&mut word, &mut first);
            if !within
                && matches!(
                    char,
                    '.' | ',' | ';' | ':' | '!' | '?' | '\n' | '(' | '¿' | '¡'
                )
            {
                first = true;
            }
        }
        flush(&mut word, &mut first);
        Self(words)
    }

    /// True where it asks for one of these acts, or uses one of the further words as it would an act.
    pub(crate) fn ask_for(&self, acts: &[Act], further: &[String]) -> bool {
        self.0.iter().enumerate().any(|(at, word)| {
            let own = further
                .iter()
                .any(|further| further.to_lowercase() == word.text);
            let known = acts
                .iter()
                .any(|act| words(*act).contains(&word.text.as_str()));
            (own || known) && self.is_act(at)
        }) || acts.contains(&Act::Send) && self.lets_know()
    }

    /// "Let Dana know": somebody else is to be told.
    fn lets_know(&self) -> bool {
        self.0.iter().enumerate().any(|(at, word)| {
            word.text == "let"
                && self.is_act(at)
                && self.0[at + 1..]
                    .iter()
                    .take_while(|later| !later.first)
                    .take(LET)
                    .skip(1)
                    .any(|later| later.text == "know")
        })
    }

    fn is_act(&self, at: usize) -> bool {
        let word = &self.0[at];
        // The words of its clause that stand before it, the nearest first.
        let clause = self.0[..at]
            .iter()
            .rev()
            .take(if word.first { 0 } else { 4 })
            .map(|word| word.text.as_str());
        let before: Vec<&str> = clause.collect();
        // "If not, book it" forbids nothing.
        let denied = |at: usize| {
            NOT.contains(&before[at])
                && before
                    .get(at + 1)
                    .is_none_or(|word| !WHETHER.contains(word))
        };
        // "If so, book it": what stands in another clause asks whether something is so, not for this.
        let begin = self.0[..at].iter().rev().position(|word| word.first);
        let own = begin.map_or(before.len(), |begin| before.len().min(begin + 1));
        if (0..before.len().min(3)).any(denied)
            || before[..own].iter().any(|word| WHETHER.contains(word))
        {
            return false;
        }
        // "Tell me": the answer is wanted here, and nothing is to go to anybody. "Book me a room" is a wish.
        let next = self.0.get(at + 1).filter(|next| !next.first);
        let tells = [Act::Send, Act::Share, Act::Publish]
            .into_iter()
            .any(|act| words(act).contains(&word.text.as_str()));
        if (tells || word.text == "let")
            && next.is_some_and(|next| ME.contains(&next.text.as_str()))
        {
            return false;
        }
        match before.first() {
            None => true,
            Some(nearest) if BEFORE_A_TALE.contains(nearest) => false,
            Some(nearest) => {
                !THINGS.contains(&word.text.as_str()) || BEFORE_AN_ACT.contains(nearest)
            }
        }
    }

    /// True where the message hands the choice over: "do the tasks on my list".
    pub(crate) fn hand_over(&self) -> bool {
        self.0.iter().enumerate().any(|(at, word)| {
            HANDED.contains(&word.text.as_str())
                && self.0[at + 1..]
                    .iter()
                    .take(8)
                    .any(|later| WORK.contains(&later.text.as_str()))
        })
    }

    /// True where every word of `text` is among these.
    pub(crate) fn cover(&self, text: &str) -> bool {
        let asked = Self::of(text);
        !asked.0.is_empty()
            && asked
                .0
                .iter()
                .all(|word| self.0.iter().any(|known| known.text == word.text))
    }

    pub(crate) fn has(&self, wanted: &[&str]) -> bool {
        self.0
            .iter()
            .any(|word| wanted.contains(&word.text.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asks(text: &str, act: Act) -> bool {
        Words::of(text).ask_for(&[act], &[])
    }

    #[test]
    fn an_act_is_asked_for_by_its_word_and_not_by_a_thing_of_that_name() {
        assert!(asks("Send the report to Bob", Act::Send));
        assert!(asks("Summarise it, then email Bob.", Act::Send));
        assert!(asks("Bitte schicke es an Bob", Act::Send));
        assert!(asks("Could you please delete the draft?", Act::Delete));
        assert!(!asks("What does the email from Bob say?", Act::Send));
        assert!(!asks("Show me the last message of Bob", Act::Send));
        assert!(!asks("When is my next order due?", Act::Pay));
        assert!(!asks("What is on my schedule?", Act::Book));
    }

    #[test]
    fn what_is_forbidden_or_told_is_not_asked_for() {
        assert!(!asks("Read it but do not delete anything", Act::Delete));
        assert!(!asks("Never send it to anybody", Act::Send));
        assert!(!asks("What did I send to Bob?", Act::Send));
        assert!(!asks("Has she changed it? Did they cancel", Act::Delete));
    }

    #[test]
    fn what_is_to_be_told_here_is_not_to_be_sent() {
        assert!(!asks("Tell me what Dana wrote", Act::Send));
        assert!(!asks("Send me a summary", Act::Send));
        assert!(!asks("Send me the bill", Act::Pay));
        assert!(asks("Book me a room", Act::Book));
        assert!(asks("Please buy us two tickets", Act::Pay));
        assert!(!asks(
            "I would like to know whether you send mails to Bob",
            Act::Send
        ));
        assert!(asks("Tell Dana that I am late", Act::Send));
        assert!(asks("If Dana asks, send her the file", Act::Send));
    }

    #[test]
    fn a_condition_in_a_clause_before_it_leaves_a_wish_a_wish() {
        assert!(asks("Is the room free? If so, please book it", Act::Book));
        assert!(asks("If not, please cancel the trip", Act::Delete));
        assert!(asks("If the price is right, then book it", Act::Book));
        assert!(!asks("I wonder whether to book it", Act::Book));
        assert!(!asks("Tell me if we should cancel it", Act::Delete));
        assert!(!asks("Please do not, as before, cancel it", Act::Run));
        assert!(!asks("Do not please cancel it", Act::Delete));
    }

    #[test]
    fn to_let_somebody_know_is_to_write_to_them() {
        assert!(asks("Let Dana know that I am late", Act::Send));
        assert!(asks("Read it and let the whole team know", Act::Send));
        assert!(asks("Let dana@b.example know that I am late", Act::Send));
        assert!(!asks("Let me know what Dana wrote", Act::Send));
        assert!(!asks("Do not let Dana know", Act::Send));
        assert!(!asks("They let Dana know", Act::Send));
        assert!(!asks("Let it be. I know", Act::Send));
        assert!(!asks("Let Dana know", Act::Delete));
    }

    #[test]
    fn a_choice_is_handed_over_by_words_for_work() {
        assert!(Words::of("Please do all the actions in that mail").hand_over());
        assert!(Words::of("Do all the tasks on my TODO list").hand_over());
        assert!(!Words::of("How many appointments do I have today?").hand_over());
    }

    #[test]
    fn a_tool_without_acts_is_known_by_its_name() {
        let effects = Effects::worst_case();
        let of = |name: &str| acts_of(&name.parse().expect("a name"), &effects);
        assert!(of("send_email").contains(&Act::Send));
        assert!(of("delete_file").contains(&Act::Delete));
        assert!(of("frobnicate").is_empty());
    }
}
