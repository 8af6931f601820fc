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

  // Keys.
  const help = one("#help");
  const openHelp = () => { if (help && !help.open) help.showModal(); };
  for (const link of all("[data-help]")) link.addEventListener("click", (event) => { event.preventDefault(); openHelp(); });
  for (const link of all("[data-close]")) link.addEventListener("click", (event) => { event.preventDefault(); help.close(); });
  const cards = () => all("[data-card]");
  let at = -1;
  const step = (by) => {
    const list = cards();
    if (list.length === 0) return;
    if (list[at]) list[at].classList.remove("current");
    at = Math.min(Math.max(at + by, 0), list.length - 1);
    list[at].classList.add("current");
    list[at].scrollIntoView({ block: "center" });
    const focus = list[at].matches("a") ? list[at] : one("a", list[at]);
    if (focus) focus.focus({ preventScroll: true });
  };
  const follow = (selector) => { const link = one(selector); if (link) link.click(); };
  const keys = {
    "?": openHelp,
    h: () => location.assign("/review"),
    j: () => step(1),
    k: () => step(-1),
    "]": () => follow("a[rel=next]"),
    "[": () => follow("a[rel=prev]"),
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
