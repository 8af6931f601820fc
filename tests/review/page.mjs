// The review page in a real browser: `node page.mjs FOLDER PART ADDRESS`, with playwright-core and axe-core in FOLDER.
// Pictures of what was seen are left in FOLDER/shots.
import { mkdirSync } from "node:fs";
import { createRequire } from "node:module";
import { resolve } from "node:path";

const [folder, part, address, token] = process.argv.slice(2);
const load = createRequire(resolve(folder, "node_modules/x.js"));
const { chromium } = load("playwright-core");
const axe = load.resolve("axe-core/axe.min.js");
const shots = resolve(folder, "shots");
mkdirSync(shots, { recursive: true });

const must = (is, what) => { if (!is) throw new Error(what); };
const looks = {
  light: { colorScheme: "light", viewport: { width: 1280, height: 900 } },
  dark: { colorScheme: "dark", viewport: { width: 1280, height: 900 } },
  phone: { colorScheme: "light", viewport: { width: 360, height: 780 }, deviceScaleFactor: 2, hasTouch: true },
};

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM || "/usr/bin/chromium", args: ["--no-sandbox"] });
const open = async (look, more = {}) => {
  const context = await browser.newContext({ ...looks[look], ...more });
  const page = await context.newPage();
  page.errors = [];
  page.on("pageerror", (error) => page.errors.push(error.message));
  page.on("console", (message) => { if (message.type() === "error") page.errors.push(message.text()); });
  page.on("request", (request) => { if (!request.url().startsWith(address)) page.errors.push("asks elsewhere: " + request.url()); });
  page.on("dialog", (dialog) => { page.errors.push("a dialog: " + dialog.message()); dialog.dismiss(); });
  return page;
};

// Asks again until it is so; the page's policy forbids what waitForFunction does.
const until = async (page, is, given, seconds = 20) => {
  const end = Date.now() + seconds * 1000;
  while (!(await page.evaluate(is, given))) {
    must(Date.now() < end, `waited too long for ${is}; ${given}; ${page.errors.join("; ")}`);
    await new Promise((go) => setTimeout(go, 25));
  }
};

// axe is evaluated by the debugger, so that the page's own policy stands.
const judge = async (page, what) => {
  const source = (await import("node:fs")).readFileSync(axe, "utf8");
  await page.evaluate(source);
  const { violations } = await page.evaluate(() => window.axe.run());
  const serious = violations.filter((violation) => ["serious", "critical"].includes(violation.impact));
  must(serious.length === 0, what + ": " + serious.map((v) => v.id + " " + v.nodes.map((n) => n.html.slice(0, 160)).join(" | ")).join("\n"));
  must(page.errors.length === 0, what + ": " + page.errors.join("; "));
  const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  must(over <= 0, what + " is wider than the window by " + over);
};
// The same page in every look.
const everyLook = async (path, name) => {
  for (const look of Object.keys(looks)) {
    const page = await open(look);
    await page.goto(address + path, { waitUntil: "networkidle" });
    await page.screenshot({ path: resolve(shots, `${name}-${look}.png`) });
    await judge(page, `${name} ${look}`);
    await page.context().close();
  }
};

