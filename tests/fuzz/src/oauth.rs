//! What a token endpoint answers: the tokens, or an error of RFC 6749.

use oauth2::basic::BasicClient;
use oauth2::http::Response;
use oauth2::{
    AuthUrl, ClientId, HttpRequest, HttpResponse, RefreshToken, RequestTokenError, TokenResponse,
    TokenUrl,
};

/// The first byte says which status it has.
pub fn oauth_answer(data: &[u8]) {
    let Some((&status, body)) = data.split_first() else {
        return;
    };
    let status = 100 + 2 * u16::from(status);
    let auth = AuthUrl::new("https://login.example.com/authorize".to_owned()).expect("a URL");
    let token = TokenUrl::new("https://login.example.com/token".to_owned()).expect("a URL");
    let client = BasicClient::new(ClientId::new("carapace".to_owned()))
        .set_auth_uri(auth)
        .set_token_uri(token);
    let http = |_: HttpRequest| -> Result<HttpResponse, std::fmt::Error> {
        Response::builder()
            .status(status)
            .body(body.to_vec())
            .map_err(|_| std::fmt::Error)
    };
    let refresh = RefreshToken::new("rt-0123456789abcdef".to_owned());
    match client.exchange_refresh_token(&refresh).request(&http) {
        Ok(tokens) => {
            assert_eq!(status, 200, "tokens from a refusal");
            let shown = format!("{tokens:?}");
            let access = tokens.access_token().secret();
            assert!(
                access.len() < 16 || !shown.contains(access.as_str()),
                "a token in a debug text"
            );
        }
        Err(RequestTokenError::ServerResponse(said)) => {
            assert_ne!(status, 200, "a refusal with a success");
            assert!(!said.to_string().is_empty());
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}
