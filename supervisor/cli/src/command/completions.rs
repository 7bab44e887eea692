//! `carapace completions`: for bash, elvish, fish, PowerShell and zsh.

use crate::arguments::Arguments;
use crate::failure::Exit;
use crate::screen;
use clap::CommandFactory;
use clap_complete::Shell;

/// Completions for a shell.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  carapace completions bash > ~/.local/share/bash-completion/completions/carapace"
)]
pub(crate) struct Args {
    /// Which shell
    shell: Shell,
}

/// Runs `completions`.
pub(crate) fn run(args: &Args) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(
        args.shell,
        &mut Arguments::command(),
        "carapace",
        &mut script,
    );
    screen::print(&String::from_utf8_lossy(&script));
    Exit::Done
}
