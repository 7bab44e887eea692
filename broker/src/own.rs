//! Requests that the broker makes by itself or for the owner at the control socket: the test of a
//! key, a list of models, a login and its renewal. Judged, recorded and sent like every other.

use crate::broker::{Broker, now};
use crate::launcher;
use crate::route::{self, Candidate};
use carapace_contract::config::{ModelName, Oauth};
use carapace_contract::control::{SendRow, Tell};
use carapace_contract::id::{Digest, EffectId, SecretName};
use carapace_contract::model::{Completion, Message, Role};
use carapace_contract::secret::{MAX_SECRET, SecretText};
use carapace_egress::SendError;
use carapace_ipc_proto::Claim;
use carapace_ipc_proto::launch::{End, Failure, Kind, Name40};
use carapace_policy::{Judgement, OwnSend, Purpose, SecretUse, judge};
use carapace_providers::{Blobs, Limits, Method, Origin, Outbound};
use carapace_store::{EffectState, Note};
use carapace_vault::{Credential, Secret};
use oauth2::basic::BasicClient;
use oauth2::{
    AuthUrl, AuthorizationCode, ClientId, ClientSecret, CsrfToken, EndpointNotSet, EndpointSet,
    PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, RefreshToken, Scope, TokenResponse, TokenUrl,
};
use serde_json::json;
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::io::AsyncReadExt as _;
use tokio::sync::Mutex;
use zeroize::Zeroizing;

/// The most bytes of an answer to a request of the broker's own.
const ANSWER: u64 = 4 * 1024 * 1024;

/// How long a login that was begun may take.
const LOGIN: Duration = Duration::from_secs(600);

/// How long the broker's end waits for renewals under way.
const PATIENCE: Duration = Duration::from_secs(3);

/// How long an access token is used whose end is not said, where another can be bought.
const UNSAID: i64 = 3600;

/// A login that was begun and waits for its code.
pub(crate) struct Login {
    state: CsrfToken,
    verifier: PkceCodeVerifier,
    redirect: String,
    until: Instant,
}

