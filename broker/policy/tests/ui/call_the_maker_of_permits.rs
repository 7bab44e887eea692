//! The function that makes permits is not for others.
use carapace_policy::Permit;

fn main() {
    let _ = Permit::new("rm -rf", Vec::new());
}
