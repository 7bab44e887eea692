//! Makes one attempt to get out of a cage and says how it ended; started by the prover alone.

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    carapace_jail::attempts::run_probe(&arguments)
}
