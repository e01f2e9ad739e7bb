/** A mesh moved by vertex tracks: for heads whose rig may not be given away, what they do in this one motion is all that the page holds. */

import { toMatrix } from "./rotation.js";

/**
 * Vertices are mean + coefficients * components in the torso's frame, which turns around `root` and then shifts. The weights of the bases come with
 * the frames.
 * @param {import("./packed.js").Packed} packed
 * @returns {import("./rig.js").Mesh}
 */
export function trackMesh(packed) {
  const mean = packed.values("track_mean");
  const components = packed.values("track_components");
  const root = packed.values("root");
  const points = new Float32Array(mean.length);
  const turn = new Float64Array(9);
  return {
    count: mean.length / 3,
    pose(frame, out) {
      points.set(mean);
      frame.coefficients.forEach((weight, c) => {
        const from = c * mean.length;
        for (let i = 0; i < mean.length; i++) points[i] += weight * components[from + i];
      });
      toMatrix(frame.rotation, 0, turn);
      for (let v = 0; v < mean.length / 3; v++) {
        const x = points[3 * v] - root[0];
        const y = points[3 * v + 1] - root[1];
        const z = points[3 * v + 2] - root[2];
        for (let r = 0; r < 3; r++) out[4 * v + r] = turn[3 * r] * x + turn[3 * r + 1] * y + turn[3 * r + 2] * z + root[r] + frame.translation[r];
      }
    },
    weights: (frame) => frame.weights,
  };
}