type Refused = (&'static str, String);

/// Sees to it that a secret can be lent: fetches what lives elsewhere, renews a login that ends.
///
/// # Errors
/// In words, with a remedy.
pub(crate) async fn make_ready(broker: &Broker, secret: &SecretName) -> Result<(), String> {
    let is_ready = || !broker.keeper.is_elsewhere(secret) && broker.keeper.due(secret).is_none();
    if is_ready() {
        return Ok(());
    }
    // Two requests must not use one refresh token up.
    let lock = readying(broker, secret);
    let _one = lock.lock().await;
    if broker.keeper.is_elsewhere(secret) {
        let value = fetch(broker, secret).await?;
        broker.keeper.fetched(secret.clone(), value)?;
    }
    match broker.keeper.due(secret) {
        Some(refresh) => renew(broker, secret, &refresh).await,
        None => Ok(()),
    }
}

fn readying(broker: &Broker, secret: &SecretName) -> Rc<Mutex<()>> {
    let mut all = broker.readying.borrow_mut();
    Rc::clone(all.entry(secret.clone()).or_default())
}

/// Waits for renewals that are under way: a refresh token that was exchanged is kept, or the login is lost.
pub(crate) async fn end_renewals(broker: &Broker) {
    let locks: Vec<_> = broker.readying.borrow().values().map(Rc::clone).collect();
    let all = async {
        for lock in locks {
            drop(lock.lock().await);
        }
    };
    if tokio::time::timeout(PATIENCE, all).await.is_err() {
        crate::clean::log!("the broker ends while a login is being renewed");
    }
}

/// Reads a secret from where it lives, by a process that only does that.
pub(crate) async fn fetch(broker: &Broker, secret: &SecretName) -> Result<Secret, String> {
    let failed = |cause: String| {
        format!(
            "fetching the secret {secret}: {cause}\n  remedy: `carapace logs` has what its helper said; `carapace auth status` shows where it lives"
        )
    };
    let name =
        Name40::new(secret.as_str()).ok_or_else(|| failed("its name does not fit".to_owned()))?;
    let launched = launcher::launch(broker, Kind::Secret(name))
        .await
        .map_err(|failure| match failure {
            Failure::Unknown => failed("cage.toml has no [[secret]] of this name".to_owned()),
            other => failed(format!("its helper could not be started ({other:?})")),
        })?;
    let mut ended = launched.ended.clone();
    let read = async {
        let stream = std::os::unix::net::UnixStream::from(launched.channel);
        stream.set_nonblocking(true)?;
        let stream = tokio::net::UnixStream::from_std(stream)?;
        // Room for all of it at once: a vector that grows leaves copies behind.
        let mut value = Zeroizing::new(Vec::with_capacity(MAX_SECRET + 64));
        stream
            .take(MAX_SECRET as u64 + 1)
            .read_to_end(&mut value)
            .await?;
        Ok::<_, io::Error>(value)
    };
    let mut value = tokio::time::timeout(Duration::from_secs(25), read)
        .await
        .map_err(|_| failed("it took too long".to_owned()))?
        .map_err(|error| failed(error.to_string()))?;
    let end = tokio::time::timeout(Duration::from_secs(5), ended.wait_for(Option::is_some)).await;
    let end = match end {
        Ok(Ok(end)) => *end,
        _ => None,
    };
    match end {
        Some((End::Clean, _)) if (1..=MAX_SECRET).contains(&value.len()) => {
            Ok(Secret::new(std::mem::take(&mut *value)))
        }
        Some((End::Crash, 3)) => Err(failed("it is not there".to_owned())),
        Some((End::Crash, 4)) => Err(failed("it is locked there: unlock it or log in".to_owned())),
        Some((End::Crash, 5)) => Err(failed("the program that has it is missing".to_owned())),
        Some((End::Killed, _)) => Err(failed("its helper took too long".to_owned())),
        _ => Err(failed("its helper gave no usable value".to_owned())),
    }
}

/// The answer to a request of the broker's own.
struct Answered {
    status: u16,
    body: Zeroizing<Vec<u8>>,
}

/// Judges, records and sends one. A status that is no success is an answer too. `carries` is the login whose
/// tokens are asked for in its body.
async fn send(
    broker: &Broker,
    purpose: Purpose,
    carries: Option<SecretName>,
    outbound: Outbound,
) -> Result<Answered, SendFailed> {
    let origin = outbound.origin().map_err(SendFailed::Refused)?.to_string();
    let secret = outbound.attach.as_ref().map(|how| how.secret().clone());
    let method = match outbound.method {
        Method::Get => "GET",
        Method::Post => "POST",
    };
    let sent = outbound.body.len() as u64;
    let request = OwnSend {
        effect: EffectId::random(),
        purpose,
        origin: origin.clone(),
        secret: secret.clone(),
        carries: carries.clone(),
        request: Digest::of(format!("{method} {}", outbound.url).as_bytes()),
        bytes: sent,
    };
    let effect = request.effect;
    let usable = match &secret {
        None => SecretUse::Free,
        // The owner is the one who asks, or agreed when they logged in.
        Some(name) => match broker.keeper.usable(name, no_session()) {
            SecretUse::Ask => SecretUse::Approved,
            other => other,
        },
    };
    let judgement = broker.with_own_world(usable, |world| judge(Claim::new(request), world));
    let permit = match judgement {
        Judgement::Allow(permit) => permit,
        Judgement::Refuse(refusal) => return Err(SendFailed::Refused(refusal.reason.text)),
        Judgement::Ask(question) => {
            return Err(SendFailed::Refused(question.expire().reason.text));
        }
    };
    broker.mark_activity();
    let recorded = broker
        .store
        .record(permit)
        .await
        .map_err(|error| SendFailed::Refused(error.to_string()))?;
    let outcome = exchange(broker, &recorded, outbound).await;
    let (state, received, word) = match &outcome {
        Ok(answered) => (
            EffectState::Done,
            answered.body.len() as u64,
            answered.status.to_string(),
        ),
        Err(error) => (
            EffectState::Failed,
            0,
            error
                .to_string()
                .lines()
                .next()
                .unwrap_or_default()
                .to_owned(),
        ),
    };
    let row = SendRow {
        effect,
        at: now(),
        origin,
        purpose: purpose.as_str().to_owned(),
        session: None,
        secret: secret.or(carries),
        sent,
        received,
        outcome: crate::clean::owned(word.clone()),
    };
    let kept = async {
        broker.store.sent(row).await?;
        broker
            .store
            .finish(effect, true, state, Some(json!({ "ok": word })))
            .await
    };
    if let Err(error) = kept.await {
        crate::clean::log!("a request of the broker's own was not kept: {error}");
    }
    outcome
}

async fn exchange(
    broker: &Broker,
    recorded: &carapace_store::Recorded<OwnSend>,
    outbound: Outbound,
) -> Result<Answered, SendFailed> {
    let mut response = match broker.egress.send(recorded, outbound).await {
        Ok(response) => response,
        Err(SendError::Status {
            status,
            retry_after: _,
            body,
        }) => {
            return Ok(Answered {
                status,
                body: Zeroizing::new(body.to_vec()),
            });
        }
        Err(error) => return Err(SendFailed::Sending(error)),
    };
    let status = response.status();
    let mut body = Zeroizing::new(Vec::new());
    while let Some(chunk) = response.chunk().await.map_err(SendFailed::Sending)? {
        body.extend_from_slice(&chunk);
    }
    Ok(Answered { status, body })
}

/// Why nothing came back.
#[derive(Debug, thiserror::Error)]
enum SendFailed {
    #[error("{0}")]
    Refused(String),
    #[error(transparent)]
    Sending(SendError),
}

fn no_session() -> carapace_contract::id::SessionId {
    carapace_contract::id::SessionId::from_bytes([0; 16])
}

/// A model of this provider that the configuration names; any where it names none.
fn some_model(broker: &Broker, provider: &str) -> Result<(Candidate, bool), Refused> {
    let config = &broker.config;
    let named = std::iter::once(&config.model.route)
        .chain(config.routes.values().flat_map(|route| &route.models))
        .filter_map(|text| text.parse::<ModelName>().ok())
        .find(|name| name.provider == provider);
    let is_named = named.is_some();
    let name = named.unwrap_or(ModelName {
        provider: provider.to_owned(),
        model: "any".to_owned(),
    });
    let candidate =
        route::candidate(config, &name).map_err(|error| (error.code(), error.to_string()))?;
    Ok((candidate, is_named))
}

/// One real call: the list of models, or the smallest completion. A newer value is tried with a completion where a
/// model is named, because some lists are given to anybody.
///
/// # Errors
/// A code and a sentence for the person.
pub(crate) async fn test(
    broker: &Broker,
    provider: &str,
    purpose: Purpose,
    approver: &str,
) -> Result<Tell, Refused> {
    let (candidate, is_named) = some_model(broker, provider)?;
    let secret = candidate.endpoint.secret().cloned();
    // What is tried now is what is promoted afterwards.
    let _one = broker.trying.lock().await;
    let pending = secret
        .as_ref()
        .filter(|name| purpose == Purpose::Test && broker.keeper.is_pending(name))
        .cloned();
    if pending.is_none()
        && let Some(secret) = &secret
    {
        make_ready(broker, secret)
            .await
            .map_err(|message| ("no-secret", message))?;
    }
    let tried = pending.as_ref().and_then(crate::keeper::pending_name);
    let outcome = call(broker, &candidate, is_named, purpose, tried).await;
    if let Some(name) = &pending {
        let works = outcome.is_ok();
        broker
            .keeper
            .end_trial(name, works)
            .map_err(|message| ("vault", message))?;
        note(
            broker,
            name,
            if works { "promoted" } else { "discarded" },
            approver,
        );
    } else if let Some(name) = &secret {
        note(broker, name, "tried", approver);
    }
    let (models, millis) = outcome.map_err(|(code, message)| match &pending {
        Some(_) => (
            code,
            format!(
                "the newer value does not work and was dropped, the one before stays: {message}"
            ),
        ),
        None => (code, message),
    })?;
    Ok(Tell::Tested {
        provider: provider.to_owned(),
        origin: candidate.endpoint.origin().to_string(),
        models,
        millis,
    })
}

async fn call(
    broker: &Broker,
    candidate: &Candidate,
    is_named: bool,
    purpose: Purpose,
    instead: Option<SecretName>,
) -> Result<(Vec<String>, u64), Refused> {
    let codec = candidate.kind.codec;
    let list = if instead.is_some() && is_named {
        None
    } else {
        codec.list_models(&candidate.endpoint)
    };
    let is_list = list.is_some();
    let outbound = match list {
        Some(outbound) => outbound,
        None if purpose == Purpose::Models => {
            return Err((
                "no-list",
                format!(
                    "{} has no list of models at this address",
                    candidate.kind.name
                ),
            ));
        }
        None if !is_named => {
            return Err((
                "missing-model",
                "to try this provider a model has to be named\n  remedy: set model.route to PROVIDER:MODEL".to_owned(),
            ));
        }
        None => codec
            .request(&candidate.endpoint, &smallest(), &[], &Blobs::new())
            .map_err(|error| ("bad-request", error.to_string()))?,
    };
    let outbound = match instead {
        Some(secret) => Outbound {
            attach: outbound.attach.map(|how| how.with(secret)),
            ..outbound
        },
        None => outbound,
    };
    let started = Instant::now();
    let answered = send(broker, purpose, None, small(outbound))
        .await
        .map_err(|error| ("not-sent", error.to_string()))?;
    let millis = started.elapsed().as_millis() as u64;
    if !(200..300).contains(&answered.status) {
        let trouble = codec.refusal(answered.status, None, &answered.body);
        let told = trouble.told(&candidate.name.provider);
        return Err(("provider", crate::clean::owned(told)));
    }
    if is_list {
        let models = codec
            .read_models(&answered.body)
            .map_err(|error| ("provider", crate::clean::owned(error.to_string())))?;
        return Ok((models, millis));
    }
    let mut decoder = codec.decoder();
    let read = decoder.feed(&answered.body).and_then(|_| decoder.finish());
    read.map_err(|error| ("provider", crate::clean::owned(error.to_string())))?;
    Ok((vec![candidate.name.model.clone()], millis))
}

fn smallest() -> Completion {
    Completion {
        messages: vec![Message::text(Role::User, "Say: ok")],
        tools: Vec::new(),
        max_tokens: Some(16),
    }
}

fn small(outbound: Outbound) -> Outbound {
    Outbound {
        limits: Limits {
            first_byte: Duration::from_secs(20),
            deadline: Duration::from_secs(30),
            response_bytes: ANSWER,
        },
        ..outbound
    }
}

pub(crate) fn note(broker: &Broker, name: &SecretName, action: &str, approver: &str) {
    broker.note(Note::Secret {
        name: name.clone(),
        action: action.to_owned(),
        approver: approver.to_owned(),
    });
}

// ---- OAuth 2.0 (RFC 6749) with PKCE (RFC 7636)

type Client = BasicClient<EndpointSet, EndpointNotSet, EndpointNotSet, EndpointNotSet, EndpointSet>;

fn client(oauth: &Oauth, password: Option<Secret>) -> Result<Client, String> {
    let bad = |what: &str, error: &dyn std::fmt::Display| {
        format!("oauth.{what}: {error}\n  remedy: mend it in config.toml")
    };
    let mut client = BasicClient::new(ClientId::new(oauth.client_id.clone()))
        .set_auth_uri(
            AuthUrl::new(oauth.authorization_url.clone())
                .map_err(|error| bad("authorization-url", &error))?,
        )
        .set_token_uri(
            TokenUrl::new(oauth.token_url.clone()).map_err(|error| bad("token-url", &error))?,
        );
    if let Some(password) = password {
        let text = String::from_utf8_lossy(password.expose()).into_owned();
        client = client.set_client_secret(ClientSecret::new(text));
    }
    Ok(client)
}

fn settings<'a>(broker: &'a Broker, provider: &str) -> Result<(&'a Oauth, SecretName), Refused> {
    let found = broker.config.providers.get(provider).ok_or_else(|| {
        (
            "provider-not-configured",
            format!("there is no provider {provider:?}\n  remedy: add [providers.{provider}] to config.toml"),
        )
    })?;
    let oauth = found.oauth.as_ref().ok_or_else(|| {
        (
            "no-login",
            format!("providers.{provider} says nothing about a login\n  remedy: give [providers.{provider}.oauth] with authorization-url, token-url and client-id, or use `carapace auth api-key`"),
        )
    })?;
    let secret = match &found.secret {
        Some(secret) => secret.clone(),
        None => provider.parse().map_err(|_| {
            (
                "bad-name",
                "the provider's name is no name of a secret".to_owned(),
            )
        })?,
    };
    Ok((oauth, secret))
}

