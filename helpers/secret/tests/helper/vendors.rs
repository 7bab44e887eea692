//! `op` and `bw`, as scripts that follow what their vendors publish.

use crate::world::{Outcome, fake, run};

fn op(item: &str, token: &str) -> Outcome {
    let program = fake("op");
    run(
        &["op", item],
        &[
            ("CARAPACE_HELPER_PROGRAM", &program),
            ("OP_SERVICE_ACCOUNT_TOKEN", token),
        ],
    )
}

fn bw(item: &str, session: &str) -> Outcome {
    let program = fake("bw");
    run(
        &["bw", item],
        &[
            ("CARAPACE_HELPER_PROGRAM", &program),
            ("BW_SESSION", session),
        ],
    )
}

#[test]
fn op_gives_the_field_that_is_named() {
    op("op://ai/anthropic/key", "ops_token").gives("sk-fake-op-1");
    op("op://ai/pem/key", "ops_token").gives("line one\nline two");
}

#[test]
fn op_tells_a_missing_item_from_a_missing_login() {
    op("op://ai/none/key", "ops_token").fails(3, "isn't an item");
    op("op://none/none/key", "ops_token").fails(3, "isn't a vault");
    op("op://ai/anthropic/key", "").fails(4, "not currently signed in");
    op("anthropic", "ops_token").fails(2, "op://");
}

#[test]
fn bw_gives_the_password_of_the_item() {
    bw("99ee88d2-6046-4ea7-92c2-acac464b1412", "session").gives("sk-fake-bw-1");
}

#[test]
fn bw_tells_a_missing_item_from_a_locked_vault() {
    bw("none", "session").fails(3, "bw list items --search");
    bw("two", "session").fails(3, "More than one result");
    bw("none", "").fails(4, "bw unlock");
    bw("none", "logged-out").fails(4, "not logged in");
}
