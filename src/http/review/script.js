// The review page, made live and given keys. Everything that can be read works without this.
"use strict";
(() => {
  const one = (selector, within = document) => within.querySelector(selector);
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  document.documentElement.classList.add("script");

  const said = one("#said");
  let silence = 0;
  const say = (text) => {
    if (!said) return;
    said.textContent = text;
    clearTimeout(silence);
    silence = setTimeout(() => { said.textContent = ""; }, 4000);
  };

  const ask = async (address, init = {}) => {
    const response = await fetch(address, { ...init, headers: { accept: "application/json", ...init.headers }, credentials: "same-origin" });
    const told = await response.json();
    if (!response.ok || told.ok === false) throw new Error(told.error || "The server answers " + response.status);
    return told;
  };

  // Jobs: asked for every second while one of those shown has not ended.
  const open = () => all("[data-job]:not([data-ended])");
  const show = (card, job) => {
    const status = one("[data-status]", card);
    if (status.textContent !== job.status) {
      status.textContent = job.status;
      status.className = "status " + job.status.toLowerCase();
    }
    const bar = one("[data-percent]", card);
    if (bar) bar.value = job.percent;
    const words = one("[data-told]", card);
    if (words) words.textContent = job.told;
  };
  const watch = async () => {
    const cards = open();
    if (cards.length === 0) return;
    let pause = document.hidden ? 5000 : 1000;
    try {
      const { jobs } = await ask("/review/jobs.json");
      const by = new Map(jobs.map((job) => [job.token, job]));
      for (const card of cards) {
        const job = by.get(card.dataset.job);
        if (job && !job.ended) { show(card, job); continue; }
        if (!job) continue;
        if (job.status === "Finished" && card.dataset.follow) location.assign(card.dataset.follow);
        else location.reload();
        return;
      }
    } catch (error) {
      say("The server does not answer; trying again.");
      pause = 4000;
    }
    setTimeout(watch, pause);
  };
  setTimeout(watch, 500);

  // A strip that is wider than the window shows what is chosen.
  for (const chosen of all(".tabs [aria-current], .kinds [aria-current]")) chosen.scrollIntoView({ block: "nearest", inline: "center" });

  // Choices that are shown at once.
  for (const select of all("[data-submit]")) select.addEventListener("change", () => select.form.requestSubmit());

  // The slider: the last position is what is shown, one question at a time.
  const slider = one("[data-threshold]");
  if (slider) {
    const range = one("[data-at]", slider), shown = one("[data-shown]", slider), figures = one("[data-figures]"), now = one("[data-now]");
    let busy = false, wanted = null;
    const move = async () => {
      if (busy || wanted === null) return;
      busy = true;
      const at = wanted;
      wanted = null;
      try {
        const told = await ask(slider.dataset.threshold + "?at=" + encodeURIComponent(at));
        figures.innerHTML = told.html; // made and escaped by the server
        history.replaceState(null, "", "?at=" + encodeURIComponent(at));
      } catch (error) { say(error.message); }
      busy = false;
      move();
    };
    range.addEventListener("input", () => {
      wanted = range.value;
      shown.textContent = Number(range.value).toFixed(2) + " %";
      if (now) {
        const x = (range.value - range.min) / Math.max(range.max - range.min, 0.01) * 300 + 4;
        now.setAttribute("x1", x);
        now.setAttribute("x2", x);
      }
      move();
    });
  }

  // The audit: answers are sent without leaving the page, remembered while the window is open, and taken back.
  const findings = one("[data-findings]");
  const memory = findings ? "faceclique-" + findings.dataset.findings : "";
  const remembered = () => JSON.parse(sessionStorage.getItem(memory) || "[]");
  const remember = (list) => sessionStorage.setItem(memory, JSON.stringify(list));
  const forget = (id) => remember(remembered().filter((entry) => entry.id !== id));
  const mark = (card, words) => {
    card.classList.toggle("decided", words !== null);
    one("[data-verdict]", card).textContent = words === null ? "" : words;
    const undo = one("button[data-key=u]", card);
    if (undo) undo.hidden = words === null || one("form[data-key=u]", card) !== null;
  };
  const cardOf = (id) => all("[data-finding]").find((card) => card.dataset.finding === id);
  const answer = async (card, form) => {
    if (!card || !form || card.classList.contains("decided") || card.dataset.busy) return;
    card.dataset.busy = "1";
    const words = one("button", form).firstChild.textContent.trim();
    try {
      const told = await ask(form.getAttribute("action"), { method: "POST", body: new URLSearchParams(new FormData(form)) });
      mark(card, words);
      remember([...remembered(), { id: card.dataset.finding, words, undo: told.undo }]);
      say(words + ". u takes it back.");
      advance();
    } catch (error) { say(error.message); }
    delete card.dataset.busy;
  };
  const skip = (card) => {
    if (!card || card.classList.contains("decided")) return;
    mark(card, "Skipped");
    remember([...remembered(), { id: card.dataset.finding, words: "Skipped" }]);
    advance();
  };
  const takeBack = async (id) => {
    const list = remembered();
    const place = id ? list.findLastIndex((entry) => entry.id === id) : list.length - 1;
    if (place < 0) { say("There is nothing to take back."); return; }
    const entry = list[place], card = cardOf(entry.id);
    try {
      if (entry.words !== "Skipped") {
        if (!entry.undo) throw new Error("This cannot be taken back from here.");
        const visit = one("input[name=visit]", findings).value;
        await ask("/review/act", { method: "POST", body: new URLSearchParams({ ...entry.undo, visit, back: "/review" }) });
      }
      list.splice(place, 1);
      remember(list);
      const form = card && one("form[data-key=u]", card);
      if (form) form.remove();
      if (card) { mark(card, null); go(cards().indexOf(card)); }
      say("Taken back: " + entry.words + ".");
    } catch (error) { say(error.message); }
  };
  const advance = () => {
    const list = cards();
    const next = list.findIndex((card, place) => place > at && !card.classList.contains("decided"));
    if (next >= 0) go(next);
    else say("That was the last on this page.");
  };
  if (findings) {
    // What was taken back elsewhere is not answered any more: the server knows of no answer to that card.
    const isOpen = ({ id, words }) => words !== "Skipped" && cardOf(id) && !one("form[data-key=u]", cardOf(id));
    remember(remembered().filter((entry) => !isOpen(entry)));
    for (const { id, words } of remembered()) { const card = cardOf(id); if (card) mark(card, words); }
    findings.addEventListener("submit", async (event) => {
      const form = event.target, card = form.closest("[data-finding]");
      event.preventDefault();
      at = cards().indexOf(card);
      if (form.dataset.key !== "u") { answer(card, form); return; }
      try {
        await ask(form.getAttribute("action"), { method: "POST", body: new URLSearchParams(new FormData(form)) });
        form.remove();
        forget(card.dataset.finding);
        mark(card, null);
        say("Taken back.");
      } catch (error) { say(error.message); }
    });
    findings.addEventListener("click", (event) => {
      const button = event.target.closest("button[type=button][data-key]");
      if (!button) return;
      const card = button.closest("[data-finding]");
      at = cards().indexOf(card);
      if (button.dataset.key === "s") skip(card); else takeBack(card.dataset.finding);
    });
  }

  // Keys.
  const help = one("#help");
  const openHelp = () => { if (help && !help.open) help.showModal(); };
  for (const link of all("[data-help]")) link.addEventListener("click", (event) => { event.preventDefault(); openHelp(); });
  for (const link of all("[data-close]")) link.addEventListener("click", (event) => { event.preventDefault(); help.close(); });
  const cards = () => all("[data-card]");
  let at = -1;
  const go = (place) => {
    const list = cards();
    if (list.length === 0) return;
    for (const card of list) card.classList.remove("current");
    at = Math.min(Math.max(place, 0), list.length - 1);
    const card = list[at];
    card.classList.add("current");
    card.scrollIntoView({ block: card.offsetHeight < innerHeight ? "center" : "start" });
    const focus = card.matches("a, [tabindex]") ? card : one("a", card);
    if (focus) focus.focus({ preventScroll: true });
  };
  const step = (by) => go(at + by);
  if (findings && cards().length > 0) {
    const first = cards().findIndex((card) => !card.classList.contains("decided"));
    if (!location.hash) { at = Math.max(first, 0); cards()[at].classList.add("current"); }
  }
  const follow = (selector) => { const link = one(selector); if (link) link.click(); };
  const decide = (key) => {
    const card = findings && cards()[at];
    if (!card) return;
    const form = one("form[data-key=" + key + "]", card);
    if (form) answer(card, form); else say("This has no such answer here; s skips it.");
  };
  const keys = {
    "?": openHelp,
    h: () => location.assign("/review"),
    j: () => step(1),
    k: () => step(-1),
    "]": () => follow("a[rel=next]"),
    "[": () => follow("a[rel=prev]"),
    y: () => decide("y"),
    n: () => decide("n"),
    s: () => { if (findings) skip(cards()[at]); },
    u: () => { if (findings) takeBack(); },
    "/": () => { const find = one("[data-find]"); if (find) find.focus(); },
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (event.target.matches("input:not([type=checkbox]):not([type=range]), select, textarea")) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    if (help && help.open) return;
    const action = keys[event.key];
    if (action) { event.preventDefault(); action(event); }
  });
})();
