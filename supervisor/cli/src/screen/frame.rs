//! The frame of a question: the one place where a person is shown what an answer allows. Everything
//! the answer is bound to is in it, in full. Nothing from outside can end it early, because each of
//! its lines begins with its own edge and text is wrapped within.

use super::{fitting, neutral, time};
use carapace_contract::control::QuestionCard;
use carapace_contract::effects::{Effects, Reach, Undo};

const EDGE: &str = "║ ";
const BOLD: &str = "\u{1b}[1;33m";
const PLAIN: &str = "\u{1b}[0m";

/// The whole frame, ready for the terminal.
pub(crate) fn question(card: &QuestionCard, width: usize, now: i64, colour: bool) -> String {
    let mut frame = Frame {
        out: String::new(),
        width: width.clamp(20, 100),
        colour,
    };
    frame.rule('╔', &format!(" QUESTION {} ", card.code));
    frame.text("", &card.title);
    frame.text("", "");
    frame.pair("tool", card.tool.as_str());
    for (name, value) in &card.fields {
        frame.pair(&neutral::line(name), value);
    }
    frame.text("", "");
    for reason in &card.reasons {
        frame.pair("why", &reason.to_string());
    }
    frame.pair("effects", &effects(&card.effects));
    let left = card.expires - now;
    if card.state == "open" && left > 0 {
        frame.pair(
            "expires",
            &format!("in {} ({})", time::span(left), time::clock(card.expires)),
        );
    } else if card.state == "open" {
        frame.pair("state", "expired");
    } else {
        frame.pair("state", &card.state);
    }
    if let Some(approver) = &card.approver {
        frame.pair("answered by", approver);
    }
    frame.pair("session", &card.session.to_string());
    frame.pair("bound to", &card.digest);
    frame.rule('╚', "");
    frame.out
}

/// What a tool does to the world, in words.
pub(crate) fn effects(effects: &Effects) -> String {
    let reach = |reach: Reach| match reach {
        Reach::None => "nothing",
        Reach::Workspace => "the workspace",
        Reach::Private => "private data",
        Reach::Internet => "the internet",
    };
    let mut words = format!(
        "reads {}, writes {}",
        reach(effects.reads),
        reach(effects.writes)
    );
    if !effects.egress.is_empty() {
        words.push_str(&format!(
            "; leaves this machine: {}",
            effects.egress.join(", ")
        ));
    }
    if !effects.recipients.is_empty() {
        words.push_str(&format!("; recipients: {}", effects.recipients.join(", ")));
    }
    words.push_str(match effects.undo {
        Undo::Nothing => "; changes nothing",
        Undo::Possible => "; can be undone",
        Undo::Impossible => "; cannot be undone",
    });
    words
}

struct Frame {
    out: String,
    width: usize,
    colour: bool,
}

impl Frame {
    fn rule(&mut self, corner: char, label: &str) {
        let used = 3 + label.chars().count();
        let rest = "═".repeat(self.width.saturating_sub(used + 1));
        self.coloured(&format!("{corner}══{label}{rest}"));
        self.out.push('\n');
    }

    fn pair(&mut self, name: &str, value: &str) {
        let value = neutral::lines(value);
        if value.contains('\n') {
            self.text("", &format!("{name}:"));
            self.text("    ", &value);
        } else {
            self.text("", &format!("{name}: {value}"));
        }
    }

    /// Lines within the frame, wrapped, each behind the edge.
    fn text(&mut self, indent: &str, text: &str) {
        let room = self.width - 4 - indent.len();
        for line in neutral::lines(text).split('\n') {
            let mut rest = line;
            loop {
                let at = fitting(rest, room);
                let (now, later) = rest.split_at(at);
                self.coloured(EDGE.trim_end());
                self.out.push(' ');
                self.out.push_str(indent);
                self.out.push_str(now);
                self.out.push('\n');
                rest = later;
                if rest.is_empty() {
                    break;
                }
            }
        }
    }

    fn coloured(&mut self, text: &str) {
        if self.colour {
            self.out.push_str(&format!("{BOLD}{text}{PLAIN}"));
        } else {
            self.out.push_str(text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use carapace_contract::id::{Code, SessionId, TurnId};
    use carapace_contract::verdict::Reason;
    use proptest::prelude::*;
    use unicode_width::UnicodeWidthStr;

    fn card(title: &str, value: &str) -> QuestionCard {
        QuestionCard {
            code: Code::random(),
            session: SessionId::random(),
            turn: TurnId::random(),
            tool: "exec".parse().unwrap(),
            title: title.to_owned(),
            fields: vec![("command".to_owned(), value.to_owned())],
            reasons: vec![Reason::new("no-grant", "exec is not granted")],
            effects: Effects::worst_case(),
            expires: 1_000,
            digest: "ab".repeat(32),
            state: "open".to_owned(),
            approver: None,
            parts: 0,
        }
    }

    #[test]
    fn everything_the_answer_is_bound_to_is_shown() {
        let card = card("run a command", &"%".repeat(500));
        let shown = question(&card, 80, 900, false);
        for part in [
            card.code.as_str(),
            "run a command",
            "exec",
            "no-grant",
            "in 100 s",
            &card.session.to_string(),
        ] {
            assert!(shown.contains(part), "{part}\n{shown}");
        }
        assert_eq!(
            shown.matches('%').count(),
            500,
            "nothing is left out\n{shown}"
        );
        assert!(question(&card, 80, 1_000, false).contains("state: expired"));
    }

    proptest! {
        #[test]
        fn nothing_inside_ends_the_frame(title in any::<String>(), value in prop_oneof![any::<String>(), "[a\n╚═║╔\u{1b}\u{202e}\r]{0,60}"]) {
            let shown = question(&card(&title, &value), 60, 0, false);
            let lines: Vec<&str> = shown.lines().collect();
            prop_assert!(lines[0].starts_with('╔') && lines[lines.len() - 1].starts_with('╚'));
            for line in &lines[1..lines.len() - 1] {
                prop_assert!(line.starts_with(EDGE));
                prop_assert!(line.width() <= 60);
                prop_assert!(!line.chars().any(neutral::is_hidden));
            }
        }
    }
}
