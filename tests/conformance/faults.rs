//! What becomes of a turn when a vendor breaks the rules that lie below its protocol: it ends with
//! words that name the fault, the next model of the route answers in its place, and the broker stays.

use crate::faulty::{FAULTS, Fault, Faulty, Framing};
use carapace_contract::control::{Ask, Tell, TurnEnd};
use carapace_harness::control::{Turn, no_question};
use carapace_harness::fake_openai::FakeOpenai;
use carapace_harness::{Control, World};
use std::fmt::Write as _;

/// One provider of each framing, and its further settings.
const KINDS: [(&str, &str, Framing); 3] = [
    ("anthropic", "auth = \"none\"", Framing::Events),
    ("ollama", "auth = \"none\"", Framing::Lines),
    (
        "bedrock",
        "auth = \"none\"\nregion = \"eu-central-1\"",
        Framing::Frames,
    ),
];

/// What the sound vendor answers when its script is used up, which it is from the beginning.
const SOUND: &str = "The script is over.";

#[test]
fn a_vendor_that_breaks_the_rules_ends_its_turn_clearly_and_the_next_model_answers() {
    let sound = FakeOpenai::start([]).expect("a server");
    let servers = KINDS.map(|(_, _, framing)| Faulty::start(framing));
    let mut config = format!(
        "\n[providers.sound]\nkind = \"openai-compatible\"\nbase-url = \"{}\"\nauth = \"none\"\n",
        sound.base_url()
    );
    for ((kind, settings, _), server) in KINDS.iter().zip(&servers) {
        let address = server.address();
        let _ = write!(
            config,
            "\n[providers.{kind}]\nkind = \"{kind}\"\nbase-url = \"http://{address}\"\nfirst-byte-ms = 2000\ndeadline-ms = 5000\n{settings}\n"
        );
        for fault in FAULTS {
            let model = fault.model();
            let _ = write!(
                config,
                "\n[routes.{kind}-{model}]\nmodels = [\"{kind}:{model}-first\", \"sound:model\"]\n"
            );
        }
    }
    let world = World::with_models("offline", &config);
    world.start();
    let broker = world.pids("broker");
    // Each fault has a connection of its own: where one waits before it tries again, others go on.
    let lines: Vec<String> = std::thread::scope(|scope| {
        let every = KINDS
            .iter()
            .flat_map(|(kind, _, _)| FAULTS.map(|fault| (*kind, fault)));
        let runs: Vec<_> = every
            .map(|(kind, fault)| {
                let mut control = world.control();
                scope.spawn(move || both_ways(&mut control, kind, fault))
            })
            .collect();
        runs.into_iter()
            .map(|run| run.join().expect("the fault is borne"))
            .collect()
    });
    println!("{}", lines.join("\n"));
    assert_eq!(
        world.pids("broker"),
        broker,
        "it is the same broker as before"
    );
}

/// The fault alone, and with a sound model behind it. Gives a line for the reader.
fn both_ways(control: &mut Control, kind: &str, fault: Fault) -> String {
    let model = fault.model();
    let name = format!("{kind}:{model}");
    let turn = chat(control, &name);
    assert_eq!(turn.end, TurnEnd::Failed, "{name}: {turn:?}");
    names_the_fault(fault, &turn.text, &name);
    let line = format!("{name}: {}", turn.text.replace('\n', " | "));

    // Another name, so that what has failed above does not rest it.
    let first = format!("{name}-first");
    let turn = chat(control, &format!("{kind}-{model}"));
    assert_eq!(turn.end, TurnEnd::Answered, "{name}: {turn:?}");
    assert_eq!(turn.text, SOUND, "{name}");
    assert_eq!(
        turn.streamed().concat(),
        SOUND,
        "{name}: nothing of the fault is shown"
    );
    let begins = format!("switched to sound:model because {first} failed: ");
    let notices = turn.notices();
    let why = notices
        .iter()
        .find_map(|notice| notice.strip_prefix(begins.as_str()))
        .unwrap_or_else(|| panic!("{name}: no such notice: {notices:?}"));
    names_the_fault(fault, why, &name);

    let status = control.get(&Ask::Status {});
    assert!(matches!(status, Tell::Status { .. }), "{name}: {status:?}");
    line
}

fn names_the_fault(fault: Fault, text: &str, name: &str) {
    let words: &[&str] = match fault {
        Fault::Hangs => &["sent nothing within 2000 ms"],
        Fault::LongLine => &["over 1048576", "over 8388608"],
        Fault::Garbage => &["the model's answer cannot be read", "over 1048576"],
        Fault::NotHttp => &["not HTTP"],
        Fault::Drips => &["not complete within 5000 ms"],
    };
    assert!(
        words.iter().any(|word| text.contains(word)),
        "{name}: none of {words:?} is in {text:?}"
    );
}

fn chat(control: &mut Control, route: &str) -> Turn {
    control.chat_over(route, "hello", Vec::new(), no_question)
}
