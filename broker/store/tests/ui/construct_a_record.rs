//! The proof of a record cannot be put together outside of its crate.
use carapace_contract::tool::Invocation;
use carapace_policy::Permit;
use carapace_store::Recorded;

fn skip_the_store(permit: Permit<Invocation>) -> Recorded<Invocation> {
    Recorded { permit, seq: 0 }
}

fn main() {
    let _ = skip_the_store;
}
