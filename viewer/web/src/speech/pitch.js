/** The pitch of a voice, as driver/pitch.py computes it: YIN (de Cheveigné, Kawahara 2002). */

export const WINDOW = 1024;
const [LOWEST, HIGHEST, TROUGH] = [65, 500, 0.1];
const TINY = 1.1754943508222875e-38;

/**
 * Fundamental frequency in Hz and periodicity 0..1 of the WINDOW samples from `start` on.
 * @param {Float32Array} sound
 * @param {number} start
 * @param {number} rate
 * @returns {[number, number]}
 */
export function f0AndPeriodicity(sound, start, rate) {
  const f0 = rate / period(sound, start, Math.floor(rate / HIGHEST), Math.ceil(rate / LOWEST));
  const lag = Math.min(Math.max(Math.round(rate / f0), 1), WINDOW / 2);
  let [product, early, late] = [0, 0, 0];
  for (let i = start; i < start + WINDOW / 2; i++) {
    product += sound[i] * sound[i + lag];
    early += sound[i] * sound[i];
    late += sound[i + lag] * sound[i + lag];
  }
  return [f0, Math.min(Math.max(product / (Math.sqrt(early * late) + 1e-9), 0), 1)];
}

/** Period in samples, fractions by a parabola, between two lags. */
function period(sound, start, shortest, longest) {
  const values = normalisedDifference(sound, start, shortest, longest);
  const last = values.length - 1;
  const trough = (i) => (i === 0 ? values[0] < values[1] : values[i] < values[i - 1] && (i === last || values[i] <= values[i + 1]));
  let best = values.findIndex((value, i) => value < TROUGH && trough(i));
  if (best < 0) best = values.reduce((least, value, i) => (value < values[least] ? i : least), 0);
  if (best === 0 || best === last) return shortest + best;
  const [bend, slope] = [values[best - 1] + values[best + 1] - 2 * values[best], (values[best + 1] - values[best - 1]) / 2];
  return shortest + best - (Math.abs(slope) < Math.abs(bend) ? slope / bend : 0);
}

/** Cumulative mean normalised difference (equation 8 of the paper) of all lags between two. */
function normalisedDifference(sound, start, shortest, longest) {
  const out = new Float64Array(longest - shortest + 1);
  const correlation = (lag) => {
    let sum = 0;
    for (let i = start; i < start + WINDOW - lag; i++) sum += sound[i] * sound[i + lag];
    return sum;
  };
  const whole = correlation(0);
  let [energy, total] = [0, 0];
  for (let lag = 1; lag <= longest; lag++) {
    energy += sound[start + lag - 1] ** 2;
    const difference = 2 * (whole - correlation(lag)) - energy;
    total += difference;
    if (lag >= shortest) out[lag - shortest] = difference / (total / lag + TINY);
  }
  return out;
}
