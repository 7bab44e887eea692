//! From how a process ended to what that means; no system call is made here.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use super::{Entry, MINIMUM_CONTROLS, Totals, Verdict};
use crate::ProfileName;
use crate::attempts::{Attempt, Control, Expectation};

/// How one attempt in one column ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Observed {
    /// The line of the probe, if it wrote one.
    pub(super) said: Option<String>,
    /// Its wait status; `None` when the prover ended it after its time.
    pub(super) status: Option<ExitStatus>,
    /// Decoys that were touched, seen from outside.
    pub(super) touched: Vec<String>,
}

impl Observed {
    /// The evidence of an effect, if there was one.
    pub(super) fn effect(&self) -> Option<String> {
        let said = self.said.as_deref();
        let claimed = said.and_then(|said| said.strip_prefix("through\t"));
        let mut evidence = self.touched.clone();
        evidence.extend(claimed.map(printable));
        (!evidence.is_empty()).then(|| evidence.join("; "))
    }

    /// For people and for the record.
    pub(super) fn summary(&self) -> String {
        if let Some(evidence) = self.effect() {
            return format!("through: {evidence}");
        }
        if let Some(said) = &self.said {
            return match said.split_once('\t') {
                Some(("refused", number)) => match number.parse() {
                    Ok(number) => format!("refused: {}", error_name(number)),
                    Err(_) => format!("refused: {}", printable(number)),
                },
                _ => printable(said),
            };
        }
        match self.status {
            None => "stopped after its time".to_owned(),
            Some(status) => match (status.signal(), status.code()) {
                (Some(libc::SIGSYS), _) => "killed by the filter".to_owned(),
                (Some(signal), _) => format!("ended by signal {signal}"),
                (_, code) => format!("ended with status {}", code.unwrap_or(-1)),
            },
        }
    }
}

/// The row of an attempt in a profile.
pub(super) fn entry(
    profile: ProfileName,
    attempt: &Attempt,
    caged: &Observed,
    control: Option<&Observed>,
) -> Entry {
    let (expected, outcome) = match (attempt.expected(profile), caged.effect()) {
        (Expectation::Held, None) => ("held".to_owned(), Verdict::Held),
        (Expectation::Held, Some(_)) => ("held".to_owned(), Verdict::Breached),
        // What a profile may do is its own affair; a decoy outside, or a cage that is none, is not.
        (Expectation::Allowed(reason), _) if !caged.touched.is_empty() => {
            (format!("allowed: {reason}"), Verdict::Breached)
        }
        (Expectation::Allowed(reason), _) => (format!("allowed: {reason}"), Verdict::Allowed),
    };
    Entry {
        profile: profile.as_str().to_owned(),
        id: attempt.id.to_owned(),
        class: attempt.class.to_string(),
        attempt: attempt.what.to_owned(),
        expected,
        control: control_text(attempt, control),
        result: caged.summary(),
        outcome,
    }
}

/// What a run adds up to; `controls` holds each attempt once.
pub(super) fn totals(results: &[Entry], controls: &[(&Attempt, Option<Observed>)]) -> Totals {
    let count = |verdict| results.iter().filter(|row| row.outcome == verdict).count();
    let working = controls
        .iter()
        .filter(|(_, seen)| seen.as_ref().is_some_and(|seen| seen.effect().is_some()))
        .count();
    Totals {
        held: count(Verdict::Held),
        breached: count(Verdict::Breached),
        allowed: count(Verdict::Allowed),
        controls_working: working,
        controls_not_run: controls.iter().filter(|(_, seen)| seen.is_none()).count(),
        vacuous: working < MINIMUM_CONTROLS,
    }
}

fn control_text(attempt: &Attempt, control: Option<&Observed>) -> String {
    match (attempt.control, control) {
        (Control::NotRun(reason), _) => format!("not_run: {reason}"),
        (Control::Run, None) => "not_run: the prover stopped before it".to_owned(),
        (Control::Run, Some(seen)) => match seen.effect() {
            Some(evidence) => format!("works: {evidence}"),
            None => seen.summary(),
        },
    }
}

/// What a probe wrote is shown, never believed beyond that.
fn printable(text: &str) -> String {
    text.chars()
        .filter(|character| !character.is_control())
        .take(200)
        .collect()
}