// From the page of a job to its result: of itself, or by its link if the job had ended before the page was there.
const resulted = async (page) => {
  await page.waitForURL(/\/review\/(job|result)\//);
  const end = Date.now() + 60000;
  while (!/\/review\/result\//.test(page.url())) {
    must(Date.now() < end, "the job has no result: " + page.url());
    const link = page.locator("a:has-text('Look at the result')");
    if (await link.count() > 0) await link.click({ timeout: 2000 }).catch(() => {});
    await new Promise((go) => setTimeout(go, 50));
  }
  await page.waitForLoadState();
};

const send = async (database, rows) => {
  const form = new FormData();
  form.append("dbdata", new Blob([rows.map((row) => JSON.stringify(row)).join("\n")]), "rows.jsonl");
  const query = `/action=ImportFaceDatabase&format=jsonl&synchronous=true&database=${encodeURIComponent(database)}`;
  const answer = await (await fetch(address + query, { method: "POST", body: form })).text();
  must(answer.includes("SUCCESS"), answer);
};
const withoutAudit = async (page) => {
  const box = page.locator("input[name=audit]");
  if (await box.count() > 0) await box.uncheck();
};
let seed = 7;
const random = () => { seed = (seed * 1103515245 + 12345) % 2147483648; return seed / 2147483648 - 0.5; };
const people = (names, images, dimension, spread) => names.flatMap((identifier) => {
  const own = Array.from({ length: dimension }, random);
  return Array.from({ length: images }, (_, image) => ({
    identifier, imagelabel: String(image), embedding: own.map((number) => number + random() * spread),
  }));
});

const jobs = async () => {
  await everyLook("/review", "empty");
  await send("people", people(Array.from({ length: 40 }, (_, n) => "person " + n), 5, 32, 0.5));
  const names = ["<script>alert(1)</script>", "\u202Egnp.exe", "\" onmouseover=\"alert(1)", "'><img src=x onerror=alert(1)>", "\u00e9".repeat(127), "a".repeat(254)];
  await send("<b>names</b>", people(names, 3, 8, 0.2));
  await send("slow", people(Array.from({ length: 1500 }, (_, n) => "p" + n), 5, 64, 0.6));

  // Start a job by its form, watch it to its end, look through it by keys.
  const page = await open("light");
  await page.goto(address + "/");
  must(page.url() === address + "/review", "the root leads to the page, not to " + page.url());
  await page.selectOption("select[name=database]", "people");
  await page.fill("input[name=clusterthreshold]", "80");
  await withoutAudit(page);
  await page.click("button.primary");
  await resulted(page);
  await page.waitForSelector(".cluster");
  const result = new URL(page.url()).pathname;
  await page.keyboard.press("j");
  await page.keyboard.press("j");
  await page.keyboard.press("k");
  must(await page.locator("[data-card].current").count() === 1, "one card is current");
  await page.keyboard.press("Enter");
  await page.waitForURL(/\/cluster\/\d+$/);
  await page.waitForSelector("table.matrix");
  await page.keyboard.press("?");
  must(await page.locator("dialog[open]").isVisible(), "the help opens");
  await page.keyboard.press("Escape");
  must(page.errors.length === 0, page.errors.join("; "));

  // The slider answers at once.
  await page.goto(address + result + "/threshold");
  const before = await page.textContent("[data-figures] .figures");
  await page.focus("input[type=range]");
  for (let i = 0; i < 30; i++) await page.keyboard.press("ArrowRight");
  await until(page, (then) => document.querySelector("[data-figures] .figures").textContent !== then, before);
  must(page.errors.length === 0, page.errors.join("; "));
  for (const [path, name] of [["", "result"], ["/cluster/1", "cluster"], ["/threshold", "threshold"], ["/sweep", "sweep"], ["/changes", "changes"], ["/audit", "no-audit"]]) {
    await everyLook(result + path, name);
  }

  // A row of the sweep leads to the form for a new run.
  await page.goto(address + result + "/sweep");
  const row = page.locator("table.sweep tbody tr").nth(2);
  const threshold = (await row.locator("th").textContent()).split(" ")[0];
  await row.locator("a").click();
  await page.waitForURL(/#new$/);
  must(await page.inputValue("input[name=clusterthreshold]") === threshold, "the threshold of the sweep is taken over");
  must((await page.inputValue("select[name=database]")).length > 0, "and its database");

  // Hostile names.
  await page.goto(address + "/review");
  await page.selectOption("select[name=database]", "<b>names</b>");
  await withoutAudit(page);
  await page.click("button.primary");
  await resulted(page);
  const hostile = new URL(page.url()).pathname;
  await everyLook(hostile + "?show=all", "hostile");
  await everyLook(hostile + "/cluster/1", "hostile-cluster");

  // A slow job is seen on its way and cancelled.
  await page.goto(address + "/review");
  await page.selectOption("select[name=database]", "slow");
  await withoutAudit(page);
  await page.click("button.primary");
  await page.waitForURL(/\/review\/job\//);
  await until(page, () => document.querySelector("[data-percent]")?.value > 3, null, 120);
  await page.screenshot({ path: resolve(shots, "job-light.png") });
  await judge(page, "a slow job");
  await page.click("button:has-text('Cancel')");
  await page.waitForSelector(".status.stopped", { timeout: 60000 });
  await everyLook("/review", "home");

  // Without the script everything can be read.
  const plain = await open("light", { javaScriptEnabled: false });
  for (const path of ["/review", result, result + "/cluster/1", result + "/threshold?at=90", result + "/sweep"]) {
    const answer = await plain.goto(address + path);
    must(answer.status() === 200 && (await plain.textContent("main")).length > 100, path + " without the script");
  }
  await everyLook("/review/decisions", "decisions");
  const lost = await open("light");
  must((await lost.goto(address + "/review/nowhere")).status() === 404, "a page that is not there");
};

const audit = async () => {
  const path = `/review/result/${token}/audit`;
  await everyLook(path, "audit");
  const page = await open("light");
  await page.goto(address + path);
  const decided = (n) => until(page, (n) => document.querySelectorAll(".finding.decided").length === n, n);
  // Seven cards: six wrong identities and one pair.
  await page.keyboard.press("y"); await decided(1);
  await page.keyboard.press("n"); await decided(2);
  await page.keyboard.press("s"); await decided(3);
  await page.keyboard.press("y"); await decided(4);
  await page.keyboard.press("n"); await decided(5);
  await page.keyboard.press("j");
  await page.keyboard.press("y"); await decided(6);
  await page.screenshot({ path: resolve(shots, "audit-decided-light.png") });
  await judge(page, "decided");
  await page.keyboard.press("u"); await decided(5);
  await page.reload();
  await decided(5);
  await page.keyboard.press("j");
  await page.locator("#f-s0").locator("form[data-key=n] button").click();
  await decided(6);
  must(page.errors.length === 0, page.errors.join("; "));
};

try {
  await ({ jobs, audit })[part]();
} finally {
  await browser.close();
}
