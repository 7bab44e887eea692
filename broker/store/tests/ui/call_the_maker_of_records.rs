//! The function that makes records is not for others.
use carapace_contract::tool::Invocation;
use carapace_policy::Permit;
use carapace_store::Recorded;

fn skip_the_store(permit: Permit<Invocation>) -> Recorded<Invocation> {
    Recorded::new(permit, 0)
}

fn main() {
    let _ = skip_the_store;
}
