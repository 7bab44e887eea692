//! The cage: starts a program so that it can reach nothing but what its profile names.
//!
//! A cage is built in a fixed order by the child itself ([`spawn`]), finished by the confined
//! program before it reads a first byte from anybody ([`lock`]), and checked from outside before
//! it is trusted with a task ([`attest`]). Which layers this machine offers is found by trying
//! ([`probe`]). What a profile may do is data: the filters in [`filter`], the tree in
//! [`root`], the limits in [`limits`].
//!
//! This crate must never continue after a layer failed, never choose a weaker layer by itself, and
//! never hold a secret. It is the only crate with unsafe code, all of it in `sys`.

#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
compile_error!("carapace-jail has filters for x86_64 Linux only");

pub mod attempts;
pub mod attest;
pub mod bpf;
mod cgroup;
mod child;
pub mod config;
pub mod exit;
pub mod filter;
pub mod ids;
mod layer;
pub mod limits;
pub mod lock;
mod paths;
pub mod probe;
mod profile;
pub mod prove;
pub mod report;
pub mod root;
pub mod sandbox;
mod spawn;
mod sys;

pub use layer::{Layer, LayerState, State};
pub use profile::ProfileName;
pub use spawn::{CageSpec, Caged, SecretSpec, SpawnError, open_program, spawn, spawn_secret};
pub use sys::process::take_inherited;