/// Begins a login: the address for the browser, and what must come back.
///
/// # Errors
/// A code and a sentence for the person.
pub(crate) fn login_begin(
    broker: &Broker,
    provider: &str,
    redirect: String,
) -> Result<Tell, Refused> {
    let (oauth, _) = settings(broker, provider)?;
    let at = Origin::of(&redirect).map_err(|why| ("bad-redirect", why))?;
    if !at.is_loopback() || at.is_https() {
        return Err((
            "bad-redirect",
            "a login comes back to this machine only".to_owned(),
        ));
    }
    let client = client(oauth, None)
        .map_err(|message| ("bad-login", message))?
        .set_redirect_uri(
            RedirectUrl::new(redirect.clone())
                .map_err(|error| ("bad-redirect", error.to_string()))?,
        );
    let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
    let (url, state) = client
        .authorize_url(CsrfToken::new_random)
        .set_pkce_challenge(challenge)
        .add_scopes(oauth.scopes.iter().cloned().map(Scope::new))
        .url();
    let told = SecretText::new(state.secret().clone());
    let until = Instant::now() + LOGIN;
    let login = Login {
        state,
        verifier,
        redirect,
        until,
    };
    broker
        .logins
        .borrow_mut()
        .insert(provider.to_owned(), login);
    Ok(Tell::Login {
        url: url.to_string(),
        state: told,
    })
}

