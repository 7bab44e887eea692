//! What a person is promised, each through the real programs: the effect, and beside it the refusal.

mod attach;
mod auth;
mod bad_input;
mod chat;
mod life;
mod model;
mod proof;
mod route;
mod spending;
