// What changes on an open page: parts of it are made anew by the server and put in their places.
// Each page works without this script; with it, nobody has to load it again.
"use strict";

const banner = document.getElementById("banner");
const SHOW_LOST_AFTER = 4000; // ms: a connection that is back sooner is not worth a word
const ASK_AGAIN_AFTER = 5000; // ms
const MOST_LINES = 2000; // of a log in the page; all are in the store

// Times: the reader's zone first, UTC beside it.

const two = (number) => String(number).padStart(2, "0");

function inZone(moment, as) {
  const clock = `${two(moment.getHours())}:${two(moment.getMinutes())}:${two(moment.getSeconds())}`;
  const today = moment.toDateString() === new Date().toDateString();
  if (as === "clock" || (as === "list" && today)) return clock;
  const day = `${two(moment.getMonth() + 1)}-${two(moment.getDate())}`;
  return as === "list" ? `${day} ${clock}` : `${moment.getFullYear()}-${day} ${clock}`;
}

function tellTimes(root) {
  for (const each of root.querySelectorAll("time[datetime]:not([data-told])")) {
    const moment = new Date(each.dateTime);
    if (Number.isNaN(moment.getTime())) continue;
    each.dataset.told = "";
    const utc = each.textContent.trim();
    const as = each.dataset.as;
    each.title = as === "clock" ? `${utc} UTC` : utc;
    if (moment.getTimezoneOffset() === 0) continue;
    each.textContent = inZone(moment, as);
    if (as !== "clock") {
      const beside = document.createElement("span");
      beside.className = "utc";
      const sameDay = moment.getDate() === moment.getUTCDate();
      beside.textContent = ` ${sameDay ? utc.slice(11) : utc.slice(5)}`;
      each.append(beside);
    }
  }
}

// How long something has taken so far.

function spell(seconds) {
  if (seconds < 60) return `${seconds.toFixed(0)} s`;
  const whole = Math.round(seconds);
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

function tick() {
  for (const each of document.querySelectorAll("[data-since]")) {
    const seconds = (Date.now() - new Date(each.dataset.since)) / 1000;
    if (seconds >= 1) each.textContent = spell(seconds);
  }
}

// Parts of the page.

function made(html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  tellTimes(template.content);
  return template.content;
}

function put(identity, html) {
  const old = document.getElementById(identity);
  if (!old) return;
  const open = [...old.querySelectorAll("details[open][data-keep]")].map((each) => each.dataset.keep);
  const links = [...old.querySelectorAll("a, button, summary, [tabindex]")];
  const focused = links.indexOf(document.activeElement);
  const content = made(html);
  const fresh = content.firstElementChild;
  for (const each of content.querySelectorAll("details[data-keep]")) {
    each.open = open.includes(each.dataset.keep);
  }
  old.replaceWith(fresh);
  // Whoever uses the keyboard stays where they were.
  if (focused >= 0) fresh.querySelectorAll("a, button, summary, [tabindex]")[focused]?.focus();
}

function add(identity, html) {
  const list = document.getElementById(identity);
  if (!list) return;
  const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
  list.append(made(html));
  document.getElementById("no-log")?.remove();
  while (list.children.length > MOST_LINES) list.firstElementChild.remove();
  if (atEnd) list.scrollTop = list.scrollHeight;
}

// The stream.

let away = "";
let lost = false;

function tellBanner() {
  const text = away || (lost ? "Not connected: what is shown may be old. Trying again…" : "");
  banner.textContent = text;
  banner.hidden = !text;
  banner.classList.toggle("is-away", Boolean(away));
}

function follow(address) {
  let source = null;
  let place = "";
  let timer = 0;
  let again = 0;

  function noticeLoss() {
    if (!timer) {
      timer = setTimeout(() => {
        lost = true;
        tellBanner();
      }, SHOW_LOST_AFTER);
    }
    // A refusal ends the source for good: the script asks again where the browser does not.
    if (source.readyState === EventSource.CLOSED && !again) {
      again = setTimeout(begin, ASK_AGAIN_AFTER);
    }
  }

  function noticeLife() {
    clearTimeout(timer);
    timer = 0;
    lost = false;
    tellBanner();
  }

  function begin() {
    end();
    const url = new URL(address, location.href);
    if (place) url.searchParams.set("after", place);
    source = new EventSource(url);
    source.onopen = noticeLife;
    source.onerror = noticeLoss;
    source.addEventListener("fragment", (event) => {
      const { id, html } = JSON.parse(event.data);
      put(id, html);
    });
    source.addEventListener("lines", (event) => {
      const { id, html } = JSON.parse(event.data);
      place = event.lastEventId;
      add(id, html);
    });
    source.addEventListener("store", (event) => {
      const { available, detail } = JSON.parse(event.data);
      away = available ? "" : `The store cannot be reached; this page goes on by itself once it is back. ${detail}`;
      tellBanner();
    });
  }

  function end() {
    clearTimeout(again);
    again = 0;
    source?.close();
    source = null;
  }

  // A page that nobody sees keeps no connection: a browser has few for each host.
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) end();
    else if (!source) begin();
  });
  addEventListener("pagehide", end);
  addEventListener("pageshow", (event) => {
    if (event.persisted) begin();
  });
  if (!document.hidden) begin();
}

tellTimes(document);
tick();
setInterval(tick, 1000);
const log = document.getElementById("log");
if (log) log.scrollTop = log.scrollHeight;
if (document.body.dataset.live) follow(document.body.dataset.live);
