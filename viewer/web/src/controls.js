/** The page's buttons, sliders and keys. */

import { keepInOneRow } from "./bar.js";
import { element, made } from "./dom.js";
import { tell } from "./notice.js";
import { fillSliders } from "./sliders.js";
import { onTap } from "./tap.js";
import { Immersion } from "./xr.js";

const SPEEDS = [0.25, 0.5, 0.75, 1, 1.25, 1.5, 2];
const PANELS = ["info", "sliders"];
const MODES = { vr: "immersive-vr", ar: "immersive-ar" };

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
  const toggle = () => (performance.motion === null ? null : clock.playing ? clock.pause() : clock.play().catch((error) => console.warn(error.message)));
  const show = (id) => {
    if (!options.controls || (id === "sliders" && !header.sliders)) return;
    for (const panel of PANELS) {
      element(panel).hidden = panel !== id || !element(panel).hidden;
      element(`${panel}-button`).setAttribute("aria-pressed", String(!element(panel).hidden));
    }
    document.body.classList.toggle("panelled", PANELS.some((panel) => !element(panel).hidden));
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

  const fit = keepInOneRow(element("bar"));
  /** What the bar is laid out for. */
  let shown;

  /** Writes the time, where it has changed, since layout is not for nothing. */
  function timed() {
    const time = clock.started ? clock.time : 0;
    if (document.activeElement !== element("scrub") || clock.playing) element("scrub").value = String(time);
    const text = `${minutes(time)} / ${minutes(clock.duration)}`;
    if (element("time").textContent !== text) element("time").textContent = text;
  }

  function refresh() {
    element("play").classList.toggle("playing-now", clock.playing);
    element("play").setAttribute("aria-label", clock.playing ? "pause" : "play");
    element("loop").setAttribute("aria-pressed", String(clock.loop));
    element("mute").setAttribute("aria-pressed", String(clock.sound?.muted ?? false));
    element("speed").value = String(clock.rate);
    document.body.classList.toggle("fresh", !clock.started);
    if (element("scrub").max !== String(clock.duration) || performance.motion !== shown) {
      shown = performance.motion;
      document.body.classList.toggle("still", shown === null);
      element("scrub").max = String(clock.duration);
      timed();
      fit();
    }
    element("mute").hidden = clock.sound === null;
    for (const id of ["vr", "ar"]) element(id).setAttribute("aria-pressed", String(immersion.mode === MODES[id]));
  }

  element("speed").replaceChildren(...SPEEDS.map((value) => new Option(`${value}×`, String(value))));
  element("speed").addEventListener("change", (event) => (clock.rate = Number(event.target.value)));
  element("scrub").addEventListener("input", (event) => clock.seek(Number(event.target.value)));
  element("full").hidden = !document.fullscreenEnabled;
  const actions = { play: toggle, loop, mute, full, home: () => view.reset() };
  Object.assign(actions, { "sliders-button": () => show("sliders"), "info-button": () => show("info") });
  for (const [id, action] of Object.entries(actions)) element(id).addEventListener("click", action);
  onTap(view.renderer.domElement, () => performance.pushed || performance.live || toggle());

  const step = (frames) => clock.seek(clock.time + frames * (performance.motion?.step ?? 0));
  const keys = {
    " ": toggle, k: toggle, l: loop, m: mute, f: full, i: () => show("info"), "?": () => show("info"), s: () => show("sliders"), r: () => view.reset(),
    ArrowLeft: () => clock.seek(clock.time - 1), ArrowRight: () => clock.seek(clock.time + 1),
    ",": () => step(-1), ".": () => step(1),
    "[": () => speed(-1), "]": () => speed(1), Home: () => clock.seek(0), Escape: () => show(""),
  }; // prettier-ignore
  // A button that was clicked would keep the focus, and be pressed by the space bar; one that the tab key reached is to be.
  window.addEventListener("click", (event) => event.detail > 0 && event.target.closest?.("button")?.blur());
  window.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !(event.key in keys)) return;
    const { tagName } = event.target;
    // Lists, sliders, boxes and titles have keys of their own.
    if (tagName === "SELECT" || (tagName === "INPUT" && /Arrow|Home/.test(event.key))) return;
    if (event.key === " " && (tagName === "SUMMARY" || tagName === "BUTTON" || event.target.type === "checkbox")) return;
    event.preventDefault();
    keys[event.key]();
  });

  clock.addEventListener("change", refresh);
  connectXr(immersion, toggle, refresh);
  element("sliders-button").hidden = !header.sliders;
  fillSliders(element("sliders"), header.sliders ?? {}, performance);
  fillInfo(header);
  for (const panel of PANELS) element(panel).querySelector(".close").addEventListener("click", () => show(""));
  refresh();
  return {
    /** Called for every frame. */
    tick: timed,
    /** Pixels of the picture's lower edge that the bar covers. */
    height: () => (options.controls ? element("stage").getBoundingClientRect().bottom - element("bar").getBoundingClientRect().top : 0),
  };
}

function connectXr(immersion, toggle, refresh) {
  for (const [id, mode] of Object.entries(MODES)) {
    const button = element(id);
    Immersion.offers(mode).then((offered) => (button.hidden = !offered));
    button.addEventListener("click", async () => {
      try {
        await (immersion.session ? immersion.leave() : immersion.enter(mode));
      } catch (error) {
        tell(`${button.textContent} cannot be entered: ${error.message}`);
      }
    });
  }
  immersion.addEventListener("change", refresh);
  immersion.addEventListener("select", toggle);
}

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
    list.append(made("dt", { textContent: term }), made("dd", { textContent: text }));
  }
  element("facts").replaceChildren(made("p", { textContent: header.synthetic }), list);
}
