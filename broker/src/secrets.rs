//! What the owner does with secrets at the control socket.

use crate::broker::Broker;
use crate::{own, route};
use carapace_contract::control::{Ask, SecretRow, Tell};
use carapace_contract::id::SecretName;
use carapace_contract::secret::NewSecret;
use carapace_policy::Purpose;
use carapace_store::Note;

type Refused = (&'static str, String);

/// Answers those requests that are about secrets; gives back every other.
pub(crate) async fn answer(
    broker: &Broker,
    ask: Ask,
    approver: &str,
) -> Result<Result<Tell, Ask>, Refused> {
    let vault = |message: String| ("vault", message);
    let tell = match ask {
        Ask::SecretPut {
            name,
            secret,
            each_session,
            origins,
            staged,
        } => {
            put(
                broker,
                name,
                secret,
                each_session,
                origins,
                staged,
                approver,
            )
            .await?
        }
        Ask::Secrets {} => rows(broker),
        Ask::SecretRemove { name } => {
            broker.keeper.remove(&name).map_err(vault)?;
            own::note(broker, &name, "removed", approver);
            Tell::Ok {}
        }
        Ask::SecretTest { provider } => {
            own::test(broker, &provider, Purpose::Test, approver).await?
        }
        Ask::Models { provider } => own::test(broker, &provider, Purpose::Models, approver).await?,
        Ask::Unlock { passphrase } => {
            let outcome = broker.keeper.unlock_with_passphrase(&passphrase);
            note(
                broker,
                if outcome.is_ok() {
                    "unlocked"
                } else {
                    "wrong-key"
                },
                approver,
            );
            outcome.map_err(vault)?;
            Tell::Ok {}
        }
        Ask::Protect { with, rekey } => {
            broker.keeper.protect(&with, rekey)?;
            note(
                broker,
                if rekey { "rekeyed" } else { "protected" },
                approver,
            );
            Tell::Ok {}
        }
        Ask::LoginBegin { provider, redirect } => own::login_begin(broker, &provider, redirect)?,
        Ask::LoginFinish {
            provider,
            state,
            code,
        } => own::login_finish(broker, &provider, &state, &code, approver).await?,
        other => return Ok(Err(other)),
    };
    Ok(Ok(tell))
}

fn note(broker: &Broker, action: &str, approver: &str) {
    broker.note(Note::Vault {
        action: action.to_owned(),
        approver: approver.to_owned(),
    });
}

async fn put(
    broker: &Broker,
    name: SecretName,
    secret: NewSecret,
    each_session: bool,
    mut origins: Vec<String>,
    staged: bool,
    approver: &str,
) -> Result<Tell, Refused> {
    if origins.is_empty() {
        origins = usual_origins(broker, &name)?;
    }
    for origin in &origins {
        carapace_providers::Origin::of(origin).map_err(|why| ("bad-origin", why))?;
    }
    // A value that is being tried is not exchanged for another meanwhile.
    let _one = if staged {
        Some(broker.trying.lock().await)
    } else {
        None
    };
    let (replaced, too_short) = broker
        .keeper
        .put(&name, secret, each_session, origins.clone(), staged)
        .map_err(|message| ("vault", message))?;
    let action = match (staged, replaced) {
        (true, true) => "staged",
        (_, true) => "replaced",
        _ => "stored",
    };
    own::note(broker, &name, action, approver);
    Ok(Tell::Stored { origins, too_short })
}

/// The origins of the providers that use a secret.
fn usual_origins(broker: &Broker, name: &SecretName) -> Result<Vec<String>, Refused> {
    let users = users(broker, name);
    let all = route::origins(&broker.config).map_err(|error| (error.code(), error.to_string()))?;
    let mut origins: Vec<String> = all
        .into_iter()
        .filter(|(provider, _)| users.contains(provider))
        .map(|(_, origin)| origin.to_string())
        .collect();
    origins.sort();
    origins.dedup();
    Ok(origins)
}

/// The providers that use a secret.
fn users(broker: &Broker, name: &SecretName) -> Vec<String> {
    broker
        .config
        .providers
        .iter()
        .filter(|(provider, settings)| {
            let key = settings
                .secret
                .as_ref()
                .map_or(provider.as_str(), SecretName::as_str);
            let password = settings
                .oauth
                .as_ref()
                .and_then(|oauth| oauth.client_secret.as_ref());
            key == name.as_str() || password == Some(name)
        })
        .map(|(provider, _)| provider.clone())
        .collect()
}

fn rows(broker: &Broker) -> Tell {
    let rows = broker
        .keeper
        .rows()
        .into_iter()
        .map(|row| SecretRow {
            providers: users(broker, &row.name),
            name: row.name,
            kind: row.kind.to_owned(),
            created: row.created,
            changed: row.rotated.unwrap_or(row.created),
            used: row.last_used,
            expires: row.expires,
            each_session: row.ask,
            origins: row.origins,
            pending: row.pending.is_some(),
            too_short: row.too_short,
        })
        .collect();
    Tell::Secrets {
        vault: broker.keeper.row(),
        rows,
    }
}
