/** The driver's network, run by ONNX Runtime's WebAssembly, and the tables around it (driver/onnx_export.py writes both). */

import * as ort from "onnxruntime-web/wasm";
import { readPacked } from "../packed.js";

/**
 * @typedef {object} Tables
 * @property {number} channels C
 * @property {string[]} names of the channels
 * @property {Object<string, number>} poses their widths, in the channels' order, after the expressions
 * @property {number} jawOpenAngle
 * @property {number} expr how many of them are expressions, the first ones
 * @property {number} jaw @property {number} mouthClose channels
 * @property {Object<string, number[]>} regions channels of mouth, brows, eyes, head
 * @property {Float32Array} mean @property {Float32Array} std @property {Float32Array} gap [C]
 * @property {number} lipsApart millimetres
 * @property {Float32Array} filters mel
 * @property {number} past @property {number} lookahead frames of sound around its own that reach a frame's code
 * @property {number} width of a code
 * @property {boolean} flow false for a network that makes the motion at once
 */

export class Network {
  /**
   * @param {ArrayBuffer} file driver.bin, unpacked
   * @param {ArrayBuffer} runtime ONNX Runtime's WebAssembly
   * @returns {Promise<Network>}
   */
  static async load(file, runtime) {
    ort.env.wasm.wasmBinary = runtime;
    // More threads need a page that is isolated from all others, which most servers do not say of theirs.
    ort.env.wasm.numThreads = 1;
    ort.env.logLevel = "error";
    const packed = readPacked(file);
    const network = new Network();
    network.tables = tablesOf(packed);
    network._asked = new ort.Tensor("float32", packed.values("asked"), [1, 1, packed.shape("asked")[0]]);
    const options = { executionProviders: ["wasm"], graphOptimizationLevel: "all" };
    // One after the other: the runtime is set up by the first.
    network._hear = await ort.InferenceSession.create(packed.stored("hear"), options);
    network._flow = await ort.InferenceSession.create(packed.stored("flow"), options);
    return network;
  }

  /** Codes of the frames that have `past` rows before and `lookahead` rows after their own. */
  async hear(rows) {
    const features = new ort.Tensor("float32", rows, [1, rows.length / this.tables.numFeatures, this.tables.numFeatures]);
    const { sound, pbm } = await this._hear.run({ features });
    return { sound: sound.data, pbm: pbm.data };
  }

  /** Clean motion [T, C], whitened, of noisy motion at a time of the flow. */
  async flow(noisy, known, time, sound) {
    const { channels, width } = this.tables;
    const frames = noisy.length / channels;
    const motion = (values) => new ort.Tensor("float32", values, [1, frames, channels]);
    const { clean } = await this._flow.run({
      noisy: motion(noisy),
      known: motion(known),
      time: new ort.Tensor("float32", [time], [1]),
      sound: new ort.Tensor("float32", sound, [1, frames, width]),
      asked: this._asked,
    });
    return clean.data;
  }
}

/** @returns {Tables} */
function tablesOf(packed) {
  const { header } = packed;
  if (header.format !== "avatar3d web driver") throw new Error("this is not an exported driver; export the page again");
  const names = header.channels;
  return {
    names,
    channels: names.length,
    expr: names.length - Object.values(header.poses).reduce((a, b) => a + b),
    poses: header.poses,
    jaw: names.indexOf("jaw_pose_0"),
    mouthClose: names.indexOf("mouthClose"),
    regions: header.regions,
    jawOpenAngle: header.jaw_open_angle,
    lipsApart: header.lips_apart,
    flow: header.flow,
    past: header.past,
    lookahead: header.lookahead,
    width: header.width,
    numFeatures: header.features,
    filters: packed.values("mel_filters"),
    mean: packed.values("mean"),
    std: packed.values("std"),
    gap: packed.values("gap"),
  };
}
