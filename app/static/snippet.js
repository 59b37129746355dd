// @ts-check
/** The code for a button on somebody's page, as they choose it, with the button itself beside it. */

import { itemOf } from "./item_name.js";
import { kindOf } from "./items.js";
import { textOf } from "./words.js";

const COPIED_MS = 2000;
/** What "Like" and a long number take. */
const WIDTH_REM = 11;
/** That page's font may be wider than this one's. */
const SPARE = 1.1;
const details = /** @type {HTMLDetailsElement} */ (document.getElementById("snippet"));
const form = /** @type {HTMLFormElement} */ (details.querySelector("form"));
const code = /** @type {HTMLElement} */ (details.querySelector("#code"));
const copy = /** @type {HTMLButtonElement} */ (details.querySelector("#copy"));
const preview = /** @type {Element} */ (details.querySelector("like-button"));

/** Nothing moves when the button comes. A page that allows no such style puts it into its sheet. */
function room() {
  const rem = parseFloat(getComputedStyle(document.documentElement).fontSize);
  const copy = /** @type {HTMLElement} */ (preview.cloneNode());
  Object.assign(copy.style, { position: "absolute", width: "max-content", visibility: "hidden" });
  preview.after(copy); // Here there may be less room than its label asks for.
  const needed = Math.ceil((SPARE * copy.getBoundingClientRect().width) / rem);
  copy.remove();
  const width = needed > WIDTH_REM ? `min(100%, ${needed}rem)` : `${WIDTH_REM}rem`;
  return `display: inline-block; min-width: ${width}; min-height: 44px; vertical-align: middle`;
}

const escaped = (/** @type {string} */ text) =>
  text.replaceAll("&", "&amp;").replaceAll('"', "&quot;").replaceAll("<", "&lt;");

/** @returns {Record<string, string>} the button's attributes, without those that say nothing */
function chosen() {
  const fields = Object.fromEntries(new FormData(form).entries());
  const { name, kind, label, theme } = /** @type {Record<string, string>} */ (fields);
  const all = { item: itemOf(name, kind), label: label.trim(), theme };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value));
}

/** Who pastes a whole item has chosen its kind with it. */
function takeKind() {
  const { name, kind } = /** @type {Record<string, HTMLInputElement>} */ (Object(form.elements));
  const pasted = name.value.trim();
  const taken = kindOf(itemOf(pasted, null));
  if (!pasted.startsWith(`${taken}:`)) return;
  kind.value = taken;
  name.value = pasted.slice(taken.length + 1);
}

function show() {
  const attributes = chosen();
  for (const name of ["item", "label", "theme"]) {
    if (name in attributes) preview.setAttribute(name, attributes[name]);
    else preview.removeAttribute(name);
  }
  const written = Object.entries(attributes).map(([name, value]) => ` ${name}="${escaped(value)}"`);
  code.textContent =
    `<script async src="${location.origin}/static/like-button.js"></script>\n` +
    `<like-button${written.join("")} style="${room()}"></like-button>`;
}

form.addEventListener("input", () => {
  takeKind();
  if (form.checkValidity()) show();
});
form.addEventListener("submit", (event) => event.preventDefault());
copy.addEventListener("click", async () => {
  await navigator.clipboard.writeText(code.textContent ?? "");
  copy.textContent = textOf("page", "embed_copied");
  setTimeout(() => (copy.textContent = textOf("page", "embed_copy")), COPIED_MS);
});
details.addEventListener(
  "toggle",
  () => {
    for (const part of details.querySelectorAll(".fields")) /** @type {HTMLElement} */ (part).hidden = false;
    // Browsers give the clipboard to pages that came safely.
    copy.hidden = !navigator.clipboard;
    import(/** @type {any} */ ("./like-button.js"));
  },
  { once: true },
);
