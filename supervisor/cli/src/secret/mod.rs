//! Secrets in the person's hand: typed without being shown, tidied, looked for where they lie in the
//! open, and handed on to the broker. Nothing here stores one, and nothing shows a part of one.

pub(crate) mod callback;
pub(crate) mod elsewhere;
pub(crate) mod input;
pub(crate) mod keyring;
pub(crate) mod paste;
pub(crate) mod plaintext;
pub(crate) mod vendor;
