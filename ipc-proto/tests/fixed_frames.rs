//! Frames of one size: what was meant comes back, and of other bytes nothing is taken that has two
//! forms.

use carapace_ipc_proto::launch::{FRAME, Kind, Name40, Notice, Order};
use carapace_ipc_proto::resolve::{
    ADDRESSES, ANSWER, Answer, HostName, QUESTION, Question, Status,
};
use proptest::prelude::*;
use std::net::IpAddr;

proptest! {
    #[test]
    fn a_name_of_a_secret_survives_its_frame(name in "[a-z0-9][a-z0-9._-]{0,39}", request: u64, group: u32) {
        let kind = Kind::Secret(Name40::new(&name).unwrap());
        let order = Order::Launch { request, kind, group };
        let back = Order::decode(&order.encode());
        prop_assert_eq!(back, Some(order));
    }

    #[test]
    fn any_text_is_a_plain_name_or_none(text in "\\PC{0,60}") {
        if let Some(name) = Name40::new(&text) {
            prop_assert_eq!(name.as_str(), &text);
            prop_assert!((1..=40).contains(&text.len()));
            prop_assert!(!text.starts_with(['-', '.', '_']));
        }
    }

    #[test]
    fn of_any_frame_one_form_is_taken(bytes in prop::collection::vec(any::<u8>(), FRAME), tag in 0_u8..7, kind in 0_u8..7) {
        let mut bytes = bytes;
        bytes[0] = tag;
        bytes[1..8].fill(0);
        bytes[16] = kind;
        for frame in [&bytes, &{ let mut short = bytes.clone(); short[40..].fill(0); short }] {
            if let Some(order) = Order::decode(frame) {
                prop_assert_eq!(&order.encode()[..], &frame[..]);
            }
            if let Some(notice) = Notice::decode(frame) {
                prop_assert_eq!(&notice.encode()[..], &frame[..]);
            }
        }
    }

    #[test]
    fn a_question_comes_back(id: u32, name in "[a-z0-9_]{1,63}(\\.[a-z0-9_]{1,60}){0,2}\\.[a-z]{2,20}") {
        let question = Question { id, name: HostName::new(&name) };
        prop_assert!(question.name.is_some());
        prop_assert_eq!(Question::decode(&question.encode()), question);
    }

    #[test]
    fn of_any_question_one_form_is_taken(bytes in prop::collection::vec(any::<u8>(), QUESTION), text in "[a-zA-Z0-9.-]{0,40}") {
        let mut frame = [0; QUESTION];
        frame.copy_from_slice(&bytes);
        let question = Question::decode(&frame);
        if question.name.is_some() {
            prop_assert_eq!(question.encode(), frame);
        }
        let mut frame = [0; QUESTION];
        frame[4] = text.len() as u8;
        frame[5..5 + text.len()].copy_from_slice(text.as_bytes());
        let question = Question::decode(&frame);
        if question.name.is_some() {
            prop_assert_eq!(question.encode(), frame);
        }
    }

    #[test]
    fn an_answer_comes_back(id: u32, addresses in prop::collection::vec(any::<IpAddr>(), 0..20)) {
        let answer = Answer::found(id, addresses.clone());
        prop_assert_eq!(answer.addresses.len(), addresses.len().min(ADDRESSES));
        prop_assert_eq!(answer.status == Status::Absent, addresses.is_empty());
        prop_assert_eq!(Answer::decode(&answer.encode()), Some(answer));
    }

    #[test]
    fn of_any_answer_one_form_is_taken(bytes in prop::collection::vec(any::<u8>(), ANSWER), status in 0_u8..8, count in 0_u8..18) {
        let mut frame = [0; ANSWER];
        frame.copy_from_slice(&bytes);
        frame[4] = status;
        frame[5] = count;
        frame[6..8].fill(0);
        for place in frame[8..].chunks_exact_mut(17) {
            place[0] = if place[1] & 1 == 0 { 6 } else { 4 };
        }
        if let Some(answer) = Answer::decode(&frame) {
            prop_assert_eq!(answer.encode(), frame);
        }
    }
}

#[test]
fn an_address_or_a_number_is_no_name() {
    for wrong in [
        "",
        ".",
        "..",
        "a..b",
        ".a",
        "-a.b",
        "a-.b",
        "a b",
        "a/b",
        "a:1",
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f.1",
        "a.0x7f000001",
        "a.0x",
        "1",
        "[::1]",
        "\u{e4}.example",
        "a\0b",
        "a%2eb",
        &"a".repeat(64),
        &format!("{}.a", "a.".repeat(126)),
    ] {
        assert_eq!(HostName::new(wrong), None, "{wrong:?}");
    }
    for (good, text) in [
        ("api.example", "api.example"),
        ("API.Example.", "api.example"),
        ("nas", "nas"),
        ("my_service.1a", "my_service.1a"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
    ] {
        assert_eq!(HostName::new(good).unwrap().as_str(), text);
    }
}
