/** What a face can do, as `driver.window.project` says it: muscles' speed, ranges, lips that meet, lips that are not inside each other. */

const [CLOSED, OPEN, PRESSED, TOUCH] = [0.5, 1.3, 0.8, 0.2]; // millimetres
const [DOUBTED, BELIEVED, BESIDE] = [0.1, 0.4, 0.5];
const STIFFNESS = { head: 4, brows: 1 };
const MERGE = 14;

const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
const smoothstep = (u) => u * u * (3 - 2 * u);

/**
 * How far the lips must meet in each frame, 0..1.
 * @param {Float32Array} pbm [T] probability of a p, b or m
 */
export function contact(pbm) {
  const meeting = Array.from(pbm, (p) => smoothstep(clamp((p - DOUBTED) / (BELIEVED - DOUBTED), 0, 1)));
  return meeting.map((here, t) => Math.max(here, BESIDE * Math.max(meeting[t - 1] ?? 0, meeting[t + 1] ?? 0)));
}

/**
 * The nearest admissible motion.
 * @param {Float32Array} frames [T, C]
 * @param {Uint8Array} known [T, C] what is left as it is; of head and brows whole frames at the beginning
 * @param {number[]} touching [T] how far the lips must meet
 * @param {import("./network.js").Tables} tables
 * @returns {Float32Array} [T, C]
 */
export function project(frames, known, touching, tables) {
  const { channels, expr, jaw, mouthClose, gap, lipsApart, regions } = tables;
  const done = Float32Array.from(frames);
  for (const [region, stiffness] of Object.entries(STIFFNESS)) smooth(done, known, regions[region], channels, stiffness);
  for (let t = 0; t < touching.length; t++) {
    const row = done.subarray(t * channels, (t + 1) * channels);
    for (let c = 0; c < expr; c++) row[c] = clamp(row[c], 0, 1);
    row[jaw] = Math.max(row[jaw], 0);
    let open = -lipsApart;
    for (let c = 0; c < channels; c++) open += row[c] * gap[c];
    const nearly = Math.max(open, 0) * (1 - smoothstep(clamp((open - CLOSED) / (OPEN - CLOSED), 0, 1)));
    const closing = Math.max(nearly, touching[t] * (open + TOUCH));
    row[mouthClose] = clamp(row[mouthClose] - closing / gap[mouthClose], 0, 1);
    row[jaw] += Math.max(-PRESSED - open, 0) / gap[jaw];
  }
  for (let i = 0; i < done.length; i++) if (known[i]) done[i] = frames[i];
  return done;
}

/** Smooths some columns in time where they are not known and joins them to what is: least squares with a penalty on second differences (Whittaker 1923). */
function smooth(frames, known, columns, channels, stiffness) {
  const T = frames.length / channels;
  let held = 0;
  while (held < T && known[held * channels + columns[0]]) held++;
  const count = T - held;
  if (!count) return;
  // Beside what is known the others count little: the motion runs on with the speed it had, and comes back to them within some frames.
  const trust = Array.from({ length: count }, (_, i) => (held ? Math.min((i + 1) / MERGE, 1) ** 3 : 1));
  const bands = [Float64Array.from(trust), new Float64Array(count), new Float64Array(count)];
  const differences = [1, -2, 1];
  const pulls = []; // free frame, known frame, weight
  for (let first = Math.max(held - 2, 0); first + 2 < T; first++) {
    for (let a = 0; a < 3; a++) {
      if (first + a < held) continue;
      for (let b = 0; b < 3; b++) {
        const weight = stiffness * differences[a] * differences[b];
        if (first + b < held) pulls.push([first + a - held, first + b, weight]);
        else if (b <= a) bands[a - b][first + a - held] += weight;
      }
    }
  }
  const [diagonal, one, two] = factorised(bands);
  const solved = new Float64Array(count);
  for (const column of columns) {
    for (let i = 0; i < count; i++) solved[i] = trust[i] * frames[(held + i) * channels + column];
    for (const [i, at, weight] of pulls) solved[i] -= weight * frames[at * channels + column];
    for (let i = 0; i < count; i++) solved[i] -= (i > 0 ? one[i] * solved[i - 1] : 0) + (i > 1 ? two[i] * solved[i - 2] : 0);
    for (let i = 0; i < count; i++) solved[i] /= diagonal[i];
    for (let i = count - 1; i >= 0; i--) solved[i] -= (i + 1 < count ? one[i + 1] * solved[i + 1] : 0) + (i + 2 < count ? two[i + 2] * solved[i + 2] : 0);
    for (let i = 0; i < count; i++) frames[(held + i) * channels + column] = solved[i];
  }
}

/** L D L' of a symmetric matrix with two bands below its diagonal, in place: diagonal of D, both bands of L. */
function factorised([diagonal, one, two]) {
  for (let i = 0; i < diagonal.length; i++) {
    if (i > 1) {
      two[i] /= diagonal[i - 2];
      one[i] -= two[i] * diagonal[i - 2] * one[i - 1];
      diagonal[i] -= two[i] ** 2 * diagonal[i - 2];
    }
    if (i > 0) {
      one[i] /= diagonal[i - 1];
      diagonal[i] -= one[i] ** 2 * diagonal[i - 1];
    }
  }
  return [diagonal, one, two];
}
