//! What the cage claims is tried while it runs, and shown with its age.

use carapace_harness::World;

fn proven(world: &World) {
    world.start();
    let proof = world
        .carapace(&["--json", "doctor", "--prove"])
        .expect(0)
        .json();
    let rows = proof["results"]
        .as_array()
        .or(proof.as_array())
        .expect("a list of attempts")
        .clone();
    let outcome = |row: &serde_json::Value, is: &str| row["outcome"] == is;
    assert!(rows.iter().all(|row| !outcome(row, "breached")), "{rows:?}");
    for profile in ["worker", "hands"] {
        let held = rows
            .iter()
            .filter(|row| row["profile"] == profile && outcome(row, "held"))
            .count();
        assert!(held >= 120, "{profile}: {held}");
    }
    for field in ["id", "class", "attempt", "expected", "control", "result"] {
        assert!(rows.iter().all(|row| !row[field].is_null()), "{field}");
    }
    let working = rows
        .iter()
        .filter(|row| {
            row["profile"] == "worker"
                && row["control"]
                    .as_str()
                    .is_some_and(|said| said.starts_with("works"))
        })
        .count();
    assert!(
        working >= 80,
        "the same attempts do get through without a cage: {working}"
    );
    let log = std::fs::read_to_string(world.home().audit_log()).expect("a log");
    assert!(log.contains("\"kind\":\"proof\""), "it is on record");
    let status = world.carapace(&["status"]).expect(0);
    assert!(!status.out.contains("never proven"), "{}", status.out);
}

#[test]
fn the_cages_hold_as_this_user() {
    proven(&World::new());
}

#[test]
fn the_cages_hold_as_an_ordinary_user() {
    proven(&World::of_ordinary_user());
}
