//! The program as the supervisor and the cli see it: arguments and environment in; standard output,
//! standard error and exit status out. The peers are real where they can be started here: `pass`
//! with GnuPG, a D-Bus daemon with GNOME Keyring. What wants a vendor's server is a script in
//! `tests/fakes`.

mod keyring;
mod misbehaviour;
mod pass;
mod places;
mod vendors;
mod world;
