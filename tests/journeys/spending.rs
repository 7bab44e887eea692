//! What may be spent: taken before a call is made, given back after it, kept over a crash, shown.

use carapace_contract::control::{Ask, BudgetRow, SpentRow, Tell, TurnEnd};
use carapace_contract::id::{SessionId, TurnId};
use carapace_harness::control::{Turn, no_question, say};
use carapace_harness::fake_openai::{FakeOpenai, Fault, Turn as Scripted};
use carapace_harness::names::Names;
use carapace_harness::world::{eventually, kill};
use carapace_harness::{Control, Tap, World};
use std::net::Ipv4Addr;
use std::time::Duration;

/// What one answer of the fake vendor costs at [`PRICES`], in millionths of a dollar: 11 tokens read, 7 written.
const ANSWER: u64 = 11 * 1000 + 7 * 2000;

const PRICES: &str =
    "[[prices]]\nmodel = \"fake:*\"\ninput = 1000.0\noutput = 2000.0\nas-of = \"2026-11-01\"\n";

fn world(server: &FakeOpenai, rest: &str) -> World {
    let provider = format!(
        "[providers.fake]\nkind = \"openai-compatible\"\nbase-url = \"{}\"\n",
        server.base_url()
    );
    let world = World::with_models("fake:m", &format!("{provider}{rest}"));
    world.start();
    world
}

fn server(script: impl IntoIterator<Item = Scripted>) -> FakeOpenai {
    FakeOpenai::start(script).expect("a server")
}

fn hang() -> Scripted {
    Scripted::Fault(Fault::Hang)
}

fn set_budgets(world: &World, budgets: &str) {
    world
        .carapace(&["config", "set", "budgets", budgets])
        .expect(0);
}

fn usage(control: &mut Control) -> (Vec<BudgetRow>, Vec<SpentRow>) {
    match control.get(&Ask::Usage {}) {
        Tell::Spent { budgets, rows } => (budgets, rows),
        other => panic!("no usage: {other:?}"),
    }
}

fn hello(world: &World, session: Option<SessionId>) -> Turn {
    world.control().chat(session, "hello", no_question)
}

fn is_refused(turn: &Turn, words: &[&str]) {
    assert_ne!(turn.end, TurnEnd::Answered, "{turn:?}");
    for word in words {
        assert!(turn.text.contains(word), "no {word} in {}", turn.text);
    }
}

/// Sends a message to a vendor that does not answer; gives the connection and the turn.
fn begin(world: &World, server: &FakeOpenai) -> (Control, TurnId) {
    let before = server.received().len();
    let mut control = world.control();
    let id = TurnId::random();
    control.ask(&say(None, id, "hello")).expect("asks");
    let patience = Duration::from_secs(60);
    assert!(server.wait_for(before + 1, patience), "it was not sent");
    (control, id)
}

#[test]
fn with_a_budget_of_zero_nothing_is_sent() {
    let server = server([]);
    let world = world(&server, PRICES);
    for budgets in [
        "[{per=\"all\", every=\"day\", usd=0.0}]",
        "[{per=\"all\", every=\"month\", tokens=0}]",
        "[{per=\"session\", usd=0.0}]",
        "[{per=\"channel\", every=\"day\", usd=100.0}, {per=\"group\", usd=0}]",
    ] {
        set_budgets(&world, budgets);
        is_refused(&hello(&world, None), &["budget", "carapace usage"]);
    }
    assert_eq!(server.received().len(), 0, "the vendor heard of nothing");
    let shown = world.carapace(&["usage"]).expect(0);
    assert!(shown.out.contains("USED UP"), "{}", shown.out);
    assert!(
        shown.out.contains("no model was called yet"),
        "{}",
        shown.out
    );

    set_budgets(&world, "[{per=\"all\", every=\"day\", usd=100.0}]");
    assert_eq!(hello(&world, None).text, "The script is over.");
    assert_eq!(server.received().len(), 1);
    let shown = world.carapace(&["usage"]).expect(0);
    for words in ["all, each day", "$0.0250 of $100.0000", "fake:m"] {
        assert!(shown.out.contains(words), "no {words} in\n{}", shown.out);
    }
    let json = world.carapace(&["--json", "usage"]).expect(0).json();
    assert_eq!(json["budgets"][0]["usd"], ANSWER);
    assert_eq!(json["rows"][0]["usd"], ANSWER);
    assert_eq!(json["rows"][0]["calls"], 1);
}

