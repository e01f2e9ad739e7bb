/** Sound -> what the network hears, as driver/features.py makes it: log-mel, its slope, loudness and pitch, causal, 25 frames a second. */

import { Fft } from "./fft.js";
import { WINDOW as PITCH_WINDOW, f0AndPeriodicity } from "./pitch.js";

export const RATE = 16000;
export const FPS = 25;
/** Samples in a frame. */
export const SAMPLES = RATE / FPS;
const [HOP, STEPS, MELS] = [160, 4, 80];
const [WINDOW, SIZE, BINS] = [400, 512, 257];
export const NUM_FEATURES = MELS * STEPS + MELS + 2 * STEPS + 2;
const [FLOOR_DB, MEL_FLOOR_DB, REST_LEVEL_DB] = [-50, -60, -22];
const HANN = Float64Array.from({ length: WINDOW }, (_, i) => 0.5 - 0.5 * Math.cos((2 * Math.PI * i) / WINDOW));
const SUM = HANN.reduce((a, b) => a + b);
const SQUARES = HANN.reduce((a, b) => a + b * b) / WINDOW;

const decibels = (power) => 10 * Math.log10(power + 1e-9);
const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

/** Motion frames that a sound of so many samples lasts. */
export const numFrames = (samples) => Math.max(1, Math.ceil(samples / SAMPLES));

/** The running state of the features: feed sound in pieces, get the frames that are complete. */
export class FeatureStream {
  /** @param {Float32Array} filters [BINS, MELS] */
  constructor(filters) {
    this._filters = filters;
    // Most of a triangle's matrix is zero: where each bin begins and ends to count.
    this._reach = Array.from({ length: BINS }, (_, bin) => {
      const row = filters.subarray(bin * MELS, (bin + 1) * MELS);
      return [Math.max(row.findIndex(Boolean), 0), row.findLastIndex(Boolean) + 1];
    });
    this._fft = new Fft(SIZE);
    this._power = new Float64Array(MELS);
    this._tail = new Float32Array(PITCH_WINDOW - HOP);
    this._pending = new Float32Array(0);
    this._level = REST_LEVEL_DB;
    this._noise = FLOOR_DB;
    this._pitch = Math.log2(150);
    this._mel = new Float64Array(MELS).fill((MEL_FLOOR_DB + 30) / 20);
  }

  /**
   * @param {Float32Array} sound at RATE
   * @returns {Float32Array} [n, NUM_FEATURES] of the frames that this piece completes
   */
  push(sound) {
    const whole = joined(this._pending, sound);
    const frames = Math.floor(whole.length / SAMPLES);
    this._pending = whole.slice(frames * SAMPLES);
    const context = joined(this._tail, whole.subarray(0, frames * SAMPLES));
    this._tail = context.slice(context.length - this._tail.length);
    const out = new Float32Array(frames * NUM_FEATURES);
    for (let frame = 0; frame < frames; frame++) this._frame(context, frame * SAMPLES, out.subarray(frame * NUM_FEATURES, (frame + 1) * NUM_FEATURES));
    return out;
  }

  _frame(context, start, row) {
    const [slope, loudness] = [MELS * STEPS, MELS * STEPS + MELS];
    const before = this._mel;
    let loudest = -Infinity;
    for (let step = 0; step < STEPS; step++) {
      const mel = row.subarray(step * MELS, (step + 1) * MELS);
      const energy = this._analyse(context, start + PITCH_WINDOW - WINDOW + step * HOP, mel);
      loudest = Math.max(loudest, energy);
      this._track(energy);
      for (let i = 0; i < MELS; i++) mel[i] = (Math.max(mel[i] - this._level, MEL_FLOOR_DB) + 30) / 20;
      row[loudness + 2 * step] = (Math.max(energy - this._level, FLOOR_DB) + 15) / 15;
      row[loudness + 2 * step + 1] = clamp(energy - this._noise, 0, 40) / 20 - 1;
    }
    this._mel = row.slice((STEPS - 1) * MELS, STEPS * MELS);
    for (let i = 0; i < MELS; i++) row[slope + i] = this._mel[i] - before[i];
    const [f0, periodicity] = f0AndPeriodicity(context, start + SAMPLES - HOP, RATE);
    const voicing = loudest > FLOOR_DB ? clamp((periodicity - 0.5) / 0.3, 0, 1) : 0;
    const octave = Math.log2(f0);
    this._pitch += 0.03 * voicing * (octave - this._pitch);
    row[NUM_FEATURES - 2] = voicing;
    row[NUM_FEATURES - 1] = voicing * clamp(octave - this._pitch, -1, 1);
  }

  /** Log-mel, into `mel`, and energy of the window that begins at `start`, dB. */
  _analyse(context, start, mel) {
    const { real, imaginary } = this._fft;
    let energy = 0;
    real.fill(0, WINDOW);
    for (let i = 0; i < WINDOW; i++) {
      real[i] = context[start + i] * HANN[i];
      energy += real[i] * real[i];
    }
    this._fft.transform();
    const power = this._power.fill(0);
    for (let bin = 0; bin < BINS; bin++) {
      const strength = (real[bin] ** 2 + imaginary[bin] ** 2) / (SUM ** 2 / 4);
      const [from, to] = this._reach[bin];
      for (let i = from; i < to; i++) power[i] += strength * this._filters[bin * MELS + i];
    }
    for (let i = 0; i < MELS; i++) mel[i] = decibels(power[i]);
    return decibels(energy / WINDOW / SQUARES);
  }

  /** The speaker's running level (fast up, slow down) and the running noise floor (fast down, slow up). */
  _track(energy) {
    this._level += (energy - this._level) * (energy > this._level ? 0.05 : 0.0008);
    this._level = Math.max(this._level, -42);
    this._noise += (energy - this._noise) * (energy < this._noise ? 0.08 : 0.0008);
    this._noise = clamp(this._noise, -75, -25);
  }
}

/**
 * Features of digital silence.
 * @param {Float32Array} filters
 * @returns {Float32Array} [NUM_FEATURES]
 */
export const silentFrame = (filters) => new FeatureStream(filters).push(new Float32Array(2 * SAMPLES)).slice(NUM_FEATURES);

/** Two arrays as one. */
export function joined(a, b) {
  const out = new Float32Array(a.length + b.length);
  out.set(a);
  out.set(b, a.length);
  return out;
}
