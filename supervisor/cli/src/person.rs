//! Plain questions to the person at the terminal: yes or no, one of several, a line.

use crate::command::Context;
use crate::screen::{self, neutral::line};
use crate::secret::input;
use std::io::{self, BufRead, Read};

/// The longest answer, in bytes.
const ANSWER: u64 = 4 * 1024;

/// Whether somebody is there and expects to be asked.
pub(crate) fn is_here(context: &Context) -> bool {
    !context.json && input::is_terminal()
}

/// Asks for a line. `None` where there is no more input; empty where only the return key was pressed.
pub(crate) fn ask(question: &str) -> Option<String> {
    screen::aside(&format!("{} ", screen::neutral::lines(question)));
    let mut answer = String::new();
    match io::stdin().lock().take(ANSWER).read_line(&mut answer) {
        Ok(1..) => Some(answer.trim().to_owned()),
        _ => None,
    }
}

/// Asks for yes or no; the default counts where only the return key was pressed. No input is no.
pub(crate) fn agrees(question: &str, default: bool) -> bool {
    let choices = if default { "[Y/n]" } else { "[y/N]" };
    loop {
        match ask(&format!("{question} {choices}")).as_deref() {
            Some("") => return default,
            Some("y" | "Y" | "yes") => return true,
            Some("n" | "N" | "no") | None => return false,
            Some(_) => {}
        }
    }
}

/// Asks for one of several by its number; the first where only the return key was pressed. `None`
/// where there is no more input.
pub(crate) fn choose(question: &str, items: &[String]) -> Option<usize> {
    for (at, item) in items.iter().enumerate() {
        screen::aside(&format!("  {:>2}  {}\n", at + 1, line(item)));
    }
    loop {
        let answer = ask(&format!("{question} [1]"))?;
        if answer.is_empty() {
            return Some(0);
        }
        match answer.parse::<usize>() {
            Ok(number) if (1..=items.len()).contains(&number) => return Some(number - 1),
            _ => screen::aside(&format!("a number from 1 to {}, please\n", items.len())),
        }
    }
}
