/** The small network that reads the weights of an avatar's bases off a frame: docs/posing.md, 4. */

const NECK_TRANSLATION_UNIT = 0.01; // metres

/**
 * Frame -> weights [K]. The torso's place is not among the inputs.
 * @param {import("./packed.js").Packed} packed
 * @returns {(frame: import("./track.js").Frame) => Float32Array}
 */
export function basisNetwork(packed) {
  const [mean, std] = [packed.values("input_mean"), packed.values("input_std")];
  const layers = [];
  while (packed.has(`network.${layers.length}.weight`)) {
    const name = `network.${layers.length}`;
    layers.push({ weight: packed.values(`${name}.weight`), bias: packed.values(`${name}.bias`) });
  }
  return (frame) => {
    const shift = (frame.neck_translation ?? new Float32Array(3)).map((x) => x / NECK_TRANSLATION_UNIT);
    const raw = [...frame.expr, ...frame.jaw_pose, ...frame.eyes_pose, ...frame.neck_pose, ...shift, ...(frame.eyelids ?? [])];
    let x = Float32Array.from(raw, (value, i) => (value - mean[i]) / std[i]);
    layers.forEach(({ weight, bias }, index) => {
      const width = x.length;
      x = bias.map((b, row) => {
        let sum = b;
        for (let i = 0; i < width; i++) sum += weight[row * width + i] * x[i];
        return index < layers.length - 1 ? Math.tanh(sum) : sum;
      });
    });
    return x;
  };
}
