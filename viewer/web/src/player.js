/** The player: reads what the page carries, and puts the parts together. `window.avatar3d` is there for scripts and tests. */

import { Clock } from "./clock.js";
import { connectControls } from "./controls.js";
import { listenToParent, liveSource } from "./live.js";
import { inflated, readPacked } from "./packed.js";
import { tell } from "./notice.js";
import { bytes, pageConfig } from "./parts.js";
import { Performance } from "./performance.js";
import { rigMesh } from "./rig.js";
import { connectStream } from "./socket.js";
import { Splats } from "./splats.js";
import { trackSource } from "./track.js";
import { trackMesh } from "./tracks.js";
import { View } from "./view.js";
import { Immersion } from "./xr.js";

/** The sound, ready to seek; where it is missing or cannot be played the page says so and goes on without. */
async function soundElement(data) {
  const given = await data;
  if (!given) return null;
  const sound = new Audio(URL.createObjectURL(new Blob([given], { type: "audio/webm" })));
  sound.preload = "auto";
  await new Promise((resolve, reject) => {
    sound.addEventListener("loadedmetadata", resolve, { once: true });
    sound.addEventListener("error", () => reject(new Error("this browser cannot play it")), { once: true });
  });
  return sound;
}

/** Options of the page, and of its address: ?autoplay=1&loop=1&controls=0&t=2.5. */
function pageOptions(config) {
  const query = new URLSearchParams(location.search);
  const flag = (name, otherwise) => (query.has(name) ? !["0", "false", "no"].includes(query.get(name)) : otherwise);
  const time = Number.parseFloat(query.get("t"));
  return { autoplay: flag("autoplay", false), loop: flag("loop", false), controls: flag("controls", true), time, background: config.background };
}

async function start() {
  const config = pageConfig();
  const options = pageOptions(config);
  const silent = (error) => (tell(`without sound: ${error.message}`), null);
  const soon = soundElement(bytes("sound", config.files)).catch(silent);
  const [avatarData, motionData, idleData] = await Promise.all(["avatar", "motion", "idle"].map((name) => bytes(name, config.files)));
  const packed = readPacked(await inflated(avatarData));
  const { header } = packed;
  const motion = motionData ? trackSource(readPacked(await inflated(motionData))) : null;
  const idle = trackSource(readPacked(await inflated(idleData)), true);
  const sound = await soon;

  const view = new View(document.getElementById("picture"), header.camera, header.framing, header.centre, options.background);
  const mesh = header.mesh === "rig" ? rigMesh(packed) : trackMesh(packed);
  const splats = new Splats(view.renderer, packed, mesh);
  view.scene.add(splats.object);
  view.shown.then(() => {
    window.avatar3d.loaded = globalThis.performance.now();
    document.body.classList.add("ready");
  });
  const clock = new Clock(motion?.duration ?? 0, sound);
  clock.loop = options.loop;
  clock.addEventListener("silent", () => silent(new Error("it broke off")));
  const performance = new Performance(motion, idle, clock);
  const immersion = new Immersion(view);
  const controls = connectControls({ clock, view, performance, immersion, header }, options);
  // Drawn at once: a canvas of another size is empty until the next picture.
  new ResizeObserver(() => {
    view.covered = controls.height();
    view.resize();
    view.draw();
  }).observe(view.renderer.domElement);

  const player = {
    header, view, splats, clock, performance, immersion, mesh,
    frames: 0,
    /** @param {number} now milliseconds */
    step(now) {
      clock.tick();
      splats.pose(performance.frame(now / 1000));
      controls.tick();
      view.draw();
      player.frames += 1;
    },
    /** @returns a live source that moves the head from now on; `performance.pushed = null` ends it */
    live: () => (performance.pushed ??= liveSource(idle.at(0))),
    /**
     * Performs something else from now on.
     * @param {import("./track.js").Source} another
     * @param {HTMLAudioElement | null} itsSound
     */
    perform(another, itsSound) {
      performance.live = performance.pushed = null;
      performance.motion = another;
      clock.load(another.duration, itsSound);
    },
    run: () => view.renderer.setAnimationLoop(player.step),
    stop: () => view.renderer.setAnimationLoop(null),
  }; // prettier-ignore
  listenToParent(player);
  if (config.stream) player.link = connectStream(player, idle, config.stream);
  player.run();
  if (Number.isFinite(options.time) && motion) clock.seek(options.time);
  if (options.autoplay && motion) clock.play().catch(() => {});
  return player;
}

const ready = start();
window.avatar3d = { ready };
ready
  .then((player) => Object.assign(window.avatar3d, player))
  .catch((error) => {
    console.error(error);
    document.getElementById("trouble").textContent = `This avatar cannot be shown: ${error.message}`;
    document.body.classList.add("failed");
  });
