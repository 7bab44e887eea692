//! What model calls cost, in the ledger and in the store.

use crate::answer::Ask;
use crate::broker::{Broker, now};
use crate::route::Candidate;
use carapace_contract::id::EffectId;
use carapace_contract::model::{MediaType, Usage};
use carapace_policy::{Amount, ModelCall, Moment, Spending};
use carapace_providers::Outbound;

/// Tokens that a picture is read as, at most, by the vendors' published rules.
const PICTURE: u64 = 6_000;

/// The calendar now.
pub(crate) fn moment() -> Moment {
    let day = now().div_euclid(86_400);
    let date = jiff::Timestamp::from_second(now())
        .map(|time| time.to_zoned(jiff::tz::TimeZone::UTC).date())
        .unwrap_or_default();
    Moment {
        day,
        month: i64::from(date.year()) * 12 + i64::from(date.month()) - 1,
    }
}

/// The most that a call can cost: no token is shorter than a byte.
pub(crate) fn worst(
    broker: &Broker,
    candidate: &Candidate,
    outbound: &Outbound,
    ask: &Ask<'_>,
    most: u32,
) -> Amount {
    let mut input = outbound.body.len() as u64;
    for (id, bytes) in ask.blobs {
        let whole = bytes.len() as u64;
        let base64 = whole.div_ceil(3) * 4;
        let (coded, read) = match MediaType::of(bytes) {
            Some(MediaType::Text) => (whole, whole),
            Some(media) if media.is_image() => (base64, PICTURE),
            _ => (base64, whole),
        };
        let uses = ask
            .completion
            .messages
            .iter()
            .flat_map(|message| &message.attachments)
            .filter(|attachment| attachment.id == *id)
            .count() as u64;
        input = input.saturating_sub(coded * uses) + read * uses;
    }
    let output = u64::from(most) + u64::from(candidate.endpoint.thinking().unwrap_or(0));
    Amount {
        usd: price(broker, candidate, |prices, name| {
            prices.worst(name, input, output)
        }),
        tokens: input + output,
    }
}

/// What this machine serves costs nothing where no price says otherwise.
fn price(
    broker: &Broker,
    candidate: &Candidate,
    of: impl FnOnce(&carapace_policy::Prices, &str) -> Option<u64>,
) -> Option<u64> {
    of(&broker.prices, &candidate.name.to_string())
        .or_else(|| candidate.endpoint.origin().is_loopback().then_some(0))
}

/// What is reserved for a call.
pub(crate) fn of(call: &ModelCall) -> Spending {
    Spending {
        effect: call.effect,
        who: call.spender(),
        at: moment(),
        amount: call.worst,
    }
}

/// Puts what a call did cost in the place of its worst case.
pub(crate) async fn settle(broker: &Broker, effect: EffectId, candidate: &Candidate, usage: Usage) {
    let name = candidate.name.to_string();
    let usd = price(broker, candidate, |prices, _| prices.cost(&name, &usage));
    let actual = Amount {
        usd,
        tokens: usage.input + usage.output,
    };
    broker.ledger.borrow_mut().settle(effect, actual);
    if let Err(error) = broker.store.settle(effect, usd, usage).await {
        crate::clean::log!("what a call cost was not kept, its worst case stays: {error}");
    }
}
