//! The state database as the desk uses it: accepted once, ended once, answered once, done once.

mod world;

use carapace_contract::control::TurnEnd;
use carapace_contract::id::{Code, EffectId, GroupId, SessionId, TurnId};
use carapace_contract::model::{Message, Role, Usage};
use carapace_contract::verdict::{Decision, Reason};
use carapace_store::{
    Accepted, AlwaysGrant, AnswerTaken, EffectState, Note, StoreError, TurnState,
};
use serde_json::json;
use world::{Home, call_id, permit, question, read, send};

fn ids() -> (SessionId, TurnId) {
    (SessionId::random(), TurnId::random())
}

#[tokio::test]
async fn a_message_is_accepted_once_and_a_turn_ends_once() {
    let home = Home::new();
    let (store, _) = home.open().await;
    let (session, turn) = ids();
    let owner = GroupId::owner;
    assert_eq!(
        store
            .accept(turn, session, owner(), "hi\u{202e}".to_owned())
            .await
            .unwrap(),
        Accepted::New
    );
    let again = store
        .accept(turn, SessionId::random(), owner(), "hi".to_owned())
        .await
        .unwrap();
    assert_eq!(again, Accepted::Duplicate { session });
    assert_eq!(store.start_turn(turn).await.unwrap(), Some(1));
    drop(store);

    let (store, opened) = home.open().await;
    assert_eq!(opened.unfinished.len(), 1);
    assert_eq!(
        (opened.unfinished[0].state, opened.unfinished[0].attempts),
        (TurnState::Running, 1)
    );
    assert_eq!(store.start_turn(turn).await.unwrap(), Some(2));
    let usage = Usage {
        input: 3,
        output: 4,
        ..Usage::default()
    };
    for (text, first) in [("answer", true), ("another", false)] {
        let said = vec![Message::text(Role::Assistant, text)];
        assert_eq!(
            store
                .end_turn(turn, TurnEnd::Answered, text.to_owned(), usage, said)
                .await
                .unwrap(),
            first
        );
    }
    assert_eq!(store.start_turn(turn).await.unwrap(), None);
    let row = store.turn(turn).await.unwrap().unwrap();
    assert_eq!(
        (row.end, row.final_text.as_str(), row.usage),
        (Some(TurnEnd::Answered), "answer", usage)
    );
    let said: Vec<String> = store
        .transcript(session)
        .await
        .unwrap()
        .into_iter()
        .map(|one| one.content)
        .collect();
    assert_eq!(said, ["hi\u{202e}", "answer"]);
    let rows = store.sessions(owner(), 10).await.unwrap();
    assert_eq!(
        (rows.len(), rows[0].messages, rows[0].title.as_str()),
        (1, 2, "hi\\u{202e}")
    );
}