/// Ends a login: buys the tokens and keeps them.
///
/// # Errors
/// A code and a sentence for the person.
pub(crate) async fn login_finish(
    broker: &Broker,
    provider: &str,
    state: &SecretText,
    code: &SecretText,
    approver: &str,
) -> Result<Tell, Refused> {
    let (oauth, secret) = settings(broker, provider)?;
    let login = broker.logins.borrow_mut().remove(provider);
    let login = login
        .filter(|login| Instant::now() < login.until && login.state.secret() == state.reveal())
        .ok_or_else(|| {
            (
                "no-such-login",
                "no login of this kind was begun here\n  remedy: begin again with `carapace auth login`".to_owned(),
            )
        })?;
    let password = password(broker, oauth)
        .await
        .map_err(|m| ("no-secret", m))?;
    let client = client(oauth, password)
        .map_err(|message| ("bad-login", message))?
        .set_redirect_uri(
            RedirectUrl::new(login.redirect)
                .map_err(|error| ("bad-redirect", error.to_string()))?,
        );
    // A renewal that is under way does not write over what is bought here.
    let lock = readying(broker, &secret);
    let _one = lock.lock().await;
    let http = |request| token_request(broker, Purpose::Login, &secret, request);
    let tokens = client
        .exchange_code(AuthorizationCode::new(code.reveal().to_owned()))
        .set_pkce_verifier(login.verifier)
        .request_async(&http)
        .await
        .map_err(|error| ("login-refused", told(&error)))?;
    let mut origins = Vec::new();
    for (of, origin) in
        route::origins(&broker.config).map_err(|error| (error.code(), error.to_string()))?
    {
        if of == provider {
            origins.push(origin.to_string());
        }
    }
    broker
        .keeper
        .put_login(&secret, credential(&tokens), origins)
        .map_err(|message| ("vault", message))?;
    note(broker, &secret, "stored", approver);
    Ok(Tell::Ok {})
}

