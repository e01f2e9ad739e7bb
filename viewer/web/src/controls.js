/** The page's buttons, sliders and keys. */

import { Immersion } from "./xr.js";

const SPEEDS = [0.25, 0.5, 0.75, 1, 1.25, 1.5, 2];
/** Sliders of joints: name, channel, numbers of it, least and most in radians. */
const JOINTS = [
  ["nod", "neck_pose", [0], -0.4, 0.4],
  ["turn", "neck_pose", [1], -0.7, 0.7],
  ["tilt", "neck_pose", [2], -0.4, 0.4],
  ["look down", "eyes_pose", [0, 3], -0.3, 0.3],
  ["look left", "eyes_pose", [1, 4], -0.4, 0.4],
];
const MODES = { vr: "immersive-vr", ar: "immersive-ar" };

/** @param {string} id */
const element = (id) => document.getElementById(id);

/** Minutes and seconds. */
const minutes = (time) => `${Math.floor(time / 60)}:${String(Math.floor(time % 60)).padStart(2, "0")}`;

/**
 * @param {object} parts
 * @param {import("./clock.js").Clock} parts.clock
 * @param {import("./view.js").View} parts.view
 * @param {import("./performance.js").Performance} parts.performance
 * @param {import("./xr.js").Immersion} parts.immersion
 * @param {object} parts.header the avatar's
 * @param {object} options of the page: controls, loop
 */
export function connectControls({ clock, view, performance, immersion, header }, options) {
  document.body.classList.toggle("bare", !options.controls);
  const toggle = () => (clock.playing ? clock.pause() : clock.play().catch(() => element("start").classList.remove("gone")));
  const show = (id) => {
    for (const panel of ["info", "sliders"]) element(panel).hidden = panel !== id || !element(panel).hidden;
  };
  const speed = (steps) => {
    const at = SPEEDS.reduce((best, value, index) => (Math.abs(value - clock.rate) < Math.abs(SPEEDS[best] - clock.rate) ? index : best), 0);
    clock.rate = SPEEDS[Math.min(Math.max(at + steps, 0), SPEEDS.length - 1)];
  };
  const loop = () => {
    clock.loop = !clock.loop;
    refresh();
  };
  const mute = () => {
    if (clock.sound) clock.sound.muted = !clock.sound.muted;
    refresh();
  };
  const full = () => (document.fullscreenElement ? document.exitFullscreen() : document.documentElement.requestFullscreen?.());

  function refresh() {
    element("play").textContent = clock.playing ? "❚❚" : "▶";
    element("play").setAttribute("aria-label", clock.playing ? "pause" : "play");
    element("loop").setAttribute("aria-pressed", String(clock.loop));
    element("mute").setAttribute("aria-pressed", String(clock.sound?.muted ?? false));
    element("speed").value = String(clock.rate);
    element("start").classList.toggle("gone", performance.motion === null || clock.started);
    document.body.classList.toggle("still", performance.motion === null);
    element("scrub").max = String(clock.duration);
    element("mute").hidden = clock.sound === null;
    for (const id of ["vr", "ar"]) element(id).setAttribute("aria-pressed", String(immersion.mode === MODES[id]));
  }

  element("speed").replaceChildren(...SPEEDS.map((value) => new Option(`${value}×`, String(value))));
  element("speed").addEventListener("change", (event) => (clock.rate = Number(event.target.value)));
  element("scrub").addEventListener("input", (event) => clock.seek(Number(event.target.value)));
  element("full").hidden = !document.fullscreenEnabled;
  const actions = { play: toggle, start: toggle, loop, mute, full, home: () => view.reset() };
  Object.assign(actions, { "sliders-button": () => show("sliders"), "info-button": () => show("info") });
  for (const [id, action] of Object.entries(actions)) element(id).addEventListener("click", action);

  const step = (frames) => clock.seek(clock.time + frames * (performance.motion?.step ?? 0));
  const keys = {
    " ": toggle, k: toggle, l: loop, m: mute, f: full, i: () => show("info"), s: () => show("sliders"), r: () => view.reset(),
    ArrowLeft: () => clock.seek(clock.time - 1), ArrowRight: () => clock.seek(clock.time + 1),
    ",": () => step(-1), ".": () => step(1),
    "[": () => speed(-1), "]": () => speed(1), Home: () => clock.seek(0), Escape: () => show(""),
  }; // prettier-ignore
  window.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !(event.key in keys)) return;
    const { tagName } = event.target;
    // Lists and sliders have keys of their own.
    if (tagName === "SELECT" || (tagName === "INPUT" && /Arrow|Home/.test(event.key))) return;
    // A focused button would be pressed by the space bar as well.
    event.preventDefault();
    keys[event.key]();
  });

  clock.addEventListener("change", refresh);
  connectXr(immersion, toggle, refresh);
  fillSliders(performance.sliders, header);
  fillInfo(header);
  refresh();
  return {
    /** Called for every frame. */
    tick() {
      const time = clock.started ? clock.time : 0;
      if (document.activeElement !== element("scrub") || clock.playing) element("scrub").value = String(time);
      element("time").textContent = `${minutes(time)} / ${minutes(clock.duration)}`;
    },
  };
}

function connectXr(immersion, toggle, refresh) {
  for (const [id, mode] of Object.entries(MODES)) {
    const button = element(id);
    Immersion.offers(mode).then((offered) => (button.hidden = !offered));
    button.addEventListener("click", () => (immersion.session ? immersion.leave() : immersion.enter(mode)));
  }
  immersion.addEventListener("change", refresh);
  immersion.addEventListener("select", toggle);
}

/** One slider for every expression and joint; without a rig there is nothing to slide. */
function fillSliders(sliders, header) {
  element("sliders-button").hidden = header.mesh !== "rig";
  const joints = [...JOINTS, ["jawOpen", "jaw_pose", [0], 0, header.jaw_open_angle]];
  const moves = joints.map(([name, channel, indices, low, high]) =>
    slider(name, low, high, (value) => indices.forEach((index) => put(sliders[channel], index, value))),
  );
  const rows = (header.expr_names ?? []).map((name, index) => slider(name, 0, 1, (value) => put(sliders.expr, index, value)));
  const clear = document.createElement("button");
  clear.textContent = "back to zero";
  clear.addEventListener("click", () => {
    for (const changes of Object.values(sliders)) changes.clear();
    for (const input of element("sliders").querySelectorAll("input")) input.value = "0";
  });
  element("sliders").replaceChildren(clear, ...moves, ...rows);
}

const put = (map, index, value) => (value === 0 ? map.delete(index) : map.set(index, value));

function slider(name, low, high, changed) {
  const label = document.createElement("label");
  const input = Object.assign(document.createElement("input"), { type: "range", min: String(low), max: String(high), step: "0.01" });
  input.value = "0";
  input.addEventListener("input", () => changed(Number(input.value)));
  label.append(name, input);
  return label;
}

const texted = (tag, textContent) => Object.assign(document.createElement(tag), { textContent });

/** What this is, of whom, and with what consent. */
function fillInfo(header) {
  const rows = [
    ["who", header.subject],
    ["consent", header.consent],
    ["licence", header.licence],
    ["head", `${header.head.name}; ${header.head.licence}`],
    ["size", `${header.gaussians} Gaussians, ${header.bases} bases`],
  ];
  if (header.reason) rows.push(["note", header.reason]);
  const list = document.createElement("dl");
  for (const [term, text] of rows) {
    list.append(texted("dt", term), texted("dd", text));
  }
  element("facts").replaceChildren(texted("p", header.synthetic), list);
}
