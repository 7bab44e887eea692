//! A confined program that says READY and has locked nothing.

use std::fs::File;
use std::io::Read as _;

fn main() {
    let _ = carapace_jail::lock::ready();
    if let Some(channel) = carapace_jail::take_inherited(3) {
        let _ = File::from(channel).read(&mut [0]);
    }
}
