"use strict";
// What pages do beyond what they do without this: times in the reader's zone, and news as it comes.

(function () {
  const SLOW = 4000; // milliseconds without a connection before it is said

  function localise(root) {
    for (const time of root.querySelectorAll("time:not([data-local])")) {
      const moment = new Date(time.dateTime);
      if (isNaN(moment)) continue;
      const utc = time.textContent;
      time.dataset.local = "yes";
      const today = moment.toDateString() === new Date().toDateString();
      const shown = today ? moment.toLocaleTimeString() : moment.toLocaleString();
      const small = document.createElement("small");
      small.textContent = utc;
      time.replaceChildren(shown + " ", small);
    }
  }

  function say(text) {
    const banner = document.getElementById("store-banner");
    banner.textContent = text;
    banner.hidden = !text;
  }

  function element(html) {
    const made = document.createElement("template");
    made.innerHTML = html.trim();
    localise(made.content);
    return made.content.firstElementChild;
  }

  function replace(news) {
    const old = document.getElementById(news.id);
    if (!old) return;
    const focused = old.contains(document.activeElement) ? document.activeElement : null;
    const opened = [...old.querySelectorAll("details")].map((each) => each.open);
    const made = element(news.html);
    old.replaceWith(made);
    made.querySelectorAll("details").forEach((each, at) => {
      if (at < opened.length) each.open = opened[at];
    });
    if (focused) {
      const same = [...made.querySelectorAll(focused.tagName)].find(
        (each) => each.textContent === focused.textContent
      );
      if (same) same.focus();
    }
  }

  function append(news) {
    const log = document.getElementById(news.id);
    const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
    log.append(element(news.html));
    document.getElementById("no-log")?.remove();
    if (atEnd) log.scrollTop = log.scrollHeight;
  }

  let source = null;
  let ended = false;
  let silence = 0;
  let place = "";

  function address() {
    const url = new URL(document.body.dataset.live, location.href);
    // A log goes on where it was left.
    if (place) url.searchParams.set("after", place);
    return url;
  }

  function listen() {
    if (source || ended) return;
    source = new EventSource(address());
    source.onopen = () => {
      clearTimeout(silence);
      silence = 0;
      say("");
    };
    source.onerror = () => {
      silence ||= setTimeout(() => say("Not connected: what is shown may be old. Trying again…"), SLOW);
      if (source && source.readyState === EventSource.CLOSED) {
        source = null;
        setTimeout(listen, SLOW);
      }
    };
    source.addEventListener("fragment", (event) => replace(JSON.parse(event.data)));
    source.addEventListener("line", (event) => {
      place = event.lastEventId;
      append(JSON.parse(event.data));
    });
    source.addEventListener("store", (event) => {
      const news = JSON.parse(event.data);
      say(news.available ? "" : "The store cannot be reached: what is shown may be old. " + news.detail);
    });
    source.addEventListener("end", () => {
      ended = true;
      source.close();
    });
  }

  function hush() {
    if (source) source.close();
    source = null;
    clearTimeout(silence);
    silence = 0;
  }

  localise(document);
  const log = document.getElementById("log");
  if (log) log.scrollTop = log.scrollHeight;
  if (document.body.dataset.live) {
    listen();
    // A browser opens few connections to one host: a page that nobody sees gives its own up.
    document.addEventListener("visibilitychange", () => (document.hidden ? hush() : listen()));
  }
})();
