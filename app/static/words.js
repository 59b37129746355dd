// @ts-check
/**
 * Every text that a script shows, in the language that was spoken last, and numbers as its readers write them.
 * The texts themselves are in `texts/`.
 *
 * @typedef {"tap" | "once" | "clap"} Kind
 * @typedef {typeof import("./texts/en.json")} Texts
 */

import { kindOf, tallyMax } from "./items.js";

/** Longer counts are shortened where there is little room: 9,999 and 10K need no more of it than each other. */
const WHOLE_MAX = 9999;

/** @type {Pick<Texts, "button"> & Partial<Texts>} */
let texts;
/** @type {Intl.PluralRules} */
let plural;
/** @type {Intl.NumberFormat} */
let whole;
/** @type {Intl.NumberFormat} */
let short;

/**
 * @param {Pick<Texts, "button"> & Partial<Texts>} spoken
 * @param {string} language of the texts
 * @param {string} locale of the numbers
 */
export function speak(spoken, language, locale) {
  texts = spoken;
  plural = new Intl.PluralRules(language);
  whole = new Intl.NumberFormat(locale);
  short = new Intl.NumberFormat(locale, { notation: "compact", maximumFractionDigits: 1 });
}

/** @param {number} n */
export const formatted = (n) => whole.format(n);

/** @param {number} n */
export const shortened = (n) => (n > WHOLE_MAX ? short : whole).format(n);

/** @param {string} text @param {Record<string, string | number>} values numbers are written as people do */
const filled = (text, values) =>
  text.replace(/{(\w+)}/g, (_, key) => (typeof values[key] === "number" ? formatted(values[key]) : values[key]));

const kind = /** @type {(item: string) => Kind} */ (kindOf);

/** @param {string} item */
export const nameOf = (item) => texts.button.names[kind(item)] ?? texts.button.names.once;

/** @param {string} item @param {number} count */
export function unitOf(item, count) {
  const forms = /** @type {Record<string, string>} */ (texts.button.units[kind(item)]);
  return forms[plural.select(count)] ?? forms.other;
}

/** What the person has added. @param {string} item @param {number} n their own tally */
export function ownOf(item, n) {
  const { own } = texts.button;
  const max = tallyMax(item);
  if (kind(item) === "once") return n % 2 ? own.once : "";
  if (n === 0 || kind(item) === "tap") return n ? filled(own.tap, { n }) : "";
  return filled(n < max ? own.clap : own.clap_full, { n, max });
}

/** As a screen reader tells them, with a pause between. @param {string[]} texts */
export const sentences = (...texts) => texts.filter(Boolean).join(". ");

export const frozenText = () => texts.button.frozen;

/** What the person pressed waits: for a node, or for one that takes it. */
export const unsavedText = () => texts.button.unsaved;

/** Why a close is final. @param {number} code */
export const reasonOf = (code) =>
  /** @type {Record<string, string>} */ (texts.button.reasons)[code] ??
  filled(texts.button.reasons.other, { code: `${code}` });

/** A text of a part that this page speaks. @param {string} part @param {string} key @param {Record<string, string | number>} values */
export const textOf = (part, key, values = {}) => filled(/** @type {any} */ (texts)[part][key], values);

/** Whether there are words for this refusal of a press. @param {string} code */
export const hasNotice = (code) => code in (texts.notices ?? {});

/** Whether there are words for presses that wait for this. @param {string} name */
export const hasSaving = (name) => name in (texts.saving ?? {});

/** A number's digits from 0 to 9, as its readers write them. */
export const digits = () => [..."0123456789"].map((digit) => formatted(Number(digit)));

/** How the connection is. @param {import("./connection.js").State} state */
export const statusOf = ({ name, node, code }) =>
  textOf("status", name, { node, reason: name === "stopped" ? reasonOf(code) : "" });

/** @param {string} name @param {number} n how many presses wait */
export const savingOf = (name, n) => textOf("saving", name, { n });