async fn password(broker: &Broker, oauth: &Oauth) -> Result<Option<Secret>, String> {
    let Some(name) = &oauth.client_secret else {
        return Ok(None);
    };
    let origin = Origin::of(&oauth.token_url)?;
    if broker.keeper.is_elsewhere(name) {
        let value = fetch(broker, name).await?;
        broker.keeper.fetched(name.clone(), value)?;
    }
    use carapace_egress::Lender as _;
    match broker.keeper.lend(name, &origin).await {
        Ok(Credential::Key(value)) => Ok(Some(value)),
        Ok(_) => Err(format!("the secret {name} is no password")),
        Err(error) => Err(error.to_string()),
    }
}

async fn renew(broker: &Broker, secret: &SecretName, refresh: &Secret) -> Result<(), String> {
    let oauth = broker
        .config
        .providers
        .iter()
        .find(|(name, provider)| {
            provider.secret.as_ref().map_or(name.as_str(), SecretName::as_str) == secret.as_str()
        })
        .and_then(|(_, provider)| provider.oauth.as_ref())
        .ok_or_else(|| {
            format!("the login {secret} has ended and nothing says how to renew it\n  remedy: `carapace auth login`")
        })?;
    broker
        .keeper
        .may_go(secret, &Origin::of(&oauth.token_url)?)?;
    let password = password(broker, oauth).await?;
    let client = client(oauth, password)?;
    let http = |request| token_request(broker, Purpose::Renewal, secret, request);
    let token = RefreshToken::new(String::from_utf8_lossy(refresh.expose()).into_owned());
    let tokens = client
        .exchange_refresh_token(&token)
        .request_async(&http)
        .await
        .map_err(|error| {
            format!(
                "the login {secret} could not be renewed: {}\n  remedy: `carapace auth login` logs in again",
                told(&error)
            )
        })?;
    broker.keeper.refresh(secret, credential(&tokens))?;
    note(broker, secret, "renewed", "the broker");
    Ok(())
}

