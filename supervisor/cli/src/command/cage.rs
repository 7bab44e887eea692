//! `carapace cage`: waivers and mounted folders. They are in `cage.toml`, which only this program
//! writes and only the supervisor reads.

use super::Context;
use crate::failure::{Exit, Failure};
use crate::{cage_file, home, screen, supervisor};
use carapace_jail::Layer;
use carapace_jail::config::{CageConfig, Mount, MountMode};
use clap::Subcommand;
use clap::builder::PossibleValuesParser;
use std::path::PathBuf;

/// Waivers and mounted folders.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  carapace cage                               what is waived and mounted
  carapace cage mount ~/Documents docs        the agent may read it as /mnt/docs
  carapace cage waive namespaces              start although this machine has none; every status says so

A change is in force after `carapace restart`.")]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show waivers and mounts (the default)
    Show,
    /// Accept that a layer is missing here; it is used wherever it works
    Waive {
        /// The layer
        #[arg(value_parser = PossibleValuesParser::new(["landlock", "namespaces"]))]
        layer: String,
    },
    /// Take a waiver back
    Unwaive {
        /// The layer
        #[arg(value_parser = PossibleValuesParser::new(["landlock", "namespaces"]))]
        layer: String,
    },
    /// Show a folder to the agent, read-only, as /mnt/NAME
    Mount {
        /// The folder; never the home or one that holds it
        folder: PathBuf,
        /// Its name
        name: String,
    },
    /// Take a mounted folder away again
    Unmount {
        /// Its name
        name: String,
    },
}

/// Runs `cage`.
///
/// # Errors
/// `cage.toml` cannot be read or written, or the change is refused.
pub(crate) fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    home::ensure(&context.home)?;
    let mut config = cage_file::load(&context.home)?;
    let before = config.clone();
    match args.action.unwrap_or(Action::Show) {
        Action::Show => {}
        Action::Waive { layer } => {
            let layer = waivable(&layer);
            if !config.allow_missing.contains(&layer) {
                config.allow_missing.push(layer);
            }
        }
        Action::Unwaive { layer } => config.allow_missing.retain(|one| *one != waivable(&layer)),
        Action::Mount { folder, name } => {
            // What cannot be made absolute is refused by the check of the whole.
            let host = folder.canonicalize().unwrap_or(folder);
            config.mounts.push(Mount {
                host,
                at: name,
                mode: MountMode::ReadOnly,
            });
        }
        Action::Unmount { name } => config.mounts.retain(|mount| mount.at != name),
    }
    if config != before {
        cage_file::store(&context.home, &config)?;
    }
    show(context, &config);
    if config != before && !context.json && supervisor::status(&context.home)?.is_some() {
        screen::aside("in force after `carapace restart`\n");
    }
    Ok(Exit::Done)
}

fn waivable(name: &str) -> Layer {
    if name == "landlock" {
        Layer::Landlock
    } else {
        Layer::Namespaces
    }
}

fn show(context: &Context, config: &CageConfig) {
    if context.json {
        return screen::print_json(&serde_json::json!({
            "allow_missing": config.allow_missing,
            "mounts": config.mounts.iter().map(|mount| serde_json::json!({"host": mount.host, "at": mount.at, "mode": mount.mode})).collect::<Vec<_>>(),
            "uid_base": config.uid_base,
        }));
    }
    if config.allow_missing.is_empty() {
        screen::print("waived: nothing\n");
    }
    for layer in &config.allow_missing {
        screen::print(&format!("WAIVED: {}\n", layer.as_str().to_uppercase()));
    }
    for mount in &config.mounts {
        screen::print(&format!(
            "mounted: /mnt/{} is {}, read-only\n",
            mount.at,
            screen::neutral::line(&mount.host.to_string_lossy())
        ));
    }
    if config.mounts.is_empty() {
        screen::print("mounted: nothing\n");
    }
}
