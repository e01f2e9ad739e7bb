/** The rig's forward pass, on the vertices that Gaussians need: docs/posing.md, 2. */

import { toMatrix } from "./rotation.js";
import { basisNetwork } from "./weights.js";

const PARENTS = [-1, 0, 1, 1, 1];
const NECK = 1;
const NO_SHIFT = [0, 0, 0];

/**
 * What carries the Gaussians: a rig, or vertex tracks where the rig may not be given away.
 * @typedef {object} Mesh
 * @property {number} count of vertices
 * @property {(frame: import("./track.js").Frame, out: Float32Array) => void} pose writes posed vertices to out [4 * count]: x y z and one left alone
 * @property {(frame: import("./track.js").Frame) => Float32Array} weights of the bases, [K]
 */

/**
 * A basis as the file holds it, column by column, without the vertices that a column leaves where they are.
 * @param {import("./packed.js").Packed} packed
 * @param {string} name
 */
function columns(packed, name) {
  const [start, vertex, offset] = [packed.stored(`${name}_start`), packed.stored(`${name}_vertex`), packed.values(`${name}_offset`)];
  /** Adds coefficients * columns to points [3V]. */
  return (coefficients, points) => {
    for (let c = 0; c + 1 < start.length; c++) {
      const weight = coefficients[c];
      if (weight === 0) continue;
      for (let i = start[c]; i < start[c + 1]; i++) {
        const at = 3 * vertex[i];
        points[at] += weight * offset[3 * i];
        points[at + 1] += weight * offset[3 * i + 1];
        points[at + 2] += weight * offset[3 * i + 2];
      }
    }
  };
}

/**
 * Joint weights of every vertex without their zeros: most vertices follow one joint or two.
 * @param {Float32Array} weights [5V]
 */
function sparseWeights(weights) {
  const [start, joint, weight] = [[0], [], []];
  for (let v = 0; v < weights.length / 5; v++) {
    for (let j = 0; j < 5; j++) if (weights[5 * v + j] !== 0) joint.push(j), weight.push(weights[5 * v + j]);
    start.push(joint.length);
  }
  return { start: Uint32Array.from(start), joint: Uint8Array.from(joint), weight: Float32Array.from(weight) };
}

/**
 * A head that is moved by its rig.
 * @param {import("./packed.js").Packed} packed
 * @returns {Mesh}
 */
export function rigMesh(packed) {
  const rest = packed.values("rest");
  const joints = packed.values("joints");
  const skin = sparseWeights(packed.values("skin_weights"));
  const [addExpr, addPose] = [columns(packed, "expr"), columns(packed, "pose")];
  const addLids = packed.has("eyelids_start") ? columns(packed, "eyelids") : null;
  const points = new Float32Array(rest.length);
  const features = new Float64Array(36);
  const local = new Float64Array(9);
  const transforms = new Float64Array(5 * 12);

  /** Fills `transforms` with the 3x4 matrix of each joint, from rest to posed, and `features` with R - I of all but the root. */
  function chain(frame) {
    const vectors = [[frame.rotation, 0], [frame.neck_pose, 0], [frame.jaw_pose, 0], [frame.eyes_pose, 0], [frame.eyes_pose, 3]];
    const place = [];
    for (let j = 0; j < 5; j++) {
      toMatrix(vectors[j][0], vectors[j][1], local);
      if (j > 0) for (let i = 0; i < 9; i++) features[9 * (j - 1) + i] = local[i] - (i % 4 === 0 ? 1 : 0);
      const parent = PARENTS[j];
      const world = transforms.subarray(12 * j, 12 * j + 12);
      const above = parent < 0 ? null : transforms.subarray(12 * parent, 12 * parent + 12);
      const shift = j === NECK && frame.neck_translation ? frame.neck_translation : NO_SHIFT;
      const arm = [0, 1, 2].map((k) => joints[3 * j + k] - (above ? joints[3 * parent + k] : 0) + shift[k]);
      place[j] = [0, 0, 0];
      for (let r = 0; r < 3; r++) {
        for (let c = 0; c < 3; c++) {
          world[4 * r + c] = above ? above[4 * r] * local[c] + above[4 * r + 1] * local[3 + c] + above[4 * r + 2] * local[6 + c] : local[3 * r + c];
        }
        const turned = above ? above[4 * r] * arm[0] + above[4 * r + 1] * arm[1] + above[4 * r + 2] * arm[2] : arm[r];
        place[j][r] = turned + (above ? place[parent][r] : frame.translation[r]);
      }
    }
    for (let j = 0; j < 5; j++) {
      const m = transforms.subarray(12 * j, 12 * j + 12);
      for (let r = 0; r < 3; r++) {
        m[4 * r + 3] = place[j][r] - (m[4 * r] * joints[3 * j] + m[4 * r + 1] * joints[3 * j + 1] + m[4 * r + 2] * joints[3 * j + 2]);
      }
    }
  }

  return {
    count: rest.length / 3,
    pose(frame, out) {
      chain(frame);
      points.set(rest);
      addExpr(frame.expr, points);
      addPose(features, points);
      if (addLids && frame.eyelids) addLids(frame.eyelids, points);
      const { start, joint, weight } = skin;
      for (let v = 0; v < rest.length / 3; v++) {
        const x = points[3 * v];
        const y = points[3 * v + 1];
        const z = points[3 * v + 2];
        let px = 0;
        let py = 0;
        let pz = 0;
        for (let i = start[v]; i < start[v + 1]; i++) {
          const m = 12 * joint[i];
          const w = weight[i];
          px += w * (transforms[m] * x + transforms[m + 1] * y + transforms[m + 2] * z + transforms[m + 3]);
          py += w * (transforms[m + 4] * x + transforms[m + 5] * y + transforms[m + 6] * z + transforms[m + 7]);
          pz += w * (transforms[m + 8] * x + transforms[m + 9] * y + transforms[m + 10] * z + transforms[m + 11]);
        }
        out[4 * v] = px;
        out[4 * v + 1] = py;
        out[4 * v + 2] = pz;
      }
    },
    weights: basisNetwork(packed),
  };
}
