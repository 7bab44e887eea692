//! What a fitted request means: one tool call with explicit arguments, or something to say.
//!
//! Nothing here fills in what the person left out. What deletes or overwrites names its object
//! literally, passes it after `--`, and never through a shell.

use super::grammar::Slots;
use serde_json::{Value, json};

/// The most filler lines that are written.
const MAX_LINES: u64 = 200;

/// What a request means.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Meaning {
    /// Call this tool with these arguments.
    Call(&'static str, Value),
    /// The greeting.
    Greeting,
    /// The overview.
    Help,
}

type Made = Option<Meaning>;

fn call(tool: &'static str, arguments: Value) -> Made {
    Some(Meaning::Call(tool, arguments))
}

fn slot<'a>(slots: &'a Slots, name: &str) -> Option<&'a str> {
    slots.get(name).map(String::as_str)
}

/// A folder or file without the slash after it.
fn path(slots: &Slots, name: &str) -> Option<String> {
    let text = slot(slots, name)?;
    let text = text.trim_end_matches('/');
    (!text.is_empty()).then(|| text.to_owned())
}

/// A path that a destructive command may name: one thing below the workspace.
fn object(slots: &Slots, name: &str) -> Option<String> {
    let text = path(slots, name)?;
    let below =
        !text.starts_with('/') && text.split('/').all(|part| !matches!(part, "" | "." | ".."));
    below.then_some(text)
}

fn line(text: &str) -> String {
    if text.is_empty() || text.ends_with('\n') {
        text.to_owned()
    } else {
        format!("{text}\n")
    }
}

fn run_argv(argv: &[&str]) -> Made {
    call("exec", json!({ "argv": argv }))
}

/// A command line. One that means the same without a shell goes without: the question then shows
/// the words themselves.
fn run_line(line: &str) -> Made {
    let words: Vec<&str> = line.split_whitespace().collect();
    let plain = line
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || " -_./:,+@%=".contains(c));
    let builtin = |word: &str| {
        word.contains('=')
            || [
                "alias", "bg", "cd", "command", "exec", "exit", "export", "eval", "fg", "jobs",
                "set", "source", "type", "ulimit", "umask", "unset", ".", ":", "time", "if", "for",
                "while",
            ]
            .contains(&word)
    };
    match words.first() {
        Some(first) if plain && !builtin(first) => run_argv(&words),
        Some(_) => run_argv(&["bash", "-c", line.trim()]),
        None => None,
    }
}

pub(super) fn greeting(_: &Slots) -> Made {
    Some(Meaning::Greeting)
}

pub(super) fn help(_: &Slots) -> Made {
    Some(Meaning::Help)
}

pub(super) fn time(_: &Slots) -> Made {
    call("current_time", json!({}))
}

pub(super) fn time_in(slots: &Slots) -> Made {
    let wanted = slot(slots, "zone")?.trim_end_matches(['?', '.', '!', ' ']);
    let wanted = wanted
        .strip_suffix("right now")
        .or(wanted.strip_suffix("now"))
        .unwrap_or(wanted)
        .trim();
    let zone = match ZONES
        .iter()
        .find(|(city, _)| wanted.eq_ignore_ascii_case(city))
    {
        Some((_, zone)) => zone,
        None => {
            let named = wanted.contains('/') && wanted.len() <= 64;
            let fits = wanted.bytes().all(|byte| {
                byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'_' | b'-' | b'+')
            });
            if !named || !fits {
                return None;
            }
            wanted
        }
    };
    call("current_time", json!({ "zone": zone }))
}

pub(super) fn calculate(slots: &Slots) -> Made {
    let text = slot(slots, "expression")?.trim_end_matches(['?', '.', '!', ' ', '=']);
    let mut expression = format!(" {} ", text.trim()).to_lowercase();
    for (words, sign) in [
        (" divided by ", " / "),
        (" multiplied by ", " * "),
        (" times ", " * "),
        (" plus ", " + "),
        (" minus ", " - "),
        (" x ", " * "),
        (" to the power of ", " ^ "),
        (" over ", " / "),
    ] {
        expression = expression.replace(words, sign);
    }
    let expression = match expression.split_once("% of ") {
        Some((percent, whole)) => format!("{} / 100 * {}", percent.trim(), whole.trim()),
        None => expression.trim().to_owned(),
    };
    is_arithmetic(&expression)
        .then(|| json!({ "expression": expression }))
        .and_then(|arguments| call("math_eval", arguments))
}

