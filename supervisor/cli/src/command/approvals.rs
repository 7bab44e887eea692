//! `carapace approvals`: the questions of all sessions, and their answers.

use super::Context;
use crate::chat::{Given, View};
use crate::failure::{Exit, Failure};
use crate::screen::{self, frame, neutral::line, time};
use crate::{broker, home};
use broker::BrokerError;
use carapace_contract::control::{Ask, QuestionCard, Tell};
use carapace_contract::id::Code;
use carapace_contract::part::Part;
use carapace_contract::verdict::Decision;
use clap::Subcommand;

/// Answer what the assistant asks.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  carapace approvals                          the open questions, in full
  carapace approvals allow k7m2qd             this call, now
  carapace approvals allow k7m2qd --always    exactly this call, until it expires or is revoked
  carapace approvals allow k7m2qd --steps 1-3,5   of a plan, these steps
  carapace approvals deny k7m2qd --note \"use the copy instead\"
  carapace approvals watch                    show questions as they come")]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show the open questions (the default)
    List {
        /// Also those that were answered or have expired
        #[arg(long)]
        all: bool,
    },
    /// Allow what a question asks
    Allow {
        /// The code in the question's frame
        code: Code,
        /// This task: any call of this tool in this session that the floor allows, until carapace is restarted
        #[arg(long, visible_alias = "task", conflicts_with = "always")]
        session: bool,
        /// Exactly this call from now on, until it expires or is revoked
        #[arg(long)]
        always: bool,
        /// Of a plan, only these steps: 1-3,5
        #[arg(long, value_name = "STEPS", conflicts_with_all = ["session", "always"])]
        steps: Option<Part>,
    },
    /// Refuse it
    Deny {
        /// The code in the question's frame
        code: Code,
        /// Words for the assistant, at most 1,000 bytes
        #[arg(long, value_name = "TEXT")]
        note: Option<String>,
    },
    /// Show questions as they come, until Ctrl-C
    Watch,
}

/// Runs `approvals`.
///
/// # Errors
/// It is not running, or the broker refuses.
pub(crate) fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    home::check(&context.home)?;
    match args.action.unwrap_or(Action::List { all: false }) {
        Action::List { all } => list(context, all)?,
        Action::Allow {
            code,
            session,
            always,
            steps,
        } => {
            let decision = match (session, always) {
                (true, _) => Decision::Session,
                (_, true) => Decision::Always,
                _ => Decision::Once,
            };
            let given = Given {
                part: steps,
                ..Given::whole(decision)
            };
            answer(context, code, given)?;
        }
        Action::Deny { code, note } => answer(context, code, Given::no(note))?,
        Action::Watch => watch(context)?,
    }
    Ok(Exit::Done)
}

/// Gives one answer.
///
/// # Errors
/// No such question, or it is not open any more.
pub(crate) fn answer(context: &Context, code: Code, given: Given) -> Result<(), Failure> {
    let tell = broker::ask(&context.home, &given.to(code))?;
    let Tell::Closed { code, state } = &tell else {
        return Err(BrokerError::Other.into());
    };
    if context.json {
        screen::print_json(&tell);
    } else {
        screen::print(&format!("question {code}: {}\n", line(state)));
    }
    Ok(())
}

fn list(context: &Context, all: bool) -> Result<(), Failure> {
    let Tell::Questions { rows } = broker::ask(&context.home, &Ask::Questions { all })? else {
        return Err(BrokerError::Other.into());
    };
    if context.json {
        screen::print_json(&rows);
        return Ok(());
    }
    if rows.is_empty() {
        screen::print("no open question\n");
    }
    rows.iter().for_each(show);
    Ok(())
}

fn show(card: &QuestionCard) {
    screen::print(&frame::question(card, screen::width(), time::now(), false));
    if card.state == "open" {
        screen::print(&format!(
            "answer: carapace approvals allow {0}{1}   or   carapace approvals deny {0}\n\n",
            card.code,
            if card.parts > 0 {
                " [--steps 1-3,5]"
            } else {
                ""
            }
        ));
    }
}

fn watch(context: &Context) -> Result<(), Failure> {
    let mut connection = broker::connect(&context.home, None)?;
    connection.speaker.say(&Ask::Watch {})?;
    let mut view = View::new(context.json);
    loop {
        match connection.listener.hear()? {
            Tell::Failed { code, message } => {
                return Err(BrokerError::failed(code, &message).into());
            }
            tell if context.json => screen::print_json(&tell),
            Tell::Question(card) => show(&card),
            tell => view.tell(&tell),
        }
    }
}
