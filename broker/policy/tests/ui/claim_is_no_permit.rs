//! A claim does not become a permit but by judging it.
use carapace_contract::tool::Invocation;
use carapace_ipc_proto::claim::Claim;
use carapace_policy::Permit;

fn act(_: Permit<Invocation>) {}

fn skip_the_judge(claim: Claim<Invocation>) {
    act(claim.into());
}

fn main() {
    let _ = skip_the_judge;
}
