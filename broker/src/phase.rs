//! What a confined process may ask, and when. Reading this table is reading the security model.
//! A known topic that has no row for a mind or hands in this phase is a violation: the process is
//! stopped, not answered. A topic that does not exist, and anything a program inside hands may not
//! ask, is answered with UNKNOWN_TOOL.

use carapace_contract::id::ToolName;
use carapace_ipc_proto::words::topic;

/// Who asks, as the channel says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sender {
    /// The mind of a session.
    Mind,
    /// A mind without history and tools that reads one text of others.
    Reader,
    /// The hands of a session.
    Hands,
    /// A program inside the hands' cage, through `ipc`, while its call runs.
    Inside,
}

/// Where the conversation with it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// No turn runs.
    Idle,
    /// A turn runs.
    InTurn,
}

/// A topic, parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Topic {
    /// `model.complete`
    Complete,
    /// `tool.invoke.NAME`, of a tool that may not exist.
    Invoke(ToolName),
    /// `tool.list`
    List,
    /// `say`
    Say,
    /// `report`
    Report,
}

/// Why a topic was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unfit {
    /// No such topic; answered with UNKNOWN_TOOL.
    Unknown,
    /// Known, and not permitted to this sender in this phase; a violation.
    OutOfPhase,
}

type Row = (Sender, &'static str, Phase);

const PERMITTED: &[Row] = &[
    (Sender::Mind, topic::MODEL_COMPLETE, Phase::InTurn),
    (Sender::Mind, topic::TOOL_INVOKE, Phase::InTurn),
    (Sender::Mind, topic::TOOL_LIST, Phase::InTurn),
    (Sender::Mind, topic::SAY, Phase::InTurn),
    (Sender::Mind, topic::REPORT, Phase::InTurn),
    (Sender::Reader, topic::MODEL_COMPLETE, Phase::InTurn),
    (Sender::Reader, topic::SAY, Phase::InTurn),
    (Sender::Reader, topic::REPORT, Phase::InTurn),
    // Work that was begun in a turn may end after it.
    (Sender::Hands, topic::REPORT, Phase::InTurn),
    (Sender::Hands, topic::REPORT, Phase::Idle),
    (Sender::Inside, topic::TOOL_INVOKE, Phase::InTurn),
    (Sender::Inside, topic::TOOL_LIST, Phase::InTurn),
];

/// Parses a topic and looks it up.
pub(crate) fn permitted(sender: Sender, phase: Phase, text: &str) -> Result<Topic, Unfit> {
    let (row, parsed) = match text {
        topic::MODEL_COMPLETE => (text, Topic::Complete),
        topic::TOOL_LIST => (text, Topic::List),
        topic::SAY => (text, Topic::Say),
        topic::REPORT => (text, Topic::Report),
        _ => match text.strip_prefix(topic::TOOL_INVOKE).map(str::parse) {
            Some(Ok(name)) => (topic::TOOL_INVOKE, Topic::Invoke(name)),
            _ => return Err(Unfit::Unknown),
        },
    };
    if PERMITTED.contains(&(sender, row, phase)) {
        Ok(parsed)
    } else {
        Err(Unfit::OutOfPhase)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_rows_of_the_table_pass() {
        let topics = [
            "model.complete",
            "tool.invoke.read",
            "tool.list",
            "say",
            "report",
        ];
        let mut passed = 0;
        for sender in [Sender::Mind, Sender::Reader, Sender::Hands, Sender::Inside] {
            for phase in [Phase::Idle, Phase::InTurn] {
                for text in topics {
                    passed += usize::from(permitted(sender, phase, text).is_ok());
                }
            }
        }
        assert_eq!(passed, PERMITTED.len());
        assert_eq!(
            permitted(Sender::Mind, Phase::Idle, "model.complete"),
            Err(Unfit::OutOfPhase)
        );
        assert_eq!(
            permitted(Sender::Inside, Phase::InTurn, "model.complete"),
            Err(Unfit::OutOfPhase)
        );
        for topic in ["tool.invoke.read", "tool.list"] {
            assert_eq!(
                permitted(Sender::Reader, Phase::InTurn, topic),
                Err(Unfit::OutOfPhase),
                "{topic}"
            );
        }
        assert_eq!(
            permitted(Sender::Hands, Phase::InTurn, "tool.invoke.exec"),
            Err(Unfit::OutOfPhase)
        );
        for unknown in [
            "tool.invoke.",
            "tool.invoke.../x",
            "Say",
            "say ",
            "vault.read",
            "",
        ] {
            assert_eq!(
                permitted(Sender::Mind, Phase::InTurn, unknown),
                Err(Unfit::Unknown),
                "{unknown:?}"
            );
        }
    }
}