fn credential(tokens: &impl TokenResponse) -> Credential {
    let ends = |seconds: i64| now().saturating_add(seconds);
    let said = tokens
        .expires_in()
        .map(|left| ends(i64::try_from(left.as_secs()).unwrap_or(i64::MAX)));
    Credential::Oauth {
        access_token: Secret::from(tokens.access_token().secret().as_str()),
        refresh_token: tokens
            .refresh_token()
            .map(|token| Secret::from(token.secret().as_str())),
        expires: said.or_else(|| tokens.refresh_token().map(|_| ends(UNSAID))),
    }
}

/// What a token endpoint said, without what was sent to it.
fn told<E>(error: &oauth2::RequestTokenError<E, oauth2::basic::BasicErrorResponse>) -> String
where
    E: std::error::Error + 'static,
{
    use oauth2::RequestTokenError::{Other, Parse, Request, ServerResponse};
    let text = match error {
        ServerResponse(said) => said.to_string(),
        Request(error) => error.to_string(),
        Parse(..) => "its answer is none of RFC 6749".to_owned(),
        Other(text) => text.clone(),
    };
    // Cut last: half of a secret is not recognised.
    let shown = crate::card::visible(&crate::clean::owned(text));
    shown.chars().take(300).collect()
}

/// One request to a token endpoint, for the login of this name. Its body holds a code or a refresh token; nothing
/// keeps it.
async fn token_request(
    broker: &Broker,
    purpose: Purpose,
    secret: &SecretName,
    request: oauth2::HttpRequest,
) -> Result<oauth2::HttpResponse, SendFailed> {
    let unusable =
        || SendFailed::Refused("the request to the token endpoint has no form".to_owned());
    let (parts, body) = request.into_parts();
    let mut headers = Vec::new();
    for (name, known) in [
        (oauth2::http::header::ACCEPT, "accept"),
        (oauth2::http::header::CONTENT_TYPE, "content-type"),
        (oauth2::http::header::AUTHORIZATION, "authorization"),
    ] {
        if let Some(value) = parts.headers.get(name) {
            headers.push((known, value.to_str().map_err(|_| unusable())?.to_owned()));
        }
    }
    let outbound = small(Outbound {
        method: Method::Post,
        url: parts.uri.to_string(),
        headers,
        body: body.into(),
        attach: None,
        limits: Limits {
            first_byte: Duration::from_secs(20),
            deadline: Duration::from_secs(30),
            response_bytes: 64 * 1024,
        },
    });
    let answered = send(broker, purpose, Some(secret.clone()), outbound).await?;
    oauth2::http::Response::builder()
        .status(answered.status)
        .body(answered.body.to_vec())
        .map_err(|_| unusable())
}
