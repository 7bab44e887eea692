//! No other type can be judged, so none can bring a judgement of its own.
use carapace_contract::effects::Effects;
use carapace_contract::id::Digest;
use carapace_policy::Judged;

struct Anything(Effects);

impl Judged for Anything {
    fn digest(&self) -> Digest {
        Digest::of(b"")
    }
    fn effects(&self) -> &Effects {
        &self.0
    }
}

fn main() {}
