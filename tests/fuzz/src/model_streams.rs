//! What model vendors answer: streams, refusals and lists of models.

use carapace_contract::model::Answer;
use carapace_providers::codec::{MAX_ARGUMENTS, MAX_CALLS, MAX_TEXT};
use carapace_providers::{Codec, DecodeError, Piece, kind};

/// The most names of a list of models.
const MODELS: usize = 1_000;

/// OpenAI's chat completions, as others serve them and as OpenAI does.
pub fn openai_stream(data: &[u8]) {
    vendor("openai-compatible", data);
    vendor("openai", data);
}

/// OpenAI's Responses.
pub fn openai_responses_stream(data: &[u8]) {
    vendor("openai-responses", data);
}

/// Anthropic's Messages.
pub fn anthropic_stream(data: &[u8]) {
    vendor("anthropic", data);
}

/// Google's Gemini.
pub fn gemini_stream(data: &[u8]) {
    vendor("gemini", data);
}

/// Ollama's own.
pub fn ollama_stream(data: &[u8]) {
    vendor("ollama", data);
}

/// Bedrock's frames: the bytes as they are, and each line `EVENT-TYPE TAB PAYLOAD` of them in a
/// frame whose checksums fit, because no fuzzer guesses those.
pub fn bedrock_stream(data: &[u8]) {
    vendor("bedrock", data);
    let Some((cut, lines)) = data.split_first() else {
        return;
    };
    let mut framed = vec![*cut];
    for line in lines.split(|&byte| byte == b'\n') {
        let mut halves = line.splitn(2, |&byte| byte == b'\t');
        let kind = halves.next().unwrap_or_default();
        let kind = &kind[..kind.len().min(64)];
        framed.extend(frame(kind, halves.next().unwrap_or_default()));
    }
    vendor("bedrock", &framed);
}

/// The first byte says how the rest is cut and which status a refusal has.
fn vendor(name: &str, data: &[u8]) {
    let Some((&cut, stream)) = data.split_first() else {
        return;
    };
    let codec = kind(name).expect("a kind of this build").codec;
    let whole = answer(codec, stream, usize::MAX);
    match (&whole, answer(codec, stream, usize::from(cut).max(1))) {
        (Ok(whole), Ok(cut)) => assert_eq!(*whole, cut, "the cut made a difference"),
        // Of two faults in one piece either may be named.
        (Err(_), Err(_)) => {}
        (whole, cut) => panic!("the cut made a difference: {whole:?} and {cut:?}"),
    }
    if let Ok((pieces, answer)) = &whole {
        bounded(pieces, answer);
    }
    let trouble = codec.refusal(300 + u16::from(cut), Some("5"), stream);
    assert!(trouble.to_string().len() <= 4_096, "a refusal without end");
    if let Ok(models) = codec.read_models(stream) {
        assert!(models.len() <= MODELS, "a list without end");
    }
}

fn bounded(pieces: &[Piece], answer: &Answer) {
    assert!(answer.text.len() <= MAX_TEXT && answer.tool_calls.len() <= MAX_CALLS);
    for call in &answer.tool_calls {
        assert!(call.arguments.is_object(), "arguments that are no object");
        assert!(call.arguments.to_string().len() <= 6 * MAX_ARGUMENTS);
    }
    let shown: String = pieces
        .iter()
        .filter_map(|piece| match piece {
            Piece::Text(text) => Some(text.as_str()),
            _ => None,
        })
        .collect();
    // An answer in one piece, though a stream was asked for, shows nothing on the way.
    assert!(
        shown.is_empty() || shown == answer.text,
        "what was shown is not what was said"
    );
}

fn answer(
    codec: &dyn Codec,
    stream: &[u8],
    piece: usize,
) -> Result<(Vec<Piece>, Answer), DecodeError> {
    let mut decoder = codec.decoder();
    let mut pieces = Vec::new();
    for part in stream.chunks(piece) {
        match decoder.feed(part) {
            Ok(more) => pieces.extend(more),
            Err(error) => {
                assert_eq!(
                    decoder.feed(b"\n"),
                    Err(error.clone()),
                    "an error is forgotten"
                );
                assert_eq!(decoder.finish(), Err(error.clone()));
                return Err(error);
            }
        }
    }
    Ok((pieces, decoder.finish()?))
}

/// A frame of `application/vnd.amazon.eventstream` with an event of this type.
fn frame(kind: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut headers = Vec::new();
    for (name, value) in [
        (":event-type", kind),
        (":message-type", b"event".as_slice()),
    ] {
        headers.push(name.len() as u8);
        headers.extend(name.as_bytes());
        headers.push(7);
        headers.extend((value.len() as u16).to_be_bytes());
        headers.extend(value);
    }
    let mut out = ((16 + headers.len() + payload.len()) as u32)
        .to_be_bytes()
        .to_vec();
    out.extend((headers.len() as u32).to_be_bytes());
    out.extend(crc(&out).to_be_bytes());
    out.extend(headers);
    out.extend(payload);
    let sum = crc(&out).to_be_bytes();
    out.extend(sum);
    out
}

/// CRC-32 as of IEEE 802.3, bit by bit.
fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0xEDB8_8320 * (crc & 1))
        })
    })
}
