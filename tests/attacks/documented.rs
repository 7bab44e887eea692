//! The list of known attacks names tests that there are, in the files that it names, and every attack of
//! the catalogue.

use carapace_harness::programs::repository;
use std::collections::BTreeSet;
use std::path::Path;

/// The words in backticks of a cell, with `a/{b,c}.rs` as two.
fn quoted(cell: &str) -> Vec<String> {
    let mut all = Vec::new();
    for word in cell.split('`').skip(1).step_by(2) {
        match word.split_once('{').and_then(|(head, rest)| {
            let (middle, tail) = rest.split_once('}')?;
            Some((head, middle, tail))
        }) {
            Some((head, middle, tail)) => {
                let parts = middle.split(',');
                all.extend(parts.map(|part| format!("{head}{}{tail}", part.trim())));
            }
            None => all.push(word.to_owned()),
        }
    }
    all
}

fn is_a_test(word: &str) -> bool {
    word.contains('_')
        && word
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

/// True where a function of this name, or a fuzz target, is in one of these files.
fn is_there(root: &Path, test: &str, files: &[String]) -> bool {
    let target = root.join(format!("tests/fuzz/fuzz_targets/{test}.rs"));
    let function = format!("fn {test}(");
    target.is_file()
        || files.iter().any(|file| {
            std::fs::read_to_string(root.join(file)).is_ok_and(|text| text.contains(&function))
        })
}

#[test]
fn every_known_attack_names_a_test_that_there_is() {
    let root = repository();
    let text = std::fs::read_to_string(root.join("docs/known-attacks.md")).expect("a list");
    let mut tests = BTreeSet::new();
    let mut rows = 0;
    let mut columns: Option<(usize, usize)> = None;
    for line in text.lines() {
        if !line.starts_with('|') {
            columns = None;
            continue;
        }
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let place = |name: &str| cells.iter().position(|cell| *cell == name);
        if let (Some(test), Some(file)) = (place("test"), place("file")) {
            columns = Some((test, file));
            continue;
        }
        let Some((test, file)) = columns else {
            continue;
        };
        if line.starts_with("|---") {
            continue;
        }
        assert_eq!(cells.len(), file + 1, "{line}");
        rows += 1;
        let files = quoted(cells[file]);
        for file in &files {
            assert!(root.join(file).exists(), "there is no {file}: {line}");
        }
        for name in quoted(cells[test])
            .into_iter()
            .filter(|word| is_a_test(word))
        {
            assert!(is_there(&root, &name, &files), "there is no {name}: {line}");
            tests.insert(name);
        }
    }
    assert!(
        rows >= 100 && tests.len() >= 100,
        "{rows} rows, {} tests",
        tests.len()
    );
    assert!(!is_there(
        &root,
        "there_is_no_such_test",
        &["tests/attacks/main.rs".to_owned()]
    ));
}

#[test]
fn every_attack_of_the_catalogue_is_on_the_list() {
    let text = std::fs::read_to_string(repository().join("docs/known-attacks.md")).expect("a list");
    for attack in carapace_policy::attack::catalogue() {
        let row = format!("| `{}` | {} |", attack.name, attack.about);
        assert!(text.contains(&row), "{row}");
    }
}
