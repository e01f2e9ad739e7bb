/** The noise that a motion begins with. */

/** The mouth has less: what is said leaves it little choice. */
const OF_MOUTH = 0.5;

/**
 * Uniform numbers 0..1 from two whole ones: a counter that is mixed until no pattern is left.
 * @param {number} seed
 * @param {number} frame
 */
function uniform(seed, frame) {
  let state = Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) ^ Math.imul(frame + 1, 0xc2b2ae35);
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 16), 0x21f0aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
    return ((mixed ^ (mixed >>> 15)) >>> 0) / 4294967296;
  };
}

/** Normal numbers (Box and Muller 1958). */
function normal(count, seed, frame) {
  const next = uniform(seed, frame);
  const out = new Float32Array(count + 1);
  for (let i = 0; i < count; i += 2) {
    const [radius, angle] = [Math.sqrt(-2 * Math.log(1 - next())), 2 * Math.PI * next()];
    out[i] = radius * Math.cos(angle);
    out[i + 1] = radius * Math.sin(angle);
  }
  return out.subarray(0, count);
}

/**
 * Noise that belongs to frames, however the sound is cut: the same seed gives the same, and the mouth's is the same whatever the seed.
 * @param {number} seed
 * @param {number} channels
 * @param {number[]} mouth channels of it
 * @returns {(first: number, last: number) => Float32Array} [last - first, channels]
 */
export function frameNoise(seed, channels, mouth) {
  return (first, last) => {
    const out = new Float32Array((last - first) * channels);
    for (let frame = first; frame < last; frame++) {
      const row = out.subarray((frame - first) * channels, (frame - first + 1) * channels);
      row.set(normal(channels, seed, frame));
      const fixed = normal(channels, 0, frame);
      for (const channel of mouth) row[channel] = OF_MOUTH * fixed[channel];
    }
    return out;
  };
}
