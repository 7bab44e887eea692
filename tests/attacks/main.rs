//! What a hostile agent does, and that nothing comes of it. The worker is replaced by one that is
//! compromised from its first instruction; the rest is as shipped.

mod approvals;
mod cage;
mod documented;
mod egress;
mod guards;
mod plan;
mod policy;
mod protocol;
mod reach;
mod recorded;
mod rules;
mod secrets;

use carapace_harness::World;

/// A running world whose worker does what each message says.
fn compromised() -> World {
    let world = set_up();
    world.start();
    world
}

/// The same, not yet started.
fn set_up() -> World {
    let mut world = World::new();
    world.replace_program(
        "carapace-worker",
        &carapace_harness::programs::hostile_worker(),
    );
    world
}
