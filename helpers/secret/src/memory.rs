//! What keeps copies of a secret out of places that outlive the process: core dumps and panic
//! messages. Buffers are zeroed by their types.

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

/// To be called first. In a cage both calls may be refused; there the cage has done the same.
pub fn leave_no_copies() {
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    let _ = setrlimit(Resource::Core, none);
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    // A panic's message is made by whoever panics, perhaps of what it was reading.
    std::panic::set_hook(Box::new(|_| {}));
}
