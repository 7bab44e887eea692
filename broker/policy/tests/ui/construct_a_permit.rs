//! A permit cannot be put together outside of its crate.
use carapace_policy::Permit;

fn main() {
    let _ = Permit { what: "rm -rf", basis: Vec::new() };
}
