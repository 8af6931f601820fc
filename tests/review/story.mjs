// The whole story on a real database with planted errors: a job started, watched and looked through, findings decided by
// keys, one taken back, the job once more, and what has become of it.
import { address, asks, everyLook, inLook, judge, must, open, shot, until } from "./browser.mjs";

// A job that is started while its queue is paused is seen to wait, and then to end, without a hand.
const started = async (page, name, start) => {
  await asks("/action=QueueInfo&queuename=FaceClustering&queueaction=pause");
  await start();
  await page.waitForURL(/\/review\/job\//);
  await page.waitForSelector(".job.large progress");
  must(await page.textContent("[data-status]") === "Queued", "it waits");
  await shot(page, `${name}-job-light`);
  await judge(page, `${name} job`);
  await asks("/action=QueueInfo&queuename=FaceClustering&queueaction=resume");
  await page.waitForURL(/\/review\/result\//);
  await page.waitForLoadState();
  return new URL(page.url()).pathname;
};

// The keys that are pressed on the cards of each kind, one after the other; what each was pressed on.
const decided = async (page, result, answers) => {
  const pressed = [];
  for (const [kind, keys] of Object.entries(answers)) {
    await page.goto(`${address}${result}/audit?kind=${kind}`);
    const ids = await page.locator("[data-finding]").evaluateAll((cards) => cards.map((card) => card.dataset.finding));
    must(ids.length >= keys.length, `${ids.length} findings of the kind ${kind}`);
    for (const [at, key] of [...keys].entries()) {
      must(await page.locator(".finding.current").getAttribute("data-finding") === ids[at], "the next card is current");
      await page.keyboard.press(key);
      await until(page, (id) => document.getElementById("f-" + id).classList.contains("decided"), ids[at]);
      pressed.push({ kind, key, id: ids[at] });
    }
  }
  return pressed;
};

// What is asked of each kind in an audit.
const asked = async (page, result, kinds) => {
  const ids = [];
  for (const kind of kinds) {
    await page.goto(`${address}${result}/audit?kind=${kind}`);
    ids.push(...await page.locator("[data-finding]").evaluateAll((cards) => cards.map((card) => card.dataset.finding)));
    must(await page.locator(".finding.decided").count() === 0, "nothing of it is answered yet");
  }
  return ids;
};

export const story = async (name, thresholds, answers) => {
  const kinds = Object.keys(answers);
  await everyLook("/review", `${name}-home`);
  const page = await open("light");
  await page.goto(address + "/");
  await page.selectOption("select[name=database]", "people");
  for (const [field, value] of Object.entries(thresholds)) await page.fill(`input[name=${field}]`, value);
  must(await page.locator("input[name=audit]").isChecked(), "the audit is asked for unless one does not want it");
  const first = await started(page, name, () => page.click("button.primary"));
  await everyLook(first, `${name}-result`);
  await page.keyboard.press("j");
  await page.keyboard.press("Enter");
  await page.waitForURL(/\/cluster\/\d+$/);
  await everyLook(new URL(page.url()).pathname, `${name}-cluster`);
  await page.goBack();
  await page.click(".tabs a:has-text('Audit')");
  await page.waitForSelector(".finding.current");
  await everyLook(`${first}/audit`, `${name}-audit`);
  const offered = await page.locator(".kinds a[href*=kind]").evaluateAll((links) => links.map((link) => new URL(link.href).searchParams.get("kind")));
  for (const [at, kind] of offered.entries()) {
    await inLook(["light", "dark", "phone"][at % 3], `${first}/audit?kind=${kind}`, `${name}-audit-${kind}`);
  }

  // Decide, take the last one back, and find all of it again on the page.
  const pressed = await decided(page, first, answers);
  const last = pressed.at(-1);
  await page.keyboard.press("u");
  await until(page, (id) => !document.getElementById("f-" + id).classList.contains("decided"), last.id);
  await shot(page, `${name}-decided-light`);
  await judge(page, `${name} decided`);
  await page.reload();
  for (const { kind, id } of pressed) {
    if (kind !== last.kind) continue;
    const is = await page.locator(`[data-finding="${id}"]`).evaluate((card) => card.classList.contains("decided"));
    must(is === (id !== last.id), `${id} after the page was loaded again`);
  }
  await everyLook(`${first}/audit?kind=${kinds[0]}`, `${name}-decided`);
  await everyLook("/review/decisions", `${name}-decisions`);

  // Once more: what was answered is not asked again, what was skipped or taken back is.
  await page.goto(`${address}${first}/audit?kind=${kinds[0]}`);
  const second = await started(page, `${name}-again`, () => page.click("form.again button"));
  must(second !== first, "another result");
  const still = await asked(page, second, kinds);
  for (const { key, id } of pressed) {
    must(still.includes(id) === (key === "s" || id === last.id), `${id}, answered by ${key}, is ${still.includes(id) ? "still" : "not"} asked`);
  }
  await page.click(".tabs a:has-text('Changes')");
  await page.waitForURL(/\/changes$/);
  must((await page.textContent("main")).includes("Compared with"), "it is compared with the run before");
  await everyLook(new URL(page.url()).pathname, `${name}-changes`);
  must(page.errors.length === 0, page.errors.join("; "));
};
