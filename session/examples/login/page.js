// Everything here goes over the routes that curl can use as well.

const $ = (id) => document.getElementById(id);

async function ask(method, path, parameters = {}) {
  const query = new URLSearchParams(parameters);
  const url = query.size ? `${path}?${query}` : path;
  try {
    const answer = await fetch(url, { method });
    note(answer.status, `${method} ${url}`, answer.headers.get("x-served-by") ?? "");
    return { status: answer.status, text: await answer.text() };
  } catch {
    note("—", `${method} ${url}`, "no answer");
    return { status: 0, text: "" };
  }
}

// The last hundred requests, the newest first.
function note(status, what, by) {
  const line = document.createElement("li");
  // A value that is not there is an answer.
  if (!(status < 400 || status === 404)) line.className = "bad";
  for (const text of [status, what, by]) {
    line.append(Object.assign(document.createElement("span"), { textContent: text }));
  }
  $("log").prepend(line);
  while ($("log").children.length > 100) $("log").lastChild.remove();
}

async function look() {
  const me = await ask("GET", "/me");
  // An answer that says nothing changes nothing: a server that is down logs nobody out.
  if (me.status !== 200) return say("no answer just now", $("me").classList.contains("in"));
  const { user } = JSON.parse(me.text);
  say(user === null ? "nobody is logged in" : user, user !== null);
  const count = await ask("GET", "/get", { key: "count" });
  if (count.status === 200 || count.status === 404) $("count").value = count.text || "0";
  const kept = await ask("GET", "/get", { key: "note" });
  const field = $("note").elements.value;
  if (document.activeElement !== field) field.value = kept.status === 200 ? kept.text : "";
  await devices(user !== null);
}

function say(text, isIn) {
  $("me-text").textContent = text;
  $("me").classList.toggle("in", isIn);
  for (const id of ["logout", "revoke"]) $(id).disabled = !isIn;
}

async function devices(isIn) {
  const answer = isIn ? await ask("GET", "/devices") : { status: 200, text: "[]" };
  if (answer.status !== 200) return;
  const lines = JSON.parse(answer.text).map(({ label, agent, created, current }) => {
    const line = document.createElement("li");
    const name = document.createElement("b");
    name.textContent = label ?? agent ?? "a device";
    const since = new Date(created).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
    line.append(name, ` ${label && agent ? `${agent}, ` : ""}since ${since}`);
    if (current) {
      line.append(Object.assign(document.createElement("span"), { className: "here", textContent: "this one" }));
    }
    return line;
  });
  if (lines.length === 0) {
    lines.push(Object.assign(document.createElement("li"), { className: "fine", textContent: "Nowhere." }));
  }
  $("devices").replaceChildren(...lines);
}

function on(id, event, act) {
  $(id).addEventListener(event, async (happened) => {
    happened.preventDefault();
    await act();
    await look();
  });
}

// 64 random bits name an increment, so that a lost answer could be asked for: GET /applied?key=count&id=…
const name = () => Array.from(crypto.getRandomValues(new Uint8Array(8)), (byte) => byte.toString(16).padStart(2, "0")).join("");
const count = () => ask("POST", "/incr", { key: "count", id: name() });

on("login", "submit", () => {
  const { user, device } = Object.fromEntries(new FormData($("login")));
  return ask("POST", "/login", device ? { user, device } : { user });
});
on("logout", "click", () => ask("POST", "/logout"));
on("once", "click", count);
on("many", "click", () => Promise.all(Array.from({ length: 20 }, count)));
on("note", "submit", () => ask("POST", "/set", { key: "note", value: $("note").elements.value.value }));
on("revoke", "click", () => ask("POST", "/revoke-others"));

look();
