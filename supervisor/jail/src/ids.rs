//! User ids of cages when the supervisor is root.
//!
//! A reserved range, one id for the broker, one for the resolver, one for each group's hands, one for
//! each worker slot: `RLIMIT_NPROC` and file ownership count per id, so ids are not shared between
//! kinds. What reads the owner's secrets keeps the owner's id: the files are the owner's.

use crate::ProfileName;

/// Start of the range by default: above what distributions hand out, below 2^31.
pub const DEFAULT_BASE: u32 = 2_000_000_000;
/// How many ids the range holds.
pub const RANGE: u32 = 65_536;

const FIRST_HANDS: u32 = 1;
const FIRST_WORKER: u32 = 4096;
const RESOLVER: u32 = RANGE - 1;

/// The id (uid and gid alike) of a cage. Slots beyond a kind's share wrap around in it.
///
/// `slot` is the worker's place in the pool, or the number of the group for hands.
pub fn uid(profile: ProfileName, slot: u32, base: u32) -> u32 {
    match profile {
        ProfileName::Broker => base,
        ProfileName::Hands => base + FIRST_HANDS + slot % (FIRST_WORKER - FIRST_HANDS),
        ProfileName::Worker => base + FIRST_WORKER + slot % (RESOLVER - FIRST_WORKER),
        ProfileName::Resolver => base + RESOLVER,
        ProfileName::Secret | ProfileName::SecretOnline => 0,
    }
}

/// The id inside a cage when a user namespace maps the one id of an ordinary user, here `own`.
pub(crate) fn inside(profile: ProfileName, own: u32) -> u32 {
    match profile {
        ProfileName::Worker | ProfileName::Resolver => 65_534,
        ProfileName::Hands | ProfileName::Broker => 1000,
        // The message bus and gpg compare it with what they see of the owner.
        ProfileName::Secret | ProfileName::SecretOnline => own,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_never_share_an_id() {
        let base = DEFAULT_BASE;
        for slot in [0, 1, 4094, 4095, 61_439, 61_440, u32::MAX] {
            let hands = uid(ProfileName::Hands, slot, base);
            let worker = uid(ProfileName::Worker, slot, base);
            assert!((base + 1..base + FIRST_WORKER).contains(&hands));
            assert!((base + FIRST_WORKER..base + RESOLVER).contains(&worker));
            assert_eq!(uid(ProfileName::Resolver, slot, base), base + RANGE - 1);
        }
        assert_eq!(uid(ProfileName::Broker, 7, base), base);
    }
}
