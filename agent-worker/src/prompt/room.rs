//! Makes a conversation fit on the line: the oldest tool results go first, then the oldest
//! messages, and the system prompt and the newest messages stay.

use carapace_contract::model::{Message, Role};

/// Bytes of messages in one request, as JSON: below what the line carries in parts.
pub const MOST: usize = carapace_ipc_proto::limits::IN_PARTS - 256 * 1024;

const LEFT_OUT: &str = "(left out: the conversation is long; ask for it again if it is needed)";

/// Cuts the messages to [`MOST`]. The first is the system prompt.
pub(super) fn make(messages: &mut Vec<Message>) {
    let mut total: usize = messages.iter().map(size).sum();
    // The newest round stays whole where it can: it is what the model is asked about.
    for spare in [newest_round(messages), messages.len()] {
        for message in &mut messages[1..spare] {
            if total <= MOST {
                return;
            }
            if message.role == Role::Tool && message.content.len() > LEFT_OUT.len() {
                total -= size(message);
                LEFT_OUT.clone_into(&mut message.content);
                total += size(message);
            }
        }
    }
    // Whole exchanges go: a result without its call means nothing.
    while total > MOST {
        let next = messages
            .iter()
            .skip(2)
            .position(|message| message.role == Role::User);
        let Some(next) = next else { return };
        total -= messages
            .drain(1..next + 2)
            .map(|message| size(&message))
            .sum::<usize>();
    }
}

fn newest_round(messages: &[Message]) -> usize {
    let last = messages
        .iter()
        .rposition(|message| message.role == Role::Assistant);
    last.unwrap_or(messages.len()).max(1)
}

fn size(message: &Message) -> usize {
    // A comma stands between two.
    serde_json::to_vec(message).map_or(0, |json| json.len() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tool(bytes: usize) -> Message {
        Message {
            tool_call_id: Some("c".to_owned()),
            ..Message::text(Role::Tool, "x".repeat(bytes))
        }
    }

    #[test]
    fn old_results_go_before_messages_and_the_newest_stay() {
        let user = |text: &str| Message::text(Role::User, text);
        let assistant = || Message::text(Role::Assistant, "");
        let mut messages = vec![
            user("system"),
            user("one"),
            assistant(),
            tool(MOST / 2),
            user("two"),
            assistant(),
            tool(MOST * 3 / 4),
        ];
        make(&mut messages);
        assert_eq!(messages.len(), 7);
        assert_eq!(messages[3].content, LEFT_OUT);
        assert_eq!(messages[6].content.len(), MOST * 3 / 4);

        let mut messages = vec![
            user("system"),
            user(&"a".repeat(MOST / 2)),
            assistant(),
            user(&"b".repeat(MOST * 3 / 4)),
        ];
        make(&mut messages);
        assert_eq!(messages.len(), 2);
        assert!(messages[1].content.starts_with('b'));

        // Nothing is left to take: the broker says that it is too long.
        let mut messages = vec![user("system"), user(&"b".repeat(MOST * 2))];
        make(&mut messages);
        assert_eq!(messages.len(), 2);
    }
}
