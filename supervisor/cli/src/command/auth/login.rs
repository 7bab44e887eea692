//! `carapace auth login`: OAuth 2.0 with the person's browser. The broker makes the request and buys
//! the tokens; what passes through here is an address and a code that is worth nothing without the
//! broker's part (PKCE, RFC 7636).

use super::{provider, test};
use crate::broker::{self, BrokerError};
use crate::command::{Context, start};
use crate::failure::{Exit, Failure};
use crate::screen::{self, neutral::line};
use crate::secret::callback::Callback;
use carapace_contract::control::{Ask, Tell};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// For the broker to buy the tokens.
const PATIENCE: Duration = Duration::from_secs(60);
/// Opens an address in the browser of the desktop.
const OPENERS: [&str; 2] = ["/usr/bin/xdg-open", "/usr/local/bin/xdg-open"];

/// Runs `auth login`.
///
/// # Errors
/// The provider has no login, the person did not log in, or the broker could not buy the tokens.
pub(crate) fn run(context: &Context, name: &str, no_browser: bool) -> Result<Exit, Failure> {
    start::start_if_needed(context)?;
    let known = provider::find(context, name)?;
    let callback = Callback::listen()?;
    let begin = Ask::LoginBegin {
        provider: known.name.clone(),
        redirect: callback.address(),
    };
    let Tell::Login { url, state } = broker::ask(&context.home, &begin)? else {
        return Err(BrokerError::Other.into());
    };
    screen::aside(&format!("Log in here:\n\n  {}\n\n", line(&url)));
    if !no_browser && !context.json && open(&url) {
        screen::aside("it was opened in your browser; ");
    }
    screen::aside("waiting for you to come back (Ctrl-C gives up)\n");
    let returned = callback.wait(&state)?;
    let finish = Ask::LoginFinish {
        provider: known.name.clone(),
        state: returned.state,
        code: returned.code,
    };
    broker::ask_within(&context.home, &finish, PATIENCE)?;
    let tested = test::call(context, &known.name);
    if context.json {
        screen::print_json(&serde_json::json!({
            "provider": known.name, "secret": known.secret, "tested": tested.is_ok(),
        }));
        return Ok(Exit::Done);
    }
    screen::print(&format!(
        "logged in; the tokens are in the vault as {} and are renewed by themselves\n",
        known.secret
    ));
    match tested {
        Ok(tested) => screen::print(&format!("it works: {}\n", tested.words())),
        Err(error) => screen::aside(&format!("! not tried: {}\n", line(&error.to_string()))),
    }
    Ok(Exit::Done)
}

/// Opens an address, without a shell. True where somebody took it.
fn open(url: &str) -> bool {
    let is_web = url.starts_with("https://") || url.starts_with("http://");
    let desktop = ["DISPLAY", "WAYLAND_DISPLAY"]
        .iter()
        .any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()));
    let opener = OPENERS.iter().find(|path| Path::new(path).is_file());
    let (true, true, Some(opener)) = (is_web, desktop, opener) else {
        return false;
    };
    let child = Command::new(opener)
        .arg(url)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    match child {
        Ok(mut child) => {
            // Some desktops keep it until the browser ends.
            std::thread::spawn(move || child.wait());
            true
        }
        Err(_) => false,
    }
}