#[test]
fn a_budget_in_dollars_refuses_a_model_without_a_price() {
    const NAME: &str = "models.carapace.example";
    let server = server([]);
    let (tap, authority) = Tap::with_tls(server.address(), NAME);
    let names = Names::start([(NAME, vec![vec![Ipv4Addr::LOCALHOST]])]);
    let origin = format!("https://{NAME}:{}", tap.address().port());
    let world = World::with_models(
        "fake:m",
        &format!("[providers.fake]\nkind = \"openai-compatible\"\nbase-url = \"{origin}/v1\"\n"),
    );
    let cage = std::fs::read_to_string(world.home().cage()).expect("a home");
    let cage = format!("{cage}\n[resolver]\nservers = [\"{}\"]\n", names.address());
    std::fs::write(world.home().cage(), cage).expect("writes");
    for (key, value) in [
        ("network.ca-pem", authority.as_str()),
        ("network.private-origins", &format!("[{origin:?}]")),
        ("budgets", "[{per=\"all\", every=\"day\", usd=100.0}]"),
    ] {
        world.carapace(&["config", "set", key, value]).expect(0);
    }
    world.start();
    is_refused(&hello(&world, None), &["no price is known", "[[prices]]"]);
    assert_eq!(
        (tap.connections(), names.asked().len()),
        (0, 0),
        "nothing left the machine"
    );

    let price = "[{model=\"fake:*\", input=1000.0, output=2000.0, as-of=\"2026-11-01\"}]";
    world
        .carapace(&["config", "set", "prices", price])
        .expect(0);
    assert_eq!(hello(&world, None).text, "The script is over.");
    assert_eq!(tap.received().len(), 1);
    let (budgets, _) = usage(&mut world.control());
    assert_eq!(budgets[0].usd, ANSWER);
    // Without a budget in dollars it goes without a price, and the table says so.
    set_budgets(&world, "[{per=\"all\", tokens=1000000}]");
    world.carapace(&["config", "set", "prices", "[]"]).expect(0);
    assert_eq!(hello(&world, None).text, "The script is over.");
    let shown = world.carapace(&["usage"]).expect(0);
    assert!(shown.out.contains("no price"), "{}", shown.out);
}

#[test]
fn the_worst_case_of_a_call_is_still_booked_after_a_crash() {
    let server = server([hang()]);
    let budget = "[[budgets]]\nper = \"all\"\nevery = \"day\"\nusd = 1000.0\n";
    let world = world(&server, &format!("{PRICES}{budget}"));
    let (control, turn) = begin(&world, &server);
    let (before, _) = usage(&mut world.control());
    let worst = before[0].usd;
    assert!(worst > 100 * ANSWER, "{worst} are taken before the answer");
    let broker = world.pids("broker");
    kill(broker[0]);
    drop(control);
    eventually("another broker", || {
        let now = world.pids("broker");
        (!now.is_empty() && now != broker).then_some(())
    });
    let mut control = world.control();
    control.ask(&Ask::ChatAttach { turn }).expect("asks");
    let resumed = control.to_the_end(no_question).expect("ends");
    assert_eq!(
        resumed.text, "The script is over.",
        "the turn goes on with a call of its own"
    );
    assert_eq!(server.received().len(), 2);
    // What the lost call cost is not known: its worst case stays. The other one costs what it did cost.
    let (after, rows) = usage(&mut control);
    assert_eq!(after[0].usd, worst + ANSWER);
    assert_eq!((rows[0].calls, rows[0].usd), (2, Some(worst + ANSWER)));
    world.carapace(&["restart"]).expect(0);
    let (kept, _) = usage(&mut world.control());
    assert_eq!(kept[0].usd, worst + ANSWER, "it is kept");
    // And it counts: with as much as that, nothing is left.
    let spent = (worst + ANSWER) as f64 / 1e6;
    set_budgets(
        &world,
        &format!("[{{per=\"all\", every=\"day\", usd={spent:.6}}}]"),
    );
    is_refused(&hello(&world, None), &["spent or reserved"]);
    assert_eq!(server.received().len(), 2);
}

#[test]
fn what_is_reserved_is_not_there_for_another_call_and_comes_back() {
    let server = server([hang()]);
    let budget = "[[budgets]]\nper = \"all\"\nusd = 1000.0\n";
    let world = world(&server, &format!("{PRICES}{budget}"));
    let (mut control, turn) = begin(&world, &server);
    let worst = usage(&mut world.control()).0[0].usd;
    control.ask(&Ask::ChatCancel { turn }).expect("asks");
    let cancelled = control.to_the_end(no_question).expect("ends");
    assert_eq!(cancelled.end, TurnEnd::Cancelled, "{cancelled:?}");
    let booked = usage(&mut control).0[0].usd;
    assert_eq!(booked, worst, "the vendor may have charged for it");
    // Room for one worst case and a half.
    let room = (booked + worst + worst / 2) as f64 / 1e6;
    set_budgets(&world, &format!("[{{per=\"all\", usd={room:.6}}}]"));
    for _ in 0..4 {
        assert_eq!(hello(&world, None).text, "The script is over.");
    }
    assert_eq!(usage(&mut world.control()).0[0].usd, booked + 4 * ANSWER);
    server.push(hang());
    let (mut control, turn) = begin(&world, &server);
    let sent = server.received().len();
    is_refused(&hello(&world, None), &["spent or reserved"]);
    assert_eq!(server.received().len(), sent, "the second one is not sent");
    control.ask(&Ask::ChatCancel { turn }).expect("asks");
    control.to_the_end(no_question).expect("ends");
}

#[test]
fn each_session_has_its_own_budget() {
    let server = server([hang()]);
    let world = world(
        &server,
        "[[budgets]]\nper = \"session\"\ntokens = 1000000\n",
    );
    let (mut control, turn) = begin(&world, &server);
    let worst = usage(&mut world.control()).0[0].tokens;
    assert!(worst > 1000, "{worst}");
    control.ask(&Ask::ChatCancel { turn }).expect("asks");
    let used = control.to_the_end(no_question).expect("ends").session;
    let limit = worst + worst / 2;
    set_budgets(&world, &format!("[{{per=\"session\", tokens={limit}}}]"));
    is_refused(&hello(&world, Some(used)), &["each session", "tokens"]);
    assert_eq!(server.received().len(), 1);
    assert_eq!(
        hello(&world, None).text,
        "The script is over.",
        "another one"
    );
    assert_eq!(server.received().len(), 2);
}
