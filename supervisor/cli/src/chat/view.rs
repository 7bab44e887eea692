//! How a turn is shown: on a terminal as it comes, into a pipe as the final text alone, to programs
//! as one JSON object a line.

use crate::screen::margin::Margin;
use crate::screen::{self, frame, neutral, time};
use carapace_contract::control::{QuestionCard, Tell, TurnEnd};
use carapace_contract::id::EffectId;
use std::collections::HashMap;
use std::io::IsTerminal;

const DIM: &str = "\u{1b}[2m";
const PLAIN: &str = "\u{1b}[0m";

/// Who looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Surface {
    /// A person, as it comes.
    Terminal,
    /// A file or pipe: the final text.
    Pipe,
    /// A program.
    Json,
}

/// What is shown of one turn.
#[derive(Debug)]
pub(crate) struct View {
    surface: Surface,
    width: usize,
    margin: Margin,
    /// Model text since the last tool call or reconnection.
    streamed: String,
    /// Tool calls under way: what their line says.
    calls: HashMap<EffectId, String>,
    /// The tool call whose line has no end yet.
    unfinished: Option<EffectId>,
    /// Whether the cursor stands behind a prompt.
    prompting: bool,
}

impl View {
    /// For standard output as it is.
    pub(crate) fn new(json: bool) -> Self {
        let surface = match (json, std::io::stdout().is_terminal()) {
            (true, _) => Surface::Json,
            (false, true) => Surface::Terminal,
            (false, false) => Surface::Pipe,
        };
        let width = screen::width();
        Self {
            surface,
            width,
            margin: Margin::new(width),
            streamed: String::new(),
            calls: HashMap::new(),
            unfinished: None,
            prompting: false,
        }
    }

    /// Shows one thing that the broker told.
    pub(crate) fn tell(&mut self, tell: &Tell) {
        if self.surface == Surface::Json {
            return screen::print_json(tell);
        }
        match tell {
            Tell::Delta { text } => self.delta(text),
            Tell::ToolStarted {
                effect,
                tool,
                summary,
                ..
            } => {
                self.end_line();
                self.streamed.clear();
                let words = if summary.split(' ').next() == Some(tool.as_str()) {
                    summary.clone()
                } else {
                    format!("{tool} {summary}")
                };
                let line = format!(
                    "· {} … ",
                    screen::cut(words.trim(), self.width.saturating_sub(30))
                );
                if self.surface == Surface::Terminal {
                    screen::aside(&line);
                    self.unfinished = Some(*effect);
                }
                self.calls.insert(*effect, line);
            }
            Tell::ToolEnded {
                effect,
                outcome,
                detail,
                millis,
            } => {
                let line = self
                    .calls
                    .remove(effect)
                    .unwrap_or_else(|| format!("· {effect} … "));
                if self.unfinished == Some(*effect) {
                    self.unfinished = None;
                } else {
                    self.end_line();
                    screen::aside(&line);
                }
                screen::aside(&format!("{} {millis} ms\n", screen::cut(outcome, 12)));
                if outcome != "done" && !detail.is_empty() {
                    self.prefixed("    ", detail);
                }
            }
            // The broker's own choice of model: worth knowing, nothing to do about.
            Tell::Notice { text } if text.starts_with("switched to ") => self.remark(text),
            Tell::Notice { text } => self.notice(text),
            Tell::Question(card) => self.question(card),
            Tell::Closed { code, state } => self.notice(&format!("question {code}: {state}")),
            Tell::Done { text, end, .. } => self.done(text, *end),
            _ => {}
        }
    }

    /// The frame of a question.
    pub(crate) fn question(&mut self, card: &QuestionCard) {
        self.end_line();
        screen::aside(&frame::question(
            card,
            self.width,
            time::now(),
            screen::colour(),
        ));
    }

    /// What may be typed below a frame.
    pub(crate) fn choices(&mut self, choices: &str) {
        self.prompt(choices);
    }

    /// Asks for a line.
    pub(crate) fn prompt(&mut self, text: &str) {
        screen::aside(text);
        self.prompting = true;
    }

    /// A line was typed: the terminal has ended it.
    pub(crate) fn entered(&mut self) {
        self.prompting = false;
    }

    /// One sentence of this program or the broker.
    pub(crate) fn notice(&mut self, text: &str) {
        self.end_line();
        self.prefixed("! ", text);
    }

    /// One sentence beside the conversation.
    fn remark(&mut self, text: &str) {
        self.end_line();
        let shown = screen::wrapped("· ", text, self.width);
        if screen::colour() {
            screen::aside(&format!("{DIM}{}{PLAIN}\n", shown.trim_end_matches('\n')));
        } else {
            screen::aside(&shown);
        }
    }

    /// The stream broke off: what comes next may repeat.
    pub(crate) fn broke_off(&mut self) {
        self.end_line();
        self.streamed.clear();
        self.calls.clear();
    }

    fn delta(&mut self, text: &str) {
        self.streamed.push_str(text);
        if self.surface == Surface::Terminal {
            self.end_aside();
            screen::print(&self.margin.push(text));
        }
    }

    fn done(&mut self, text: &str, end: TurnEnd) {
        // A failure's text is a sentence of the broker.
        if end != TurnEnd::Answered {
            self.end_line();
            self.prefixed("! ", &ending(end, text));
            return;
        }
        if self.surface == Surface::Pipe {
            screen::print(&neutral::plain(text.trim_end_matches('\n')));
            screen::print("\n");
            return;
        }
        if let Some(rest) = text.strip_prefix(self.streamed.as_str()) {
            screen::print(&self.margin.push(rest));
        } else if !self.streamed.trim_end().ends_with(text.trim_end()) {
            self.end_line();
            screen::print(&self.margin.push(text));
        }
        self.end_line();
        self.streamed.clear();
    }

    fn prefixed(&self, prefix: &str, text: &str) {
        screen::aside(&screen::wrapped(prefix, text, self.width));
    }

    fn end_line(&mut self) {
        screen::print(self.margin.end());
        self.end_aside();
    }

    fn end_aside(&mut self) {
        let begun = self.unfinished.take().is_some() | std::mem::take(&mut self.prompting);
        if begun {
            screen::aside("\n");
        }
    }
}

/// How a turn ended that was not answered.
fn ending(end: TurnEnd, text: &str) -> String {
    let words = match end {
        TurnEnd::Answered => "answered",
        TurnEnd::Cancelled => "stopped",
        TurnEnd::Limit => "a limit of the turn was reached",
        TurnEnd::Failed => "failed",
        TurnEnd::Violation => {
            "the worker broke its rules and was ended; this turn is not tried again"
        }
    };
    if text.is_empty() {
        words.to_owned()
    } else {
        format!("{words}: {text}")
    }
}
