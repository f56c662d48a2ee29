// What a page does beyond links and forms: live updates, clips on cards, frame stepping, takes in step, keys.
"use strict";

const body = document.body;
const versions = { cards: {} };

// -- live: the server sends versions, the page asks for the parts whose version it lacks -------------------------------

async function refresh(element, address) {
  const answer = await fetch(address, { headers: { Accept: "text/html" } });
  if (answer.ok) element.innerHTML = await answer.text(); // escaped by the server, and no script of it would run
}

async function refreshCard(id) {
  const old = document.getElementById(`card-${id}`);
  if (!old) return;
  const answer = await fetch(old.parentElement.dataset.cards + encodeURIComponent(id));
  if (!answer.ok) return;
  const holder = document.createElement("template");
  holder.innerHTML = await answer.text();
  const focused = old.contains(document.activeElement);
  const card = holder.content.querySelector("article");
  old.replaceWith(card);
  if (focused) card.querySelector("a").focus();
  if (playing) playClip(card);
}

async function refreshRuns() {
  const answer = await fetch("/");
  if (!answer.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  document.getElementById("runs").replaceWith(document.adoptNode(page.getElementById("runs")));
}

function applyVersions(now, first) {
  if (body.dataset.page === "draft" && now.cards) { location.reload(); return; } // it is rendered now
  if (body.dataset.page === "runs" && !first && now.jobs !== versions.jobs) refreshRuns();
  for (const part of ["jobs", "head"]) {
    const element = document.getElementById(part);
    // The page may be older than the connection, so what is shown at first is asked for as well.
    if (element && now[part] && now[part] !== versions[part]) refresh(element, element.dataset.fragment);
    versions[part] = now[part];
  }
  const changed = Object.entries(now.cards || {}).filter(([id, version]) => versions.cards[id] !== version);
  if (body.dataset.page === "board") {
    const missing = changed.some(([id]) => !document.getElementById(`card-${id}`));
    const seen = Object.keys(versions.cards).length > 0;
    if (missing && seen) { location.reload(); return; } // the story has other shots now
    // Between page and connection a shot in work may have changed; a finished one is as it was drawn.
    for (const [id] of changed) {
      if (!first || !document.getElementById(`card-${id}`)?.classList.contains("finished")) refreshCard(id);
    }
  }
  if (body.dataset.page === "shot" && !first && changed.some(([id]) => id === body.dataset.shot)) {
    document.getElementById("changed").hidden = false;
  }
  Object.assign(versions.cards, now.cards || {});
}

function listen() {
  if (!body.dataset.live) return;
  let opened = 0;
  const source = new EventSource(body.dataset.live);
  source.onopen = () => { opened += 1; };
  source.onmessage = (message) => {
    const now = JSON.parse(message.data);
    const first = opened <= 1 && !versions.jobs;
    applyVersions(now, first);
    body.dataset.connected = "yes";
  };
  addEventListener("pagehide", () => source.close());
}

// -- clips on cards ------------------------------------------------------------------------------------------------

let playing = false;

function playClip(card) {
  const frame = card.querySelector(".frame[data-clip]");
  if (!frame || frame.querySelector("video")) return;
  const video = document.createElement("video");
  Object.assign(video, { src: frame.dataset.clip, muted: true, loop: true, autoplay: true, playsInline: true });
  video.setAttribute("aria-hidden", "true");
  video.addEventListener("loadeddata", () => { const still = frame.querySelector("img"); if (still) still.hidden = true; });
  frame.append(video);
}

function stopClip(card) {
  const frame = card.querySelector(".frame");
  const video = frame && frame.querySelector("video");
  if (!video) return;
  video.remove();
  const still = frame.querySelector("img");
  if (still) still.hidden = false;
}

function clips() {
  const seen = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) (playing && isIntersecting ? playClip : stopClip)(target);
  });
  for (const name of ["pointerover", "focusin"]) addEventListener(name, (event) => {
    const card = event.target.closest && event.target.closest(".card");
    if (card) playClip(card);
  });
  for (const name of ["pointerout", "focusout"]) addEventListener(name, (event) => {
    const card = event.target.closest && event.target.closest(".card");
    if (card && !playing && !card.contains(event.relatedTarget)) stopClip(card);
  });
  const all = document.getElementById("play-all");
  if (all) all.addEventListener("click", () => {
    playing = !playing;
    all.setAttribute("aria-pressed", String(playing));
    all.textContent = playing ? "Stop all" : "Play all";
    seen.disconnect();
    for (const card of document.querySelectorAll(".card")) playing ? seen.observe(card) : stopClip(card);
  });
}

// -- player and takes ----------------------------------------------------------------------------------------------

function player() {
  const section = document.querySelector(".player");
  const video = section && section.querySelector("video");
  if (!video) return null;
  const fps = Number(section.dataset.fps);
  const output = section.querySelector("output");
  const frame = () => Math.floor(video.currentTime * fps + 0.5e-3);
  const show = () => { output.textContent = `frame ${frame()}`; };
  const step = (by) => {
    video.pause();
    const last = Math.max(0, Math.round(video.duration * fps) - 1);
    // The middle of a frame: its edges are rounded to one side or the other.
    video.currentTime = (Math.min(last, Math.max(0, frame() + by)) + 0.5) / fps;
  };
  for (const button of section.querySelectorAll("[data-step]")) {
    button.addEventListener("click", () => step(Number(button.dataset.step)));
  }
  for (const name of ["timeupdate", "seeked"]) video.addEventListener(name, show);
  return { step, toggle: () => (video.paused ? video.play() : video.pause()) };
}

function takesTogether() {
  const button = document.getElementById("together");
  if (!button) return;
  const videos = [...document.querySelectorAll(".take video")];
  let running = false;
  button.addEventListener("click", () => {
    running = !running;
    button.textContent = running ? "Stop" : "Play side by side";
    for (const video of videos) {
      video.currentTime = 0;
      running ? video.play() : video.pause();
    }
  });
  const leader = videos[0];
  if (leader) leader.addEventListener("timeupdate", () => {
    for (const video of videos.slice(1)) {
      if (running && Math.abs(video.currentTime - leader.currentTime) > 0.1) video.currentTime = leader.currentTime;
    }
  });
}

// -- keys ------------------------------------------------------------------------------------------------------------

function nextCard(by) {
  const cards = [...document.querySelectorAll(".card")];
  const at = cards.findIndex((card) => card.contains(document.activeElement));
  const next = cards[Math.min(cards.length - 1, Math.max(0, at + by))];
  if (next) { next.querySelector("h3 a").focus(); next.scrollIntoView({ block: "nearest" }); }
}

function follow(selector) {
  const link = document.querySelector(selector);
  if (link) location.assign(link.href);
}

function keys(film) {
  const onShot = body.dataset.page === "shot";
  const act = {
    j: () => (onShot ? follow("[rel=next]") : nextCard(1)),
    k: () => (onShot ? follow("[rel=prev]") : nextCard(-1)),
    p: () => {
      const take = document.activeElement.closest(".take") || document.querySelector(".take.current");
      if (take) take.querySelector("form").requestSubmit();
    },
    " ": () => film && film.toggle(),
    ",": () => film && film.step(-1),
    ".": () => film && film.step(1),
  };
  addEventListener("keydown", (event) => {
    const typing = event.target.closest("input, textarea, select, button, video, summary");
    if (typing || event.ctrlKey || event.metaKey || event.altKey || !act[event.key]) return;
    if (event.key === " " && !film) return;
    event.preventDefault();
    act[event.key]();
  });
}

listen();
clips();
takesTogether();
keys(player());