/// Numbers, operators, brackets and names of functions; at least one number and one operation.
fn is_arithmetic(text: &str) -> bool {
    const NAMES: &[&str] = &[
        "sqrt", "sin", "cos", "tan", "log", "ln", "exp", "abs", "floor", "ceil", "round", "min",
        "max", "pi", "e", "mod",
    ];
    let allowed = |c: char| c.is_ascii_alphanumeric() || " +-*/^%().,".contains(c);
    let names = text
        .split(|c: char| !c.is_ascii_alphabetic())
        .filter(|name| !name.is_empty());
    let mut functions = 0;
    let known = names
        .inspect(|_| functions += 1)
        .all(|name| NAMES.contains(&name));
    let operated = functions > 0
        || text
            .trim_start_matches('-')
            .contains(['+', '-', '*', '/', '^', '%']);
    text.len() <= 1_000
        && text.chars().all(allowed)
        && known
        && operated
        && text.contains(|c: char| c.is_ascii_digit())
}

pub(super) fn write_lines(slots: &Slots) -> Made {
    let count: u64 = slot(slots, "number")?.parse().ok()?;
    if !(1..=MAX_LINES).contains(&count) {
        return None;
    }
    let topic = slot(slots, "topic")?.trim_end_matches(['.', '!', '?', ' ']);
    if topic.is_empty() || topic.len() > 200 || topic.contains('\n') {
        return None;
    }
    let content: String = (1..=count)
        .map(|number| {
            format!("{number}. A line about {topic}, written by rule and not by a model.\n")
        })
        .collect();
    call(
        "write",
        json!({ "path": path(slots, "path")?, "content": content }),
    )
}

pub(super) fn write_empty(slots: &Slots) -> Made {
    call(
        "write",
        json!({ "path": path(slots, "path")?, "content": "" }),
    )
}

pub(super) fn write_text(slots: &Slots) -> Made {
    call(
        "write",
        json!({ "path": path(slots, "path")?, "content": line(slot(slots, "content")?) }),
    )
}

pub(super) fn append(slots: &Slots) -> Made {
    // `tee -a` needs no shell, so the text and the name are never read as anything else.
    let content = line(slot(slots, "content")?);
    call(
        "exec",
        json!({ "argv": ["tee", "-a", "--", path(slots, "path")?], "stdin": content }),
    )
}

fn edited(slots: &Slots, all: bool) -> Made {
    let (old, new) = (slot(slots, "old")?, slot(slots, "new")?);
    let mut arguments = json!({ "path": path(slots, "path")?, "old": old, "new": new });
    if all {
        arguments["all"] = true.into();
    }
    if old.is_empty() {
        None
    } else {
        call("edit", arguments)
    }
}

pub(super) fn edit(slots: &Slots) -> Made {
    edited(slots, false)
}

pub(super) fn edit_all(slots: &Slots) -> Made {
    edited(slots, true)
}

pub(super) fn find_files(slots: &Slots) -> Made {
    const KINDS: &[(&str, &str)] = &[
        ("python", "*.py"),
        ("rust", "*.rs"),
        ("markdown", "*.md"),
        ("text", "*.txt"),
        ("javascript", "*.js"),
        ("json", "*.json"),
        ("toml", "*.toml"),
        ("html", "*.html"),
        ("css", "*.css"),
        ("c", "*.c"),
        ("shell", "*.sh"),
        ("csv", "*.csv"),
        ("pdf", "*.pdf"),
        ("yaml", "*.yaml"),
        ("typescript", "*.ts"),
        ("go", "*.go"),
        ("java", "*.java"),
        ("log", "*.log"),
        ("sql", "*.sql"),
    ];
    let glob = match (slot(slots, "glob"), slot(slots, "kind")) {
        (Some(glob), _) => glob.to_owned(),
        (None, Some(kind)) if kind.starts_with("*.") => kind.to_owned(),
        (None, Some(kind)) => match kind.strip_prefix('.') {
            Some(ending) => format!("*.{ending}"),
            None => KINDS
                .iter()
                .find(|(name, _)| kind.eq_ignore_ascii_case(name))?
                .1
                .to_owned(),
        },
        (None, None) => return None,
    };
    if glob.contains('/') {
        return None;
    }
    let folder = path(slots, "dir").unwrap_or_else(|| ".".to_owned());
    // A name that begins with a dash would be read as an option.
    let folder = if folder.starts_with('-') {
        format!("./{folder}")
    } else {
        folder
    };
    run_argv(&["find", &folder, "-type", "f", "-name", &glob])
}

