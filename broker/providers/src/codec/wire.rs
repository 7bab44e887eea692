//! Names as vendors take them. Tool names and call ids may come from another vendor's answer, or
//! from a process that is not trusted: what a vendor would refuse is replaced, not sent.

use carapace_contract::id::Digest;
use std::borrow::Cow;

/// The longest tool name that vendors take, in bytes.
const MAX_TOOL: usize = 64;

/// A tool's name as vendors take it, `[a-zA-Z0-9_-]{1,64}`: a dot becomes `__`, what else does not fit
/// becomes `_`, and what is too long is cut.
pub fn wire_tool(name: &str) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    let mut wire: String = name
        .replace('.', "__")
        .chars()
        .map(|c| if fits(c) { c } else { '_' })
        .take(MAX_TOOL)
        .collect();
    if wire.is_empty() {
        wire.push('_');
    }
    wire
}

/// The tool that a vendor's name stands for: the way back from [`wire_tool`], for names without `__`.
pub fn own_tool(wire: &str) -> String {
    wire.replace("__", ".")
}

/// A call's id as vendors take it, `[a-zA-Z0-9_-]`, at most `most` bytes: its own where it fits, else one made
/// from its digest, so that call and result still belong together.
pub fn wire_id(id: &str, most: usize) -> Cow<'_, str> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    if (1..=most).contains(&id.len()) && id.bytes().all(fits) {
        return Cow::Borrowed(id);
    }
    let digest: String = Digest::of(id.as_bytes())
        .to_string()
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .collect();
    let cut = digest.len().saturating_sub(most.saturating_sub(5).min(32));
    Cow::Owned(format!("call_{}", &digest[cut..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_tool_of_ours_comes_back_as_it_went(name in "[a-z][a-z0-9]{0,5}([_.][a-z0-9]{1,6}){0,5}") {
            prop_assert_eq!(own_tool(&wire_tool(&name)), name);
        }

        #[test]
        fn what_is_sent_fits_whatever_it_was(name in any::<String>(), most in 8usize..65) {
            let fits = |text: &str, most: usize| {
                (1..=most).contains(&text.len())
                    && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
            };
            prop_assert!(fits(&wire_tool(&name), 64));
            prop_assert!(fits(&wire_id(&name, most), most));
        }

        #[test]
        fn two_ids_stay_two(one in ".{41,60}", other in ".{41,60}") {
            prop_assert_eq!(wire_id(&one, 40) == wire_id(&other, 40), one == other);
        }
    }
}