fn error_name(number: i32) -> String {
    let name = match number {
        libc::EPERM => "EPERM",
        libc::ENOENT => "ENOENT",
        libc::ESRCH => "ESRCH",
        libc::EIO => "EIO",
        libc::ENXIO => "ENXIO",
        libc::EBADF => "EBADF",
        libc::ECHILD => "ECHILD",
        libc::EAGAIN => "EAGAIN",
        libc::ENOMEM => "ENOMEM",
        libc::EACCES => "EACCES",
        libc::EFAULT => "EFAULT",
        libc::EBUSY => "EBUSY",
        libc::EEXIST => "EEXIST",
        libc::EXDEV => "EXDEV",
        libc::ENODEV => "ENODEV",
        libc::ENOTDIR => "ENOTDIR",
        libc::EINVAL => "EINVAL",
        libc::EMFILE => "EMFILE",
        libc::ENOTTY => "ENOTTY",
        libc::EFBIG => "EFBIG",
        libc::ENOSPC => "ENOSPC",
        libc::EROFS => "EROFS",
        libc::ENOSYS => "ENOSYS",
        libc::ELOOP => "ELOOP",
        libc::ENOTSOCK => "ENOTSOCK",
        libc::EPROTONOSUPPORT => "EPROTONOSUPPORT",
        libc::ESOCKTNOSUPPORT => "ESOCKTNOSUPPORT",
        libc::EOPNOTSUPP => "EOPNOTSUPP",
        libc::EAFNOSUPPORT => "EAFNOSUPPORT",
        libc::EADDRNOTAVAIL => "EADDRNOTAVAIL",
        libc::ENETUNREACH => "ENETUNREACH",
        libc::ECONNREFUSED => "ECONNREFUSED",
        libc::ENOKEY => "ENOKEY",
        other => return format!("error {other}"),
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attempts;

    fn observed(said: Option<&str>, raw: i32, touched: &[&str]) -> Observed {
        Observed {
            said: said.map(str::to_owned),
            status: Some(ExitStatus::from_raw(raw)),
            touched: touched.iter().map(|text| (*text).to_owned()).collect(),
        }
    }

    fn strict() -> &'static Attempt {
        let all = attempts::all();
        let found = all
            .iter()
            .find(|one| one.expected(ProfileName::Worker) == Expectation::Held);
        found.unwrap()
    }

    #[test]
    fn an_effect_is_a_breach_whoever_saw_it() {
        let rows = [
            (observed(Some("through\tx"), 0, &[]), Verdict::Breached),
            (
                observed(None, 31, &["a listener was reached"]),
                Verdict::Breached,
            ),
            (
                observed(Some("refused\t1"), 0, &["a listener was reached"]),
                Verdict::Breached,
            ),
            (observed(None, 31, &[]), Verdict::Held),
            (observed(Some("refused\t1"), 0, &[]), Verdict::Held),
            (observed(Some("nothing"), 0, &[]), Verdict::Held),
        ];
        for (seen, verdict) in rows {
            let row = entry(ProfileName::Worker, strict(), &seen, None);
            assert_eq!(row.outcome, verdict, "{seen:?}");
        }
    }

    #[test]
    fn what_is_allowed_must_not_touch_a_decoy() {
        let all = attempts::all();
        let may = |one: &&&Attempt| one.expected(ProfileName::Hands) != Expectation::Held;
        let attempt = all.iter().find(may).unwrap();
        let verdict = |seen: &Observed| entry(ProfileName::Hands, attempt, seen, None).outcome;
        assert_eq!(
            verdict(&observed(Some("through\tx"), 0, &[])),
            Verdict::Allowed
        );
        assert_eq!(
            verdict(&observed(None, 0, &["the canary changed"])),
            Verdict::Breached
        );
    }

    #[test]
    fn refusals_without_working_controls_prove_nothing() {
        let works = observed(Some("through\tx"), 0, &[]);
        let refused = observed(Some("refused\t1"), 0, &[]);
        let controls = |working: usize, others: usize| -> Vec<(&Attempt, Option<Observed>)> {
            std::iter::repeat_n((strict(), Some(works.clone())), working)
                .chain(std::iter::repeat_n(
                    (strict(), Some(refused.clone())),
                    others,
                ))
                .chain([(strict(), None)])
                .collect()
        };
        assert!(totals(&[], &controls(MINIMUM_CONTROLS - 1, 200)).vacuous);
        let enough = totals(&[], &controls(MINIMUM_CONTROLS, 0));
        assert!(!enough.vacuous);
        assert_eq!(enough.controls_not_run, 1);
    }

    #[test]
    fn a_probe_cannot_draw_on_the_terminal() {
        let seen = observed(Some("through\t\x1b[2Jgone"), 0, &[]);
        assert_eq!(seen.summary(), "through: [2Jgone");
    }
}
