// @ts-check
/**
 * The operators' page: what the API of operators can do, by buttons. The token is in this page's memory and nowhere
 * else; a reload asks for it again.
 */

import { formatted, speak, textOf } from "./words.js";

/** A browser has begun to save a file by then. */
const SAVED_MS = 10_000;

/** @typedef {{item: string, gen: number, count: number, frozen: boolean}} Item */

const { texts, language, locale } = JSON.parse(document.getElementById("texts")?.textContent ?? "");
speak(texts, language, locale);

/** @param {string} id */
const by = (id) => /** @type {any} */ (document.getElementById(id));
const rows = /** @type {HTMLElement} */ (by("rows"));
let token = "";
let place = "";

/** @param {string} key @param {Record<string, string | number>} [values] */
function say(key, values = {}, isBad = false) {
  by("said").textContent = textOf("admin", key, values);
  by("said").toggleAttribute("data-is-bad", isBad);
}

/** Throws what the node says of it, in its own words. @param {string} path @param {object} [body] a POST with it */
async function ask(path, body) {
  const headers = { Authorization: `Bearer ${token}`, "Content-Type": "application/json" };
  const method = body ? "POST" : "GET";
  const answer = await fetch(path, { method, headers, body: body && JSON.stringify(body) });
  if (answer.ok) return answer;
  throw new Error((await answer.json().catch(() => ({}))).detail ?? `${answer.status} ${answer.statusText}`);
}

/** @param {string} path @param {object} [body] */
const told = async (path, body) => (await ask(path, body)).json();

/** Do this, and say what went wrong. @param {() => Promise<void>} act */
async function attempt(act) {
  by("said").textContent = "";
  try {
    await act();
  } catch (error) {
    say("problem", { problem: /** @type {Error} */ (error).message }, true);
  }
}

/** Done is only what enough nodes hold. @param {string} key @param {string} name @param {any} answer */
function report(key, name, { copies, wanted }) {
  if (copies < wanted) say("not_copied", { name, copies, wanted }, true);
  else say(key, { name });
}

/** @param {string} tag @param {string} text */
function element(tag, text) {
  const made = document.createElement(tag);
  made.textContent = text;
  return made;
}

/** @param {string} key @param {string} name what it is done to, for who hears the page @param {() => Promise<void>} act */
function button(key, name, act) {
  const made = /** @type {HTMLButtonElement} */ (element("button", textOf("admin", key)));
  made.type = "button";
  made.className = "plain";
  made.setAttribute("aria-label", `${made.textContent} ${name}`);
  made.addEventListener("click", () => attempt(act));
  return made;
}

/** @param {Item} item */
const path = ({ item }) => `/api/admin/items/${encodeURIComponent(item)}`;

/** @param {string} name */
const rowOf = (name) => [...rows.children].find((each) => /** @type {HTMLElement} */ (each).dataset.item === name);

/** A row of the table, in the place of the one that its item has. @param {Item} item */
function show(item) {
  const row = document.createElement("tr");
  row.dataset.item = item.item;
  row.dataset.frozen = `${item.frozen}`;
  const head = document.createElement("th");
  head.scope = "row";
  head.append(element("bdi", item.item));
  const acts = document.createElement("td");
  const verb = item.frozen ? "unfreeze" : "freeze";
  acts.append(
    button(verb, item.item, () => freeze(item, verb)),
    button("reset", item.item, () => reset(item)),
  );
  row.append(head, element("td", formatted(item.count)), element("td", formatted(item.gen)), acts);
  const before = rowOf(item.item);
  const hadFocus = before?.contains(document.activeElement);
  if (before) before.replaceWith(row);
  else rows.append(row);
  if (hadFocus) acts.querySelector("button")?.focus();
}

/** @param {string} name */
const look = async (name) => show(await told(`/api/admin/items/${encodeURIComponent(name)}`));

/** @param {Item} item @param {"freeze" | "unfreeze"} verb */
async function freeze(item, verb) {
  const done = await told(`${path(item)}/${verb}`, {});
  report(`${verb}_done`, item.item, done);
  show({ ...item, frozen: done.is_set });
}

/** @param {Item} item as it was looked at: a later generation is not ended */
async function reset(item) {
  const dialog = /** @type {HTMLDialogElement} */ (by("sure"));
  by("question").textContent = textOf("admin", "sure", { name: item.item, n: item.count });
  dialog.returnValue = "no";
  dialog.showModal();
  await new Promise((resolve) => dialog.addEventListener("close", resolve, { once: true }));
  if (dialog.returnValue !== "yes") return;
  try {
    const done = await told(`${path(item)}/reset`, { gen: item.gen });
    report("reset_done", item.item, done);
    show({ ...item, gen: done.gen, count: done.count });
  } catch (error) {
    await look(item.item); // Somebody else's reset, perhaps: it is asked of the next generation then.
    throw error;
  }
}

async function more() {
  const page = await told(`/api/admin/items?place=${encodeURIComponent(place)}`);
  page.items.forEach(show);
  place = page.next ?? "";
  by("more").hidden = !place;
}

/** What is allowed, as far as this page knows: another node may hear of a change only after it was asked. */
let origins = { settings: /** @type {string[]} */ ([]), allowed: /** @type {string[]} */ ([]) };

function showOrigins() {
  const { settings, allowed } = origins;
  const fixed = settings.map((origin) => {
    const line = element("li", origin);
    line.append(element("span", textOf("admin", "in_settings")));
    return line;
  });
  const others = allowed.map((origin) => {
    const line = element("li", origin);
    line.append(button("disallow", origin, () => allow(origin, false)));
    return line;
  });
  by("allowed").replaceChildren(...fixed, ...others);
}

/** @param {string} origin @param {boolean} allowed */
async function allow(origin, allowed) {
  const done = await told("/api/admin/origins", { origin, allowed });
  report(allowed ? "allow_done" : "disallow_done", origin, done);
  const others = origins.allowed.filter((each) => each !== done.name);
  origins.allowed = done.is_set ? [...others, done.name].sort() : others;
  showOrigins();
}

/** @param {string} form */
async function save(form) {
  const answer = await ask(`/api/admin/export?format=${form}`);
  const link = document.createElement("a");
  link.href = URL.createObjectURL(await answer.blob());
  link.download = `likes.${form}`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), SAVED_MS);
  say("export_done");
}

/** @param {string} id @param {(fields: Record<string, string>) => Promise<void>} act */
function onSubmit(id, act) {
  const form = /** @type {HTMLFormElement} */ (by(id));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const fields = /** @type {Record<string, string>} */ (Object.fromEntries(new FormData(form).entries()));
    attempt(() => act(fields));
  });
}

onSubmit("enter", async (fields) => {
  token = fields.token.trim();
  rows.replaceChildren();
  place = "0:";
  await more();
  // Those that nobody has pressed are in no list.
  for (const item of (await told("/api/admin/frozen")).items) if (!rowOf(item.item)) show(item);
  origins = await told("/api/admin/origins");
  showOrigins();
  by("enter").hidden = true;
  by("desk").hidden = false;
  by("find").querySelector("input").focus();
});
onSubmit("find", async ({ item }) => {
  await look(item.trim());
  rows.prepend(rowOf(item.trim()) ?? "");
});
// A slash at the end is what people copy; an origin has none.
onSubmit("allow", ({ origin }) => allow(origin.trim().replace(/\/$/, ""), true));
by("more").addEventListener("click", () => attempt(more));
for (const each of document.querySelectorAll("[data-export]")) {
  const { export: form = "" } = /** @type {HTMLElement} */ (each).dataset;
  each.addEventListener("click", () => attempt(() => save(form)));
}
