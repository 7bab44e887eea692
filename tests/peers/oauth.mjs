// A real OAuth 2.0 server for the tests (oidc-provider), with a small resource behind it that takes
// its access tokens: OpenAI's chat completions and list of models.
//
// The person who logs in agrees to everything at once, so a test follows redirects as a browser does.
// PKCE is required, refresh tokens are used once and replaced.
//
// usage: node oauth.mjs PORT
// GET /seen: what was granted, with the tokens; POST /lifetime/SECONDS: of the next access tokens.
import { createServer } from "node:http";
import { once } from "node:events";
import Provider from "oidc-provider";

const port = Number(process.argv[2]);
const issuer = `http://127.0.0.1:${port}`;
const seen = [];
let lifetime = 3600;

const client = {
  application_type: "native",
  redirect_uris: ["http://127.0.0.1/callback"],
  response_types: ["code"],
  grant_types: ["authorization_code", "refresh_token"],
};
const provider = new Provider(issuer, {
  clients: [
    { ...client, client_id: "public", token_endpoint_auth_method: "none" },
    {
      ...client,
      client_id: "confidential",
      client_secret: "the-password-of-the-client-0123456789",
      token_endpoint_auth_method: "client_secret_basic",
    },
  ],
  scopes: ["openid", "offline_access", "models"],
  pkce: { required: () => true },
  rotateRefreshToken: true,
  issueRefreshToken: () => true,
  ttl: { AccessToken: () => lifetime, RefreshToken: 86_400, Grant: 86_400, Session: 86_400, Interaction: 600 },
  cookies: { keys: ["only for tests"] },
  features: { devInteractions: { enabled: false } },
  interactions: { url: (_, interaction) => `/agree/${interaction.uid}` },
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
});
const keep = (what) => (ctx) =>
  seen.push({ what, client: ctx.oidc.client?.clientId, grant: ctx.oidc.params?.grant_type, ...(ctx.body ?? {}) });
provider.on("grant.success", keep("granted"));
provider.on("grant.error", (ctx, error) => {
  ctx.body = undefined;
  seen.push({ what: "refused", client: ctx.oidc?.client?.clientId, grant: ctx.oidc?.params?.grant_type, error: error.error_description ?? error.message });
});

async function agree(request, response) {
  const { prompt, params, session, grantId } = await provider.interactionDetails(request, response);
  if (prompt.name === "login") {
    return provider.interactionFinished(request, response, { login: { accountId: "owner" } });
  }
  const grant = (grantId && (await provider.Grant.find(grantId))) || new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
  grant.addOIDCScope(params.scope ?? "openid");
  const consent = { grantId: await grant.save() };
  return provider.interactionFinished(request, response, { consent }, { mergeWithLastSubmission: true });
}

async function resource(request, response) {
  const token = (request.headers.authorization ?? "").replace(/^Bearer /, "");
  const known = token && (await provider.AccessToken.find(token));
  seen.push({ what: known ? "used" : "not taken", token });
  if (!known) {
    response.writeHead(401, { "content-type": "application/json" });
    return response.end(JSON.stringify({ error: { message: "no valid access token", type: "authentication_error" } }));
  }
  if (request.method === "GET") {
    response.writeHead(200, { "content-type": "application/json" });
    return response.end(JSON.stringify({ object: "list", data: [{ id: "behind-oauth", object: "model" }] }));
  }
  request.resume();
  await once(request, "end");
  response.writeHead(200, { "content-type": "text/event-stream" });
  const chunk = (choice, more) =>
    response.write(`data: ${JSON.stringify({ id: "c", object: "chat.completion.chunk", created: 0, model: "behind-oauth", choices: [choice], ...more })}\n\n`);
  chunk({ index: 0, delta: { role: "assistant", content: "You are " }, finish_reason: null });
  chunk({ index: 0, delta: { content: "logged in." }, finish_reason: null });
  chunk({ index: 0, delta: {}, finish_reason: "stop" }, { usage: { prompt_tokens: 3, completion_tokens: 4, total_tokens: 7 } });
  return response.end("data: [DONE]\n\n");
}

const handle = provider.callback();
createServer(async (request, response) => {
  try {
    if (request.url.startsWith("/agree/")) return await agree(request, response);
    if (request.url.startsWith("/v1/")) return await resource(request, response);
    if (request.url === "/seen") return response.end(JSON.stringify(seen));
    if (request.url.startsWith("/lifetime/")) {
      lifetime = Number(request.url.slice("/lifetime/".length));
      return response.end("ok");
    }
    return await handle(request, response);
  } catch (error) {
    response.writeHead(500);
    return response.end(String(error));
  }
}).listen(port, "127.0.0.1");
