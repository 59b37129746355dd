// @ts-check
/** The code for a button on somebody's page, as they choose it, with the button itself beside it. */

import { textOf } from "./words.js";

const COPIED_MS = 2000;
/** Nothing moves when the button comes. A page that allows no such style puts it into its sheet. */
const ROOM = "display: inline-block; min-width: 11rem; min-height: 44px; vertical-align: middle";

const details = /** @type {HTMLDetailsElement} */ (document.getElementById("snippet"));
const form = /** @type {HTMLFormElement} */ (details.querySelector("form"));
const code = /** @type {HTMLElement} */ (details.querySelector("#code"));
const copy = /** @type {HTMLButtonElement} */ (details.querySelector("#copy"));
const preview = /** @type {Element} */ (details.querySelector("like-button"));

const escaped = (/** @type {string} */ text) =>
  text.replaceAll("&", "&amp;").replaceAll('"', "&quot;").replaceAll("<", "&lt;");

/** @returns {Record<string, string>} the button's attributes, without those that say nothing */
function chosen() {
  const fields = Object.fromEntries(new FormData(form).entries());
  const { name, kind, label, theme } = /** @type {Record<string, string>} */ (fields);
  const all = { item: `${kind}:${name.trim()}`, label: label.trim(), theme };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value));
}

function show() {
  const attributes = chosen();
  const written = Object.entries(attributes).map(([name, value]) => ` ${name}="${escaped(value)}"`);
  code.textContent =
    `<script async src="${location.origin}/static/like-button.js"></script>\n` +
    `<like-button${written.join("")} style="${ROOM}"></like-button>`;
  for (const name of ["item", "label", "theme"]) {
    if (name in attributes) preview.setAttribute(name, attributes[name]);
    else preview.removeAttribute(name);
  }
}

form.addEventListener("input", () => form.checkValidity() && show());
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
