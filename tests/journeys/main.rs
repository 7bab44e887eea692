//! What a person is promised, each through the real programs: the effect, and beside it the refusal.

mod attach;
mod auth;
mod bad_input;
mod chat;
mod life;
mod model;
mod plan;
mod policy;
mod proof;
mod quarantine;
mod route;
mod rules;
mod spending;
