//! What of a message is wished, and not only told or asked about: of "what did Bob write, and can you send it" the last
//! clause. Acts are looked for in what is left.

/// Words that begin a question.
const ASKS: [&str; 10] = [
    "what", "what's", "when", "where", "why", "who", "whom", "whose", "how", "which",
];
/// Words after which something is told, or asked about.
const TELLS: [&str; 6] = ["did", "does", "had", "has", "didn't", "doesn't"];
/// Words by which another is said to do it, where they are not put to the reader.
const MAY: [&str; 9] = [
    "will", "would", "can", "could", "should", "shall", "may", "might", "must",
];

/// The text without what is only told or asked about: "what did Bob write", "Bob will send it".
pub(super) fn wishes(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for clause in clauses(text) {
        let words: Vec<(&str, String)> = clause
            .split_inclusive(char::is_whitespace)
            .map(|word| {
                let plain = word
                    .trim_matches(|char: char| !char.is_alphanumeric())
                    .to_lowercase();
                (word, plain)
            })
            .collect();
        let plain = |at: usize| words.get(at).map_or("", |(_, plain)| plain.as_str());
        let question = ASKS.contains(&plain(0)) || TELLS.contains(&plain(0));
        let mut told = false;
        for (at, (word, this)) in words.iter().enumerate() {
            let this = this.as_str();
            let before = if at == 0 { "" } else { plain(at - 1) };
            let tells = TELLS.contains(&this) || this == "do" && ASKS.contains(&before);
            let may = MAY.contains(&this)
                && !matches!(before, "you" | "i" | "we")
                && !matches!(plain(at + 1), "you" | "please" | "kindly");
            if tells || may {
                told = true;
            } else if matches!(this, "please" | "then" | "you") && !is_told_of_you(&words[..at])
                || matches!(this, "and" | "but") && !question
            {
                told = false;
            }
            if !told {
                out.push_str(word);
            }
        }
        // The end of a clause is one, whatever was left out of it.
        if told {
            out.extend(clause.chars().next_back());
        }
    }
    out
}

/// The clauses of a text, each with its end. A sign within a word, as in an address, ends none.
fn clauses(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let end = rest.char_indices().find(|(at, char)| {
            let next = rest[at + char.len_utf8()..].chars().next();
            matches!(char, '.' | ',' | ';' | ':' | '!' | '?' | '(')
                && next.is_none_or(|next| !(next.is_alphanumeric() || "/@._-=&".contains(next)))
                || *char == '\n'
        });
        let (clause, after) =
            rest.split_at(end.map_or(rest.len(), |(at, char)| at + char.len_utf8()));
        rest = after;
        (!clause.is_empty()).then_some(clause)
    })
}

/// True where a question about the past goes on: "what did you".
fn is_told_of_you(before: &[(&str, String)]) -> bool {
    before
        .last()
        .is_some_and(|(_, plain)| TELLS.contains(&plain.as_str()) || plain == "do")
}
