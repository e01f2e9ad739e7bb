/** One window of motion, as `driver.window.sample_window` makes it: steps along the flow from noise, each brought to what a face can do. */

import { contact, project } from "./projection.js";

/** Share of the second-order term of a step (Adams and Bashforth's, of the clean motion over the flow's time). */
const EXTRAPOLATED = 0.5;

/**
 * @param {import("./network.js").Network} network
 * @param {{sound: Float32Array, pbm: Float32Array}} heard [T, d] and [T]
 * @param {Float32Array} noise [T, C]
 * @param {Float32Array} given [T, C] motion, where it is known
 * @param {Uint8Array} known [T, C] where it is
 * @param {number} steps
 * @returns {Promise<Float32Array>} [T, C]; what is known as it was given
 */
export async function sampleWindow(network, heard, noise, given, known, steps) {
  const { tables } = network;
  const { channels, mean, std } = tables;
  const size = noise.length;
  const white = (frames) => frames.map((value, i) => (value - mean[i % channels]) / std[i % channels]);
  const coloured = (frames) => frames.map((value, i) => value * std[i % channels] + mean[i % channels]);
  const mask = Float32Array.from(known);
  const kept = white(given).map((value, i) => mask[i] * value);
  const mix = (values) => values.map((value, i) => kept[i] + (1 - mask[i]) * value);
  const touching = contact(heard.pbm);
  const count = tables.flow ? steps : 1;
  let x = mix(tables.flow ? noise : new Float32Array(size));
  let clean = x;
  let slope = new Float32Array(size);
  for (let step = 0; step < count; step++) {
    const [now, then, last] = [(step / count) ** 2, ((step + 1) / count) ** 2, ((step - 1) / count) ** 2];
    const before = clean;
    clean = mix(await network.flow(x, mask, now, heard.sound));
    clean = white(project(coloured(clean), known, touching, tables));
    if (step > 0) slope = clean.map((value, i) => (value - before[i]) / (now - last));
    else settle(mask, kept, clean, tables);
    // The straight path through x and where its end seems to be by the middle of the step, a step further.
    x = mix(
      x.map((value, i) => {
        const end = clean[i] + (EXTRAPOLATED * slope[i] * (then - now)) / 2;
        return end + ((value - end) * (1 - then)) / (1 - now);
      }),
    );
  }
  return coloured(clean).map((value, i) => (known[i] ? given[i] : value));
}

/** What is said leaves the mouth little choice: the first step settles it, and the rest is made to go with it. */
function settle(mask, kept, clean, { channels, regions }) {
  for (let start = 0; start < mask.length; start += channels) {
    for (const channel of regions.mouth) {
      mask[start + channel] = 1;
      kept[start + channel] = clean[start + channel];
    }
  }
}
