//! The hands: carry out the calls of one session inside its cage, and nothing else.
//!
//! They have a workspace, the system's programs and no network, no secret and no model. Every call
//! was judged and recorded by the broker before it comes here; what comes back is believed by
//! nobody. So nothing in this crate is a guard: the cage around it is what is relied on.
//!
//! * [`serve`]: the loop on the channel; a thread per call.
//! * [`tools`]: one file per tool.
//! * [`workspace`]: how a path becomes a file beneath the workspace.
//! * [`process`]: programs, from start to the last of what they left running.
//! * [`guest`]: the `ipc` command for programs inside, and who serves it.

mod capture;
pub mod guest;
pub mod process;
mod report;
mod serve;
pub mod tools;
pub mod workspace;

pub use serve::serve;
