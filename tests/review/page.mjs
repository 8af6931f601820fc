// The review page in a real browser: `node page.mjs FOLDER PART ADDRESS [MORE]`, with playwright-core and axe-core in FOLDER.
// Pictures of what was seen are left in FOLDER/shots.
import { address, asks, browser, everyLook, judge, must, open, part, rest, resulted, shot, until } from "./browser.mjs";
import { story } from "./story.mjs";

const send = async (database, rows) => {
  const form = new FormData();
  form.append("dbdata", new Blob([rows.map((row) => JSON.stringify(row)).join("\n")]), "rows.jsonl");
  const query = `/action=ImportFaceDatabase&format=jsonl&synchronous=true&database=${encodeURIComponent(database)}`;
  await asks(query, form);
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
  const result = await resulted(page);
  await page.waitForSelector(".cluster");
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
  const hostile = await resulted(page);
  await everyLook(hostile + "?show=all", "hostile");
  await everyLook(hostile + "/cluster/1", "hostile-cluster");

  // A slow job is seen on its way and cancelled.
  await page.goto(address + "/review");
  await page.selectOption("select[name=database]", "slow");
  await withoutAudit(page);
  await page.click("button.primary");
  await page.waitForURL(/\/review\/job\//);
  await until(page, () => document.querySelector("[data-percent]")?.value > 3);
  const seen = await page.evaluate(() => document.querySelector("[data-percent]").value);
  await until(page, (seen) => document.querySelector("[data-percent]")?.value > seen, seen);
  await shot(page, "job-light");
  await judge(page, "a slow job");
  await page.click("button:has-text('Cancel')");
  await page.waitForSelector(".status.stopped");
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

const canned = async () => {
  const path = `/review/result/${rest[0]}/audit`;
  await everyLook(path, "canned");
  const page = await open("light");
  await page.goto(address + path);
  const decided = (n) => until(page, (n) => document.querySelectorAll(".finding.decided").length === n, n);
  // Twelve cards: six wrong identities, one pair, and one of each other kind.
  await page.keyboard.press("y"); await decided(1);
  await page.keyboard.press("n"); await decided(2);
  await page.keyboard.press("s"); await decided(3);
  await page.keyboard.press("y"); await decided(4);
  await page.keyboard.press("n"); await decided(5);
  await page.keyboard.press("j");
  await page.keyboard.press("y"); await decided(6);
  await shot(page, "canned-decided-light");
  await judge(page, "decided");
  await page.keyboard.press("u"); await decided(5);
  // This server knows of one decision, as one where the others were taken back elsewhere: only what was skipped is remembered.
  await page.reload();
  await decided(2);
  await page.keyboard.press("j");
  await page.locator("#f-s0").locator("form[data-key=n] button").click();
  await decided(3);
  // Split, set aside, several people; and on the next page set aside, right.
  for (const [at, key] of [..."yyn"].entries()) { await page.keyboard.press(key); await decided(4 + at); }
  await page.goto(address + path + "?page=2");
  for (const [at, key] of [..."yn"].entries()) { await page.keyboard.press(key); await decided(1 + at); }
  await judge(page, "odd kinds decided");
};

const drawn = () =>
  story("drawn", { clusterthreshold: "50", outputthreshold: "40" }, { misfiled: "yns", sameperson: "yn" });
const photos = () => story("photos", { clusterthreshold: "45", outputthreshold: "40" }, { misfiled: "yns", sameperson: "yn" });

try {
  await ({ jobs, canned, drawn, photos })[part]();
} finally {
  await browser.close();
}
