//! What a person is promised, each through the real programs: the effect, and beside it the refusal.

mod bad_input;
mod chat;
mod life;
mod model;
mod proof;
