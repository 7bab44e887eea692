//! `carapace status`: what the supervisor and the broker say about themselves, side by side.

use super::Context;
use super::start::level;
use crate::failure::{Exit, Failure};
use crate::home::HomeError;
use crate::supervisor::{self, ProcessRow, ProofRow, Status};
use crate::{broker, config_file, home, model_servers, screen};
use carapace_contract::control::{Ask, Tell};
use screen::neutral::line;
use screen::time;
use serde_json::json;
use std::collections::BTreeMap;
use std::fmt::Write;

/// Runs `status`.
///
/// # Errors
/// The home cannot be read, or the supervisor runs and does not answer.
pub(crate) fn run(context: &Context) -> Result<Exit, Failure> {
    let found = match home::check(&context.home) {
        Ok(()) => supervisor::status(&context.home)?,
        // Where there is no home, nothing runs.
        Err(HomeError::Absent(_)) => None,
        Err(error) => return Err(error.into()),
    };
    let Some((status, value)) = found else {
        if context.json {
            screen::print_json(&json!({"running": false, "home": context.home.root()}));
        } else {
            screen::print(&format!(
                "carapace is not running (home {})\n  start it with `carapace start`\n",
                context.home.root().display()
            ));
        }
        return Ok(Exit::State);
    };
    let told = broker::ask(&context.home, &Ask::Status {});
    let offers = match config_file::load(&context.home) {
        Ok((_, config)) if config.model.route == "offline" => model_servers::find(),
        _ => Vec::new(),
    };
    if context.json {
        let broker = match &told {
            Ok(tell) => json!(tell),
            Err(error) => json!({"error": error.to_string()}),
        };
        screen::print_json(
            &json!({"running": true, "supervisor": value, "broker": broker, "offers": offers}),
        );
        return Ok(Exit::Done);
    }
    let mut out = String::new();
    supervisor_part(context, &status, &mut out);
    match told {
        Ok(tell) => broker_part(&tell, &mut out),
        Err(error) => {
            let _ = writeln!(
                out,
                "broker      NOT ANSWERING: {}",
                line(&error.to_string())
            );
        }
    }
    for offer in &offers {
        let _ = writeln!(
            out,
            "offer       {}; use it: {}",
            line(&offer.to_string()),
            line(&offer.command())
        );
    }
    screen::print(&out);
    Ok(Exit::Done)
}

fn supervisor_part(context: &Context, status: &Status, out: &mut String) {
    let uptime = time::span(time::now() - status.started);
    let _ = writeln!(
        out,
        "carapace {}, running for {uptime}",
        line(&status.version)
    );
    let _ = writeln!(out, "home        {}", context.home.root().display());
    let _ = writeln!(
        out,
        "mode        {}",
        match status.mode.as_str() {
            "root" => "root: each cage has a user id of its own",
            "user" => "ordinary user: each cage has a user namespace of its own",
            other => other,
        }
    );
    let _ = writeln!(out, "cage        {}", level(&status.level, &status.waived));
    layers(status, out);
    let _ = writeln!(out, "proof       {}", proof(status.proof.as_ref()));
    let _ = writeln!(out, "processes");
    let _ = writeln!(
        out,
        "  {:<14} {:>8}  {:<9} {:<9} {:>8}  {:>9}",
        "name", "pid", "state", "attested", "up", "memory"
    );
    let _ = writeln!(
        out,
        "  {:<14} {:>8}  {:<9} {:<9} {:>8}  {:>9}",
        "supervisor",
        status.pid,
        line(&status.state),
        "-",
        uptime,
        "-"
    );
    for row in &status.processes {
        let memory = row.pss_kib.map_or_else(
            || "-".to_owned(),
            |kib| format!("{:.1} MiB", kib as f64 / 1024.0),
        );
        let _ = writeln!(
            out,
            "  {:<14} {:>8}  {:<9} {:<9} {:>8}  {memory:>9}",
            name(row),
            row.pid,
            line(&row.state),
            if row.attested { "yes" } else { "NO" },
            time::span(row.uptime_s),
        );
    }
    if status.state != "running" {
        let _ = writeln!(out, "state       {}", line(&status.state.to_uppercase()));
    }
    if let Some(why) = &status.config_refused {
        let _ = writeln!(
            out,
            "config      REFUSED, the one before is in force: {}",
            line(why)
        );
    }
    if status.broker_restarts > 0 {
        let _ = writeln!(
            out,
            "restarts    the broker was started again {} times",
            status.broker_restarts
        );
    }
}

