// Drives Firefox for `firefox.py`: a JSON request in each line of standard input, its answer in a line of standard output.

import { createInterface } from "node:readline";
import puppeteer from "puppeteer-core";

const browser = await puppeteer.launch({
  browser: "firefox",
  executablePath: process.argv[2],
  // It talks to nobody but the nodes.
  extraPrefsFirefox: {
    "app.update.enabled": false,
    "network.captive-portal-service.enabled": false,
    "network.connectivity-service.enabled": false,
    "datareporting.policy.dataSubmissionEnabled": false,
    "browser.safebrowsing.malware.enabled": false,
    "browser.safebrowsing.phishing.enabled": false,
    "services.settings.server": "http://127.0.0.1:9/",
  },
});
const people = [];
const pages = [];
const complaints = [];

/**
 * Every lost connection is reported as an error, and so are an icon that a blog's policy forbids and a cookie that a
 * frame on another site may not set; all else is ours.
 */
const NOT_OURS = /WebSocket|establish a connection|NS_ERROR|NetworkError|favicon\.ico|rejected because it is in a cross-site/;

function complain(text) {
  if (!NOT_OURS.test(text)) complaints.push(text);
}

function hear(page) {
  page.on("pageerror", (error) => complain(`uncaught: ${error.message}`));
  page.on("console", (message) => {
    if (["error", "warn"].includes(message.type())) complain(message.text());
  });
}

const acts = {
  meet: async () => people.push(await browser.createBrowserContext()) - 1,
  open: async ({ person, address, script }) => {
    const page = await people[person].newPage();
    hear(page);
    if (script) await page.evaluateOnNewDocument(script);
    await page.goto(address);
    return pages.push(page) - 1;
  },
  evaluateFramed: ({ page, script }) => pages[page].frames()[1].evaluate(script),
  evaluate: ({ page, script }) => pages[page].evaluate(script),
  click: ({ page, selector, times }) => pages[page].click(selector, { count: times }),
  size: async ({ page, width, height }) => void (await pages[page].setViewport({ width, height })),
  key: ({ page, key }) => pages[page].keyboard.press(key),
  reload: async ({ page }) => void (await pages[page].reload()),
  go: async ({ page, address }) => void (await pages[page].goto(address)),
  back: async ({ page }) => void (await pages[page].goBack()),
  complaints: () => complaints.splice(0),
  leave: ({ person }) => people[person].close(),
};

for await (const line of createInterface({ input: process.stdin })) {
  const { act, ...wish } = JSON.parse(line);
  let answer;
  try {
    answer = { value: (await acts[act](wish)) ?? null };
  } catch (error) {
    answer = { error: String(error) };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
await browser.close();
