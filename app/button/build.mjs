/**
 * Builds `app/static/like-button.js` of the modules here and in `app/static`; `node build.mjs FILE` writes elsewhere.
 *
 * 1. One classic script in a function of its own: it leaves no global behind.
 * 2. Names of our own members are shortened too. What goes over the wire, into storage, or is the browser's must
 *    keep its name: only those listed in `private_names.txt` are taken.
 * 3. Beside it lies the same compressed, which is what nodes send, and the button's texts in each other language.
 * 4. What stands in for a WebSocket stays a module of its own, loaded from beside the script where it is needed.
 */

import { readFile, readdir, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { gzipAsync } from "@gfx/zopfli";
import { build, transform } from "esbuild";
import { minify } from "terser";

const path = (/** @type {string} */ name) => fileURLToPath(new URL(name, import.meta.url));
const names = (await readFile(path("private_names.txt"), "utf8")).split("\n").filter((line) => line && !line.startsWith("#"));

const style = {
  name: "style",
  setup({ onLoad }) {
    onLoad({ filter: /\.css$/ }, async ({ path: file }) => {
      const { code } = await transform(await readFile(file, "utf8"), { loader: "css", minify: true, target: "es2022" });
      return { contents: code.trim(), loader: "text" };
    });
  },
};

/** A button's texts in a language. Of the reasons that are a defect of this very script the number is enough. */
async function textsIn(/** @type {string} */ file) {
  const { button } = JSON.parse(await readFile(file, "utf8"));
  const { reasons, names: { once, clap } } = button; // What has no name of its own has that of `once`.
  return { button: { ...button, names: { once, clap }, reasons: { 4502: reasons[4502], other: reasons.other } } };
}

const english = {
  name: "english",
  setup({ onLoad }) {
    onLoad({ filter: /en\.json$/ }, async ({ path: file }) => ({ contents: JSON.stringify(await textsIn(file)), loader: "json" }));
  },
};

const others = (await readdir(path("../static/texts"))).map((file) => file.replace(".json", "")).filter((name) => name !== "en");

const { outputFiles } = await build({
  entryPoints: [path("element.js")],
  write: false,
  bundle: true,
  minify: true,
  format: "esm",
  banner: { js: "(()=>{" },
  footer: { js: "})();" },
  target: "es2022",
  charset: "utf8",
  mangleProps: new RegExp(`^(${names.join("|")})$`),
  define: { LANGUAGES: JSON.stringify(others) },
  plugins: [style, english],
});
// It finds another 200 bytes of 8 KB; what it would put in the place of calls compresses worse than they do.
const { code } = await minify(outputFiles[0].text, { ecma: 2022, compress: { passes: 4, pure_getters: true, inline: 1 } });
const file = process.argv[2] ?? path("../static/like-button.js");
await writeFile(file, `${code}\n`);
// What nodes send in its place to browsers that take it, as all do.
await writeFile(`${file}.gz`, await gzipAsync(Buffer.from(`${code}\n`), { numiterations: 50 }));
for (const language of others) {
  const texts = await textsIn(path(`../static/texts/${language}.json`));
  await writeFile(file.replace(/js$/, `${language}.json`), `${JSON.stringify(texts)}\n`);
}
