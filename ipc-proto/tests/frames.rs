//! Any frames come back whole, however the bytes are cut; any bytes end in a frame, a wait or a breach.

use carapace_ipc_proto::limits;
use carapace_ipc_proto::words::{Down, Joiner, Part, Request, Word, topic};
use carapace_ipc_proto::zmtp::{self, Breach, Decoder};
use proptest::prelude::*;

fn feed(decoder: &mut Decoder, mut bytes: &[u8], step: usize) -> Result<Vec<Vec<u8>>, Breach> {
    let mut frames = Vec::new();
    while !bytes.is_empty() {
        let room = decoder.room();
        let count = room.len().min(bytes.len()).min(step);
        room[..count].copy_from_slice(&bytes[..count]);
        decoder.filled(count);
        bytes = &bytes[count..];
        while let Some(body) = decoder.next_frame()? {
            frames.push(body.to_vec());
        }
    }
    Ok(frames)
}

proptest! {
    #[test]
    fn frames_survive_any_cut(
        bodies in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40_000), 0..6),
        step in 1_usize..20_000,
    ) {
        let mut bytes = zmtp::HELLO.to_vec();
        for body in &bodies {
            zmtp::encode(body, &mut bytes);
        }
        let mut decoder = Decoder::new(limits::FRAME);
        prop_assert_eq!(feed(&mut decoder, &bytes, step), Ok(bodies));
        prop_assert!(!decoder.is_in_frame());
    }

    #[test]
    fn any_bytes_are_taken_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..4096), step in 1_usize..512) {
        let mut after_hello = zmtp::HELLO.to_vec();
        after_hello.extend_from_slice(&bytes);
        for input in [&bytes, &after_hello] {
            let mut decoder = Decoder::new(limits::FRAME);
            let _ = feed(&mut decoder, input, step);
            prop_assert!(decoder.held() <= limits::FRAME + 64 * 1024);
        }
        let _ = Request::decode_claim(&bytes);
        let _ = Down::read(&bytes);
        let _ = carapace_ipc_proto::json::check(&bytes, 100);
    }

    #[test]
    fn a_long_completion_comes_back_from_its_parts(size in 0_usize..3_000_000) {
        let request = Request {
            topic: topic::MODEL_COMPLETE.to_owned(),
            correlation: "m1".to_owned(),
            arguments: vec![b'a'; size],
            more: false,
            within: String::new(),
        };
        let mut joiner = Joiner::default();
        let mut whole = None;
        for frame in request.frames() {
            prop_assert!(frame.len() <= limits::FRAME);
            let part = Request::decode_claim(&frame).expect("a request").into_alleged();
            whole = joiner.take(part.arguments, part.more).expect("within the limit");
        }
        prop_assert_eq!(whole.map(|whole| whole.len()), Some(size));
    }
}

#[test]
fn a_frame_of_the_limit_passes_and_the_room_is_given_back() {
    let mut bytes = zmtp::HELLO.to_vec();
    zmtp::encode(&vec![7; limits::FRAME], &mut bytes);
    let mut decoder = Decoder::new(limits::FRAME);
    let frames = feed(&mut decoder, &bytes, 65_536).expect("taken");
    assert_eq!(frames.len(), 1);
    decoder.room();
    assert!(
        decoder.held() <= 64 * 1024,
        "an idle link keeps {} bytes",
        decoder.held()
    );
}

#[test]
fn parts_that_are_too_long_together_are_refused() {
    let mut joiner = Joiner::default();
    let part = || vec![0; limits::ARGUMENTS];
    for _ in 0..8 {
        assert!(joiner.take(part(), true).is_ok());
    }
    assert!(joiner.take(part(), true).is_err());
}

#[test]
fn a_turn_in_parts_comes_back() {
    let json = vec![b'x'; limits::ARGUMENTS * 2 + 5];
    let frames = Word::Turn(Part {
        json: json.clone(),
        more: false,
    })
    .frames();
    assert_eq!(frames.len(), 3);
    let mut joiner = Joiner::default();
    let mut whole = None;
    for frame in frames {
        let Ok(Word::Turn(part)) = Down::read(&frame) else {
            panic!("a turn")
        };
        whole = joiner.take(part.json, part.more).expect("within the limit");
    }
    assert_eq!(whole, Some(json));
}