pub(super) fn search(slots: &Slots) -> Made {
    let wanted = slot(slots, "pattern")?;
    // A text is searched for as it is; between slashes it is a regular expression.
    let pattern = match wanted
        .strip_prefix('/')
        .and_then(|inner| inner.strip_suffix('/'))
    {
        Some(expression) if !expression.is_empty() => expression.to_owned(),
        _ => literal(wanted),
    };
    let mut arguments = json!({ "pattern": pattern });
    if let Some(path) = path(slots, "path").filter(|path| path != ".") {
        arguments["path"] = path.into();
    }
    call("search", arguments)
}

fn literal(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if "\\.+*?()|[]{}^$#&-~".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

pub(super) fn count_lines(slots: &Slots) -> Made {
    run_argv(&["wc", "-l", "--", &path(slots, "path")?])
}

/// A command in quotes, or after `$`: taken as it is.
pub(super) fn run(slots: &Slots) -> Made {
    let command = slot(slots, "command")?.trim();
    if command.is_empty() || command.len() > 8_192 {
        None
    } else {
        run_line(command)
    }
}

/// A command without quotes: only programs that are known and that do not delete, and no
/// character that a shell would read. Everything else wants quotes, so that "run away" does nothing.
pub(super) fn run_known(slots: &Slots) -> Made {
    const PROGRAMS: &[&str] = &[
        "uname",
        "ls",
        "pwd",
        "date",
        "whoami",
        "id",
        "echo",
        "cat",
        "head",
        "tail",
        "wc",
        "df",
        "du",
        "free",
        "ps",
        "uptime",
        "env",
        "hostname",
        "cargo",
        "rustc",
        "git",
        "make",
        "python",
        "python3",
        "node",
        "npm",
        "npx",
        "go",
        "gcc",
        "cc",
        "cmake",
        "pytest",
        "bash",
        "sh",
        "tree",
        "file",
        "stat",
        "sort",
        "uniq",
        "diff",
        "cal",
        "arch",
        "nproc",
        "lscpu",
        "java",
        "javac",
        "ruby",
        "perl",
        "sleep",
        "seq",
        "printf",
        "true",
        "false",
        "which",
        "sha256sum",
        "md5sum",
        "basename",
        "dirname",
        "realpath",
        "jq",
        "pip",
        "yarn",
    ];
    let command = slot(slots, "command")?
        .trim_end_matches(['?', '!', ' '])
        .trim_end_matches('.');
    let program = command.split_whitespace().next()?;
    let plain = !command.contains([
        '\n', ';', '|', '&', '>', '<', '$', '`', '(', ')', '{', '}', '\\', '!',
    ]);
    let known = PROGRAMS.contains(&program) || program.starts_with("./") && program.len() > 2;
    // English words that are also programs ("make sure …", "go to …", "which one …").
    let prose = command.split_whitespace().any(|word| {
        matches!(
            word.to_lowercase().as_str(),
            "the"
                | "my"
                | "sure"
                | "it"
                | "that"
                | "everything"
                | "away"
                | "and"
                | "or"
                | "then"
                | "away,"
                | "all"
                | "if"
        )
    });
    if plain && known && !prose {
        run_line(command)
    } else {
        None
    }
}

pub(super) fn delete_file(slots: &Slots) -> Made {
    run_argv(&["rm", "--", &object(slots, "path")?])
}

pub(super) fn delete_folder(slots: &Slots) -> Made {
    run_argv(&["rm", "-r", "--", &object(slots, "path")?])
}

pub(super) fn rename(slots: &Slots) -> Made {
    let (from, to) = (object(slots, "path")?, object(slots, "to")?);
    let to = if slot(slots, "to")?.ends_with('/') {
        format!("{to}/")
    } else {
        to
    };
    run_argv(&["mv", "-n", "--", &from, &to])
}

pub(super) fn copy(slots: &Slots) -> Made {
    let (from, to) = (path(slots, "path")?, object(slots, "to")?);
    let to = if slot(slots, "to")?.ends_with('/') {
        format!("{to}/")
    } else {
        to
    };
    run_argv(&["cp", "-n", "--", &from, &to])
}

pub(super) fn make_folder(slots: &Slots) -> Made {
    run_argv(&["mkdir", "-p", "--", &path(slots, "path")?])
}

pub(super) fn read(slots: &Slots) -> Made {
    call("read", json!({ "path": path(slots, "path")? }))
}

pub(super) fn read_head(slots: &Slots) -> Made {
    let limit: u64 = slot(slots, "number")
        .unwrap_or("10")
        .parse()
        .ok()
        .filter(|&limit| limit > 0)?;
    call(
        "read",
        json!({ "path": path(slots, "path")?, "limit": limit }),
    )
}

pub(super) fn read_range(slots: &Slots) -> Made {
    let from: u64 = slot(slots, "from")?.parse().ok().filter(|&from| from > 0)?;
    let to: u64 = slot(slots, "to")?.parse().ok().filter(|&to| to >= from)?;
    call(
        "read",
        json!({ "path": path(slots, "path")?, "offset": from, "limit": to - from + 1 }),
    )
}

pub(super) fn list(slots: &Slots) -> Made {
    call("list", json!({ "path": path(slots, "path")? }))
}

pub(super) fn list_here(_: &Slots) -> Made {
    call("list", json!({}))
}

/// Places that people name, and the zone they are in.
const ZONES: &[(&str, &str)] = &[
    ("utc", "UTC"),
    ("gmt", "UTC"),
    ("tokyo", "Asia/Tokyo"),
    ("japan", "Asia/Tokyo"),
    ("new york", "America/New_York"),
    ("nyc", "America/New_York"),
    ("london", "Europe/London"),
    ("uk", "Europe/London"),
    ("paris", "Europe/Paris"),
    ("france", "Europe/Paris"),
    ("berlin", "Europe/Berlin"),
    ("germany", "Europe/Berlin"),
    ("munich", "Europe/Berlin"),
    ("madrid", "Europe/Madrid"),
    ("rome", "Europe/Rome"),
    ("vienna", "Europe/Vienna"),
    ("zurich", "Europe/Zurich"),
    ("amsterdam", "Europe/Amsterdam"),
    ("brussels", "Europe/Brussels"),
    ("lisbon", "Europe/Lisbon"),
    ("dublin", "Europe/Dublin"),
    ("stockholm", "Europe/Stockholm"),
    ("oslo", "Europe/Oslo"),
    ("copenhagen", "Europe/Copenhagen"),
    ("helsinki", "Europe/Helsinki"),
    ("warsaw", "Europe/Warsaw"),
    ("prague", "Europe/Prague"),
    ("athens", "Europe/Athens"),
    ("istanbul", "Europe/Istanbul"),
    ("kyiv", "Europe/Kyiv"),
    ("moscow", "Europe/Moscow"),
    ("cairo", "Africa/Cairo"),
    ("lagos", "Africa/Lagos"),
    ("nairobi", "Africa/Nairobi"),
    ("johannesburg", "Africa/Johannesburg"),
    ("dubai", "Asia/Dubai"),
    ("tehran", "Asia/Tehran"),
    ("delhi", "Asia/Kolkata"),
    ("mumbai", "Asia/Kolkata"),
    ("india", "Asia/Kolkata"),
    ("bangkok", "Asia/Bangkok"),
    ("singapore", "Asia/Singapore"),
    ("hong kong", "Asia/Hong_Kong"),
    ("shanghai", "Asia/Shanghai"),
    ("beijing", "Asia/Shanghai"),
    ("seoul", "Asia/Seoul"),
    ("sydney", "Australia/Sydney"),
    ("melbourne", "Australia/Melbourne"),
    ("auckland", "Pacific/Auckland"),
    ("los angeles", "America/Los_Angeles"),
    ("san francisco", "America/Los_Angeles"),
    ("seattle", "America/Los_Angeles"),
    ("denver", "America/Denver"),
    ("chicago", "America/Chicago"),
    ("toronto", "America/Toronto"),
    ("mexico city", "America/Mexico_City"),
    ("sao paulo", "America/Sao_Paulo"),
    ("buenos aires", "America/Argentina/Buenos_Aires"),
    ("honolulu", "Pacific/Honolulu"),
];
