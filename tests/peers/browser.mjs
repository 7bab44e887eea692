// A browser, as far as a login needs one: follows redirects with cookies from an address until one
// leads to the address that waits for the answer, and prints where that was.
//
// usage: node browser.mjs FROM UNTIL   (UNTIL: what the last address begins with; it is not visited)
const [from, until] = process.argv.slice(2);
const cookies = new Map();
let at = from;
for (let steps = 0; steps < 20; steps += 1) {
  const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join("; ");
  const response = await fetch(at, { redirect: "manual", headers: cookie ? { cookie } : {} });
  for (const line of response.headers.getSetCookie()) {
    const [name, value] = line.split(";")[0].split(/=(.*)/s);
    if (value) cookies.set(name, value);
    else cookies.delete(name);
  }
  const next = response.headers.get("location");
  if (!next) {
    console.error(`the login stops at ${at} with ${response.status}: ${(await response.text()).slice(0, 600)}`);
    process.exit(1);
  }
  at = new URL(next, at).href;
  if (at.startsWith(until)) {
    console.log(at);
    process.exit(0);
  }
}
console.error("the login goes round in circles");
process.exit(1);
