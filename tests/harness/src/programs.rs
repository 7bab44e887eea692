//! The programs under test, built as they are shipped: each alone.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Package and program.
const PROGRAMS: [(&str, &str); 8] = [
    ("carapace", "carapace"),
    ("carapace-supervisor", "carapace-supervisor"),
    ("carapace-broker", "carapace-broker"),
    ("carapace-worker", "carapace-worker"),
    ("carapace-hands", "carapace-hands"),
    ("carapace-jail", "carapace-probe"),
    ("carapace-resolver", "carapace-resolver"),
    ("carapace-secret-helper", "carapace-secret-helper"),
];

/// The repository's root.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .expect("the repository is there")
}

/// The folder with all programs, built now where that was not done in this run.
/// `CARAPACE_TEST_PROGRAMS` names a folder of programs that were built before.
pub fn folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| match std::env::var_os("CARAPACE_TEST_PROGRAMS") {
        Some(folder) => PathBuf::from(folder),
        None => build(),
    })
}

/// The compromised worker, built beside the tests.
pub fn hostile_worker() -> PathBuf {
    folder();
    let root = repository();
    let target = root.join("target");
    let lock = std::fs::File::create(target.join("alone.lock")).expect("a lock file");
    lock.lock().expect("locks");
    let mut build = cargo_build(&root, "carapace-harness");
    build.args(["--bin", "hostile-worker"]);
    assert!(
        build.status().expect("cargo starts").success(),
        "building the hostile worker failed"
    );
    built(&root, "hostile-worker")
}

fn build() -> PathBuf {
    let root = repository();
    let target = root.join("target");
    let folder = target.join("alone");
    std::fs::create_dir_all(&folder).expect("a folder for the programs");
    // Several test programs may come here at once; one builds, the others find it done.
    let lock = std::fs::File::create(target.join("alone.lock")).expect("a lock file");
    lock.lock().expect("locks");
    for (package, program) in PROGRAMS {
        let mut build = cargo_build(&root, package);
        assert!(
            build.status().expect("cargo starts").success(),
            "building {package} alone failed"
        );
        place(&built(&root, program), &folder.join(program));
    }
    folder
}

/// One package, built as from a shell: what cargo set for this test would have some of it built anew.
fn cargo_build(root: &Path, package: &str) -> Command {
    let mut build = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    build
        .args(["build", "--quiet", "--locked", "-p", package])
        .current_dir(root);
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if ["CARGO_PKG", "CARGO_BIN", "CARGO_MANIFEST"]
            .iter()
            .any(|set| text.starts_with(set))
        {
            build.env_remove(&name);
        }
    }
    build
}

/// Where cargo puts a program of the test profile.
fn built(root: &Path, program: &str) -> PathBuf {
    let mut found: Vec<_> = std::fs::read_dir(root.join("target"))
        .expect("a target folder")
        .flatten()
        .map(|entry| entry.path().join("debug").join(program))
        .filter(|path| path.is_file())
        .collect();
    found.sort_by_key(|path| path.metadata().and_then(|about| about.modified()).ok());
    found
        .pop()
        .unwrap_or_else(|| panic!("{program} was not built"))
}

/// Puts a program in place without ever leaving half of one there.
pub(crate) fn place(from: &Path, to: &Path) {
    let same = |a: &Path, b: &Path| {
        let (Ok(a), Ok(b)) = (a.metadata(), b.metadata()) else {
            return false;
        };
        a.len() == b.len() && a.modified().ok() <= b.modified().ok()
    };
    if same(from, to) {
        return;
    }
    let fresh = to.with_extension(format!("new{}", std::process::id()));
    std::fs::copy(from, &fresh)
        .unwrap_or_else(|error| panic!("copying {}: {error}", from.display()));
    std::fs::rename(&fresh, to).unwrap_or_else(|error| panic!("placing {}: {error}", to.display()));
}
