/** Who moves the head: the performance while it plays or is held, the idle loop otherwise, and a short way between them. */

import { turned } from "./rotation.js";
import { blended, ROTATIONS } from "./track.js";

const FADE = 0.4; // seconds

export class Performance {
  /**
   * @param {import("./track.js").Source | null} motion
   * @param {import("./track.js").Source} idle
   * @param {import("./clock.js").Clock} clock of the motion
   */
  constructor(motion, idle, clock) {
    this.motion = motion;
    this.idle = idle;
    this.clock = clock;
    /** @type {import("./track.js").Source | null} a live source: a stream or the microphone, which goes before the performance */
    this.live = null;
    /** @type {import("./track.js").Source | null} what scripts push, which goes before everything else and leaves what is live to go on */
    this.pushed = null;
    /**
     * What sliders add, by channel and number in it; to rotations in their own frame. Heads with a rig only.
     * @type {Object<string, Map<number, number>>}
     */
    this.added = {};
    this._share = 0;
    this._before = null;
    this._last = 0;
  }

  /**
   * The frame to show.
   * @param {number} now seconds on a clock that always runs
   * @returns {import("./track.js").Frame}
   */
  frame(now) {
    const live = this.pushed ?? this.live;
    if (live) return this._slid(live.at(now));
    const performing = this.motion !== null && this.clock.started;
    const step = this._before === null ? 1 : (now - this._before) / FADE;
    this._before = now;
    this._share = Math.min(Math.max(this._share + (performing ? step : -step), 0), 1);
    if (performing) this._last = this.clock.time;
    if (this._share === 0 || this.motion === null) return this._slid(this.idle.at(now));
    const frame = this.motion.at(performing ? this._last : this.motion.duration);
    return this._slid(this._share === 1 ? frame : blended(this.idle.at(now), frame, this._share));
  }

  /** The motion's frame at a time, at once and without the sliders. */
  exactly(time) {
    return (this.motion ?? this.idle).at(time);
  }

  _slid(frame) {
    const out = { ...frame };
    for (const [name, changes] of Object.entries(this.added)) {
      const given = frame[name];
      if (!given) continue;
      const values = (out[name] = Float32Array.from(given));
      if (ROTATIONS.has(name)) {
        for (let i = 0; i < given.length; i += 3) {
          const by = [0, 1, 2].map((k) => changes.get(i + k) ?? 0);
          if (by.some((angle) => angle !== 0)) values.set(turned(given, i, by), i);
        }
      } else for (const [index, value] of changes) values[index] += value;
    }
    return out;
  }
}
