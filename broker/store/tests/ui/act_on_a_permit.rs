//! What acts takes a record; a permit is not one.
use carapace_contract::tool::Invocation;
use carapace_policy::Permit;
use carapace_store::Recorded;

fn act(_: &Recorded<Invocation>) {}

fn too_early(permit: Permit<Invocation>) {
    act(&permit);
}

fn main() {
    let _ = too_early;
}