#[tokio::test]
async fn another_groups_session_is_not_written_to() {
    let home = Home::new();
    let (store, _) = home.open().await;
    let (session, turn) = ids();
    assert_eq!(
        store
            .accept(turn, session, GroupId::owner(), "mine".to_owned())
            .await
            .unwrap(),
        Accepted::New
    );
    let guest = GroupId::try_from("guest".to_owned()).unwrap();
    let taken = store
        .accept(
            TurnId::random(),
            session,
            guest.clone(),
            "yours?".to_owned(),
        )
        .await
        .unwrap();
    assert_eq!(taken, Accepted::NotYours);
    assert_eq!(store.transcript(session).await.unwrap().len(), 1);
    assert!(store.sessions(guest, 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn what_was_cut_off_is_unknown_or_done_again_but_never_twice() {
    let home = Home::new();
    let (store, _) = home.open().await;
    let (session, turn) = ids();
    let sent = store
        .record(permit(send(session, turn, "cut")))
        .await
        .unwrap();
    let done = store
        .record(permit(send(session, turn, "done")))
        .await
        .unwrap();
    store
        .finish(
            done.what().effect,
            true,
            EffectState::Done,
            Some(json!({"ok": 1})),
        )
        .await
        .unwrap();
    drop(
        store
            .record(permit(read(session, turn, "look")))
            .await
            .unwrap(),
    );
    drop(store);

    let (store, opened) = home.open().await;
    assert_eq!(opened.unknown.len(), 1);
    assert_eq!(opened.unknown[0].effect, sent.what().effect);
    assert_eq!(store.counts().await.unwrap().unknown, 1);
    let known = |call| store.lookup(turn, None, call_id(call));
    assert_eq!(
        known("cut").await.unwrap().unwrap().state,
        EffectState::Unknown
    );
    let done = known("done").await.unwrap().unwrap();
    assert_eq!(
        (done.state, done.result),
        (EffectState::Done, Some(json!({"ok": 1})))
    );
    assert_eq!(known("look").await.unwrap(), None);
    for call in ["cut", "done"] {
        let again = store.record(permit(send(session, turn, call))).await;
        assert!(
            matches!(again, Err(StoreError::AlreadyMade { .. })),
            "{call}"
        );
    }
    // The same name inside a running call is another call.
    let mut inside = send(session, turn, "cut");
    inside.caller.within = Some(call_id("outer"));
    drop(store.record(permit(inside)).await.unwrap());
    drop(store);
    // What became unknown is not found again as news.
    assert_eq!(home.open().await.1.unknown.len(), 1);
    assert!(home.verify().intact);
}

#[tokio::test]
async fn an_answer_is_taken_once_in_time_and_used_once() {
    let home = Home::new();
    let (store, _) = home.open().await;
    let (session, turn) = ids();
    let call = send(session, turn, "c");
    store.judged(&call, true).await.unwrap();
    let (asked, late) = (question(&call, 100), question(&call, 50));
    let (code, late_code) = (asked.code().clone(), late.code().clone());
    store.ask(late).await.unwrap();
    store.ask(asked).await.unwrap();
    assert_eq!(store.use_answer(code.clone()).await.unwrap(), None);
    let answer = |code: &Code, decision, now| {
        store.answer(code.clone(), decision, None, "owner".to_owned(), None, now)
    };
    assert_eq!(
        answer(&late_code, Decision::Once, 50).await.unwrap(),
        AnswerTaken::Expired
    );
    assert_eq!(
        answer(&Code::random(), Decision::Once, 50).await.unwrap(),
        AnswerTaken::NoSuchQuestion
    );
    let AnswerTaken::Taken(taken) = answer(&code, Decision::Once, 99).await.unwrap() else {
        panic!("not taken")
    };
    assert_eq!(
        (taken.card.state.as_str(), taken.card.approver.as_deref()),
        ("allowed", Some("owner"))
    );
    assert_eq!(
        answer(&code, Decision::Deny, 99).await.unwrap(),
        AnswerTaken::NotOpen("allowed".to_owned())
    );
    drop(store);

    let (store, _) = home.open().await;
    let first = store.use_answer(code.clone()).await.unwrap().unwrap();
    assert_eq!(
        (first.used, first.digest, first.expires),
        (false, call.digest(), 100)
    );
    assert!(store.use_answer(code.clone()).await.unwrap().unwrap().used);
    assert_eq!(
        store
            .question_about(call.effect)
            .await
            .unwrap()
            .unwrap()
            .card
            .state,
        "used"
    );
    assert!(store.questions(false).await.unwrap().is_empty());
    assert_eq!(store.questions(true).await.unwrap().len(), 2);
}

#[tokio::test]
async fn questions_expire_and_are_void_with_their_turn() {
    let home = Home::new();
    let (store, _) = home.open().await;
    let (session, turn) = ids();
    let (first, second, third) = (
        send(session, turn, "a"),
        send(session, turn, "b"),
        send(session, TurnId::random(), "c"),
    );
    let mut codes = Vec::new();
    for (call, expires) in [(&first, 10), (&second, 100), (&third, 100)] {
        let question = question(call, expires);
        codes.push(question.code().clone());
        store.ask(question).await.unwrap();
    }
    assert_eq!(
        store.expire_questions(10).await.unwrap(),
        [(codes[0].clone(), first.effect)]
    );
    // An answer that was not used goes with its turn.
    drop(
        store
            .answer(
                codes[1].clone(),
                Decision::Once,
                None,
                "owner".to_owned(),
                None,
                11,
            )
            .await
            .unwrap(),
    );
    assert_eq!(
        store.void_turn(turn).await.unwrap(),
        [(codes[1].clone(), second.effect)]
    );
    assert!(
        store
            .use_answer(codes[1].clone())
            .await
            .unwrap()
            .unwrap()
            .used
    );
    assert_eq!(store.counts().await.unwrap().questions, 1);
    assert_eq!(
        store.void_all().await.unwrap(),
        [(codes[2].clone(), third.effect)]
    );
    assert_eq!(store.counts().await.unwrap().questions, 0);
}

#[tokio::test]
async fn a_standing_grant_holds_until_it_expires_or_is_revoked() {
    let home = Home::new();
    let (store, _) = home.open().await;
    let (session, turn) = ids();
    let call = send(session, turn, "c");
    let grant = AlwaysGrant {
        code: Code::random(),
        group: GroupId::owner(),
        shape: call.shape(),
        tool: call.tool.clone(),
        arguments: call.canonical_arguments(),
        expires: 100,
    };
    store.add_always(grant.clone()).await.unwrap();
    drop(store);
    let (store, _) = home.open().await;
    assert_eq!(
        store.always(99).await.unwrap(),
        std::slice::from_ref(&grant)
    );
    assert_eq!(store.always(100).await.unwrap(), []);
    assert_eq!(
        store.revoke(grant.code.clone()).await.unwrap(),
        Some(call.shape())
    );
    assert_eq!(store.revoke(grant.code.clone()).await.unwrap(), None);
    store.add_always(grant).await.unwrap();
    assert_eq!(
        store.always(99).await.unwrap(),
        [],
        "a revoked grant came back"
    );
}

#[tokio::test]
async fn the_story_of_an_effect_is_told_in_order_and_of_no_other() {
    let home = Home::new();
    let (store, _) = home.open().await;
    let (session, turn) = ids();
    let mut call = send(session, turn, "c");
    let other = EffectId::random();
    let effect = call.effect;
    // Arguments that name another effect do not enter its story.
    call.arguments = json!({ "text": other.to_string() });
    let reasons = vec![Reason::new("not-granted", "no grant covers this call")];
    let asked = question(&call, 100);
    store.judged(&call, true).await.unwrap();
    let expires = asked.card.expires;
    let what = "send".to_owned();
    let (question, digest) = (asked.code().clone(), asked.digest);
    store
        .note(Note::Asked {
            effect,
            session,
            what,
            question: question.clone(),
            digest,
            expires,
            reasons,
        })
        .unwrap();
    let (decision, approver) = (Decision::Once, "owner".to_owned());
    store
        .note_synced(Note::Answered {
            effect,
            session,
            question,
            decision,
            approver,
            part: None,
        })
        .await
        .unwrap();
    drop(store.record(permit(call)).await.unwrap());
    store
        .finish(effect, true, EffectState::Done, None)
        .await
        .unwrap();
    let (outcome, detail) = ("done".to_owned(), "sent".to_owned());
    store
        .note(Note::Finished {
            effect,
            session,
            outcome,
            millis: 5,
            detail,
        })
        .unwrap();

    let story = store.story(effect).await.unwrap();
    let words: Vec<&str> = story
        .iter()
        .map(|(_, _, words)| words.split(' ').next().unwrap())
        .collect();
    assert_eq!(words, ["a", "owner", "send", "done"], "{story:?}");
    assert!(story.iter().map(|(_, seq, _)| seq).is_sorted());
    assert!(store.story(other).await.unwrap().is_empty());
    assert_eq!(store.effects(10).await.unwrap()[0].state, "done");
}

#[tokio::test]
async fn a_refused_or_asked_call_may_be_made_later_under_its_name() {
    let home = Home::new();
    let (store, _) = home.open().await;
    let (session, turn) = ids();
    for (call, asked) in [("refused", false), ("asked", true)] {
        store
            .judged(&send(session, turn, call), asked)
            .await
            .unwrap();
        let recorded = store
            .record(permit(send(session, turn, call)))
            .await
            .unwrap();
        let known = store
            .lookup(turn, None, call_id(call))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(
            (known.state, known.effect),
            (EffectState::Acting, recorded.what().effect)
        );
        // And the judgement of a call that is under way changes nothing about it.
        store
            .judged(&send(session, turn, call), false)
            .await
            .unwrap();
        assert_eq!(
            store
                .lookup(turn, None, call_id(call))
                .await
                .unwrap()
                .unwrap()
                .state,
            EffectState::Acting
        );
    }
}
