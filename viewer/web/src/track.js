/** Motion over time: frames of named channels, and what lies between them. */

import { between } from "./rotation.js";

/** Channels that are rotation vectors, three numbers each. */
export const ROTATIONS = new Set(["rotation", "neck_pose", "jaw_pose", "eyes_pose"]);

/**
 * One moment: channel name -> its numbers. A head with a rig has expr, jaw_pose, neck_pose, eyes_pose, rotation, translation, neck_translation and
 * perhaps eyelids; one with vertex tracks has coefficients, weights, rotation and translation.
 * @typedef {Object<string, Float32Array>} Frame
 */

/**
 * What a player performs. A file, the idle loop and a live stream all look like this.
 * @typedef {object} Source
 * @property {number} duration seconds; Infinity where it does not end
 * @property {number} [step] seconds from frame to frame, where there are such
 * @property {(time: number) => Frame} at the frame at a time in seconds
 */

/**
 * A frame a fraction of the way between two: linear in coefficients, along the shorter arc in rotations (docs/posing.md, 1).
 * @param {Frame} a
 * @param {Frame} b
 * @param {number} u 0..1
 * @returns {Frame}
 */
export function blended(a, b, u) {
  const out = {};
  for (const name of Object.keys(a)) {
    const [from, to] = [a[name], b[name] ?? a[name]];
    const values = (out[name] = new Float32Array(from.length));
    if (ROTATIONS.has(name)) for (let i = 0; i < from.length; i += 3) values.set(between(from, to, i, u), i);
    else for (let i = 0; i < from.length; i++) values[i] = from[i] + u * (to[i] - from[i]);
  }
  return out;
}

/**
 * A motion file as a source; beyond its ends it is held, or goes round where it `loops`.
 * @param {import("./packed.js").Packed} packed
 * @param {boolean} loops whether the last frame leads to the first
 * @returns {Source}
 */
export function trackSource(packed, loops = false) {
  const { fps, frames } = packed.header;
  const rate = fps[0] / fps[1];
  const channels = Object.keys(packed.header.arrays).map((name) => [name, packed.values(name), packed.shape(name)[1]]);
  const frame = (index) => Object.fromEntries(channels.map(([name, data, width]) => [name, data.subarray(index * width, (index + 1) * width)]));
  return {
    duration: loops ? Infinity : frames / rate,
    step: 1 / rate,
    at(time) {
      const position = loops ? (((time * rate) % frames) + frames) % frames : Math.min(Math.max(time * rate, 0), frames - 1);
      const first = Math.min(Math.floor(position), loops ? frames - 1 : Math.max(frames - 2, 0));
      return blended(frame(first), frame((first + 1) % frames), position - first);
    },
  };
}
