/** Frames that come in from the driver as a source for the player. */

import { blended } from "../track.js";
import { FPS } from "./features.js";

/**
 * @param {object} layout of the driver's channels, as the worker tells it
 * @param {import("../track.js").Frame} rest names and sizes of the head's channels
 * @param {number} duration seconds
 */
export function spokenSource(layout, rest, duration) {
  /** @type {import("../track.js").Frame[]} */
  const frames = [];
  const blank = Object.fromEntries(Object.entries(rest).map(([name, values]) => [name, new Float32Array(values.length)]));
  let first = 0; // number of frames[0]
  return {
    duration,
    step: 1 / FPS,
    /** Frames that are here. */
    get made() {
      return first + frames.length;
    },
    /** @param {Float32Array} values [n, C] */
    push(values) {
      for (let start = 0; start < values.length; start += layout.channels) {
        frames.push({ ...blank, ...unpacked(values.subarray(start, start + layout.channels), layout) });
      }
    },
    /** Forgets what lies before a frame. */
    forget(frame) {
      const gone = Math.min(Math.max(frame - first, 0), Math.max(frames.length - 1, 0));
      frames.splice(0, gone);
      first += gone;
    },
    at(time) {
      if (!frames.length) return blank;
      const position = Math.min(Math.max(time * FPS - first, 0), frames.length - 1);
      const index = Math.min(Math.floor(position), Math.max(frames.length - 2, 0));
      return blended(frames[index], frames[Math.min(index + 1, frames.length - 1)], position - index);
    },
  };
}

/** The named channels of a row of the driver's, as `driver.channels.unpack`. */
function unpacked(row, { expr, poses, jawOpenAngle }) {
  const out = { expr: row.slice(0, expr) };
  let start = expr;
  for (const [name, width] of Object.entries(poses)) {
    out[name] = row.slice(start, start + width);
    start += width;
  }
  out.jaw_pose[0] *= jawOpenAngle;
  return out;
}