/// As the broker calls it, so that the two halves of the status fit together.
fn name(row: &ProcessRow) -> String {
    match row.name.as_str() {
        "broker" => "broker".to_owned(),
        other => format!("{} w{}.{}", line(other), row.number, row.generation),
    }
}

/// One line a profile; what is not in place is named.
fn layers(status: &Status, out: &mut String) {
    let mut profiles: BTreeMap<&str, (Vec<&str>, Vec<String>)> = BTreeMap::new();
    for row in &status.layers {
        let (ok, lacking) = profiles.entry(&row.profile).or_default();
        match row.state.as_str() {
            "ok" => ok.push(&row.layer),
            state => lacking.push(format!(
                "{} {}",
                row.layer.to_uppercase(),
                state.to_uppercase()
            )),
        }
    }
    for (profile, (ok, lacking)) in profiles {
        let more = if lacking.is_empty() {
            String::new()
        } else {
            format!("; {}", lacking.join(", "))
        };
        let _ = writeln!(
            out,
            "  {:<9} {} layers: {}{}",
            line(profile),
            ok.len(),
            line(&ok.join(" ")),
            line(&more)
        );
    }
}

/// How old the last proof is, and what it said.
fn proof(proof: Option<&ProofRow>) -> String {
    match proof {
        None => "never proven: run `carapace doctor --prove`".to_owned(),
        Some(proof) if proof.breached > 0 => {
            format!(
                "BREACHED {} times, {} ago: run `carapace doctor --prove`",
                proof.breached,
                time::span(proof.age_s)
            )
        }
        Some(proof) => format!(
            "{} attempts to break out, all held, {} ago",
            proof.held,
            time::span(proof.age_s)
        ),
    }
}

fn broker_part(tell: &Tell, out: &mut String) {
    let Tell::Status {
        route,
        workers,
        labels,
        turns,
        questions,
        unknown,
        audit,
        frozen,
        vault,
        resting,
        violations,
    } = tell
    else {
        let _ = writeln!(
            out,
            "broker      answered something else: `carapace restart`"
        );
        return;
    };
    if *frozen {
        let _ = writeln!(
            out,
            "FROZEN      after `carapace panic` everything is refused; `carapace restart` ends it"
        );
    }
    let _ = writeln!(out, "model       {}", line(route));
    if !resting.is_empty() {
        let _ = writeln!(
            out,
            "RESTING     {}: failed again and again, left alone for a while",
            line(&resting.join(", "))
        );
    }
    let _ = writeln!(
        out,
        "vault       {}",
        match vault.as_str() {
            "none" => "no secret is stored".to_owned(),
            "locked" => "LOCKED: `carapace auth unlock`".to_owned(),
            "damaged" => "DAMAGED: `carapace auth status`".to_owned(),
            other => line(other),
        }
    );
    let _ = writeln!(
        out,
        "turns       {turns} waiting or running, {} sessions with a worker",
        workers.len()
    );
    for (session, worker, phase) in workers {
        let label = labels
            .iter()
            .find(|(labelled, _, _)| labelled == session)
            .map(|(_, label, exposure)| format!("  {label}, exposure {exposure}"))
            .unwrap_or_default();
        let _ = writeln!(
            out,
            "  {session}  {}  {}{}",
            line(worker),
            line(phase),
            line(&label)
        );
    }
    let _ = writeln!(
        out,
        "questions   {questions} open{}",
        if *questions > 0 {
            ": `carapace approvals`"
        } else {
            ""
        }
    );
    let _ = writeln!(out, "audit       {audit} records");
    if *unknown > 0 {
        let _ = writeln!(
            out,
            "UNKNOWN     {unknown} effects whose outcome is not known: `carapace effects`"
        );
    }
    if *violations > 0 {
        let _ = writeln!(
            out,
            "VIOLATIONS  {violations} since the broker started: `carapace logs`"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_loud() {
        let status: Status = serde_json::from_value(json!({
            "level": "waived", "waived": ["landlock"],
            "layers": [{"profile": "worker", "layer": "landlock", "state": "waived"},
                       {"profile": "worker", "layer": "seccomp", "state": "ok"}],
        }))
        .unwrap();
        let mut out = String::new();
        layers(&status, &mut out);
        assert!(
            out.contains("LANDLOCK WAIVED") && out.contains("seccomp"),
            "{out}"
        );
        assert!(level(&status.level, &status.waived).contains("LANDLOCK MISSING"));
        assert!(proof(None).contains("never proven"));
        assert!(
            proof(Some(&ProofRow {
                age_s: 1,
                breached: 2,
                held: 3
            }))
            .contains("BREACHED 2")
        );
    }
}
