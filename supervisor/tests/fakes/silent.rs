//! A confined program that never says READY.

use std::fs::File;
use std::io::Read as _;

fn main() {
    if let Some(channel) = carapace_jail::take_inherited(3) {
        let _ = File::from(channel).read(&mut [0]);
    }
}
