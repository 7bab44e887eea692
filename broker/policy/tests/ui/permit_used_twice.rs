//! A permit is used once.
use carapace_contract::tool::Invocation;
use carapace_policy::Permit;

fn act(_: Permit<Invocation>) {}

fn twice(permit: Permit<Invocation>) {
    act(permit);
    act(permit);
}

fn main() {
    let _ = twice;
}
