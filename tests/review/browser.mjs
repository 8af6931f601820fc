// What all parts of page.mjs need: a browser that notices everything that is not as it should be, in every look.
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { resolve } from "node:path";

export const [folder, part, address, ...rest] = process.argv.slice(2);
const load = createRequire(resolve(folder, "node_modules/x.js"));
const { chromium } = load("playwright-core");
const axe = readFileSync(load.resolve("axe-core/axe.min.js"), "utf8");
const shots = resolve(folder, "shots");
mkdirSync(shots, { recursive: true });

export const must = (is, what) => { if (!is) throw new Error(what); };
const looks = {
  light: { colorScheme: "light", viewport: { width: 1280, height: 900 } },
  dark: { colorScheme: "dark", viewport: { width: 1280, height: 900 } },
  phone: { colorScheme: "light", viewport: { width: 360, height: 780 }, deviceScaleFactor: 2, hasTouch: true },
};

// Nothing that a busy machine does late is an error.
const PATIENCE = 120000;

export const browser = await chromium.launch({ executablePath: process.env.CHROMIUM || "/usr/bin/chromium", args: ["--no-sandbox", "--disable-gpu"] });
export const open = async (look, more = {}) => {
  const context = await browser.newContext({ ...looks[look], ...more });
  context.setDefaultTimeout(PATIENCE);
  const page = await context.newPage();
  page.errors = [];
  page.on("pageerror", (error) => page.errors.push(error.message));
  page.on("console", (message) => { if (message.type() === "error") page.errors.push(message.text()); });
  page.on("request", (request) => { if (!request.url().startsWith(address)) page.errors.push("asks elsewhere: " + request.url()); });
  page.on("dialog", (dialog) => { page.errors.push("a dialog: " + dialog.message()); dialog.dismiss(); });
  return page;
};

// Asks again until it is so; the page's policy forbids what waitForFunction does.
export const until = async (page, is, given) => {
  const end = Date.now() + PATIENCE;
  while (!(await page.evaluate(is, given))) {
    must(Date.now() < end, `waited too long for ${is}; ${given}; ${page.errors.join("; ")}`);
    await new Promise((go) => setTimeout(go, 25));
  }
};

export const shot = (page, name) => page.screenshot({ path: resolve(shots, `${name}.png`) });

// axe is evaluated by the debugger, so that the page's own policy stands.
export const judge = async (page, what) => {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => window.axe.run({ resultTypes: ["violations"] }));
  const serious = violations.filter((violation) => ["serious", "critical"].includes(violation.impact));
  must(serious.length === 0, what + ": " + serious.map((v) => v.id + " " + v.nodes.map((n) => n.html.slice(0, 160)).join(" | ")).join("\n"));
  must(page.errors.length === 0, what + ": " + page.errors.join("; "));
  const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  must(over <= 0, what + " is wider than the window by " + over);
};

// A page in one look, in a window of that look that is kept.
const windows = {};
export const inLook = async (look, path, name) => {
  const page = windows[look] ??= await open(look);
  await page.goto(address + path, { waitUntil: "networkidle" });
  await shot(page, `${name}-${look}`);
  await judge(page, `${name} ${look}`);
};
// The same page in every look.
export const everyLook = async (path, name) => {
  for (const look of Object.keys(looks)) await inLook(look, path, name);
};

// From the page of a job to its result: of itself, or by its link if the job had ended before the page was there.
export const resulted = async (page) => {
  await page.waitForURL(/\/review\/(job|result)\//);
  const end = Date.now() + PATIENCE;
  while (!/\/review\/result\//.test(page.url())) {
    must(Date.now() < end, "the job has no result: " + page.url());
    const link = page.locator("a:has-text('Look at the result')");
    if (await link.count() > 0) await link.click({ timeout: 2000 }).catch(() => {});
    await new Promise((go) => setTimeout(go, 50));
  }
  await page.waitForLoadState();
  return new URL(page.url()).pathname;
};

export const asks = async (query, body) => {
  const answer = await (await fetch(address + query, body ? { method: "POST", body } : {})).text();
  must(answer.includes("SUCCESS"), query + ": " + answer);
  return answer;
};
