/** Motion while the sound comes in, as `driver.stream` makes it: short hops mouth by mouth for a microphone, long windows for a file. */

import { FeatureStream, NUM_FEATURES, SAMPLES, joined, numFrames, silentFrame } from "./features.js";
import { frameNoise } from "./noise.js";
import { sampleWindow } from "./window.js";

/** Frames of a plan, frames beyond its own that a window hears, frames that it makes after those. */
export const LIVE = { hop: 3, beyond: 2, planned: 16 };
export const FILE = { hop: 64, beyond: 8, planned: 0 };
/** Frames that a window takes over from the one before. */
const PREFIX = 16;
/** Frames of a hop up to which frames are made one by one. */
const SHORT_HOP = 8;
/** Frames of what is planned that the window of a single mouth goes on to. */
const GLIMPSE = 6;

/** The codes of a sound, each frame's made once. */
class Ear {
  /** @param {import("./network.js").Network} network */
  constructor(network) {
    const { past, filters, width } = network.tables;
    this._network = network;
    this._features = new FeatureStream(filters);
    this._silence = silentFrame(filters);
    this._rows = new Float32Array(0);
    this._first = -past;
    this.addSilence(past);
    this._pending = new Float32Array(0);
    this._sound = new Float32Array(0);
    this._pbm = new Float32Array(0);
    this._from = 0; // frame of the first code that is kept
    this._width = width;
  }

  /** Frames whose sound is here. */
  get frames() {
    return this._first + this._rows.length / NUM_FEATURES;
  }

  push(sound) {
    this._rows = joined(this._rows, this._features.push(sound));
  }

  addSilence(frames) {
    const more = new Float32Array(Math.max(frames, 0) * NUM_FEATURES);
    for (let i = 0; i < more.length; i += NUM_FEATURES) more.set(this._silence, i);
    this._rows = joined(this._rows, more);
  }

  /**
   * Codes of the frames from `first` to `last`, whose sound must be here; those before `first` are forgotten, those from `heard` on are made as if the
   * sound went on the same.
   */
  async codes(first, heard, last) {
    const { past, lookahead } = this._network.tables;
    const begun = this._from + this._pbm.length;
    if (heard > begun) {
      const rows = this._rows.subarray(0, (heard + lookahead - this._first) * NUM_FEATURES);
      const { sound, pbm } = await this._network.hear(rows);
      this._sound = joined(this._sound, sound);
      this._pbm = joined(this._pbm, pbm);
      this._rows = this._rows.slice((heard - past - this._first) * NUM_FEATURES);
      this._first = heard - past;
    }
    this._sound = this._sound.slice((first - this._from) * this._width);
    this._pbm = this._pbm.slice(first - this._from);
    this._from = first;
    const sound = new Float32Array((last - first) * this._width);
    const pbm = new Float32Array(last - first);
    for (let frame = first; frame < last; frame++) {
      const from = Math.min(frame, heard - 1) - first;
      sound.set(this._sound.subarray(from * this._width, (from + 1) * this._width), (frame - first) * this._width);
      pbm[frame - first] = this._pbm[from];
    }
    return { sound, pbm };
  }
}

export class Stream {
  /**
   * @param {import("./network.js").Network} network
   * @param {object} options hop, beyond, planned, steps, seed, and perhaps noise
   */
  constructor(network, { hop, beyond, planned, steps = 4, seed = 0, noise = null }) {
    const { channels, regions } = network.tables;
    this.steps = steps;
    this._network = network;
    this._single = hop <= SHORT_HOP;
    Object.assign(this, { _hop: hop, _ahead: beyond, _planned: planned, _unit: this._single ? 1 : hop, _channels: channels });
    this._noise = noise ?? frameNoise(seed, channels, regions.mouth);
    const mouth = new Set(regions.mouth);
    this._rest = Array.from({ length: channels }, (_, c) => c).filter((c) => !mouth.has(c));
    this._all = Array.from({ length: channels }, (_, c) => c);
    this._ear = new Ear(network);
    this._samples = 0;
    /** Frames given out so far. */
    this.frames = 0;
    this._before = this._beyond = this._plan = new Float32Array(0);
  }

  /** Units, which are frames or long hops, whose sound is here. */
  get waiting() {
    return Math.max(0, Math.floor((this._ear.frames - this.frames - this._ahead - this._network.tables.lookahead) / this._unit));
  }

  /** Whether the next unit takes all steps: of a short hop's frames only the first one does. */
  get plans() {
    return this._plan.length === 0;
  }

  /** @param {Float32Array} sound a piece at 16 kHz, of any size */
  hear(sound) {
    this._samples += sound.length;
    this._ear.push(sound);
  }

  /** The frames [n, C] of the next unit, or of several as one window. */
  make(units = 1) {
    if (units > 1) this._plan = new Float32Array(0);
    return this._window(units * this._unit);
  }

  /** The next frames once the sound has ended, as if silence followed; null when there are none left. */
  async finish() {
    const total = numFrames(this._samples);
    if (this.frames >= total) return null;
    // The last frame is completed with silence.
    this._ear.push(new Float32Array((SAMPLES - (this._samples % SAMPLES)) % SAMPLES));
    this._samples = total * SAMPLES;
    const needed = this.frames + this._unit + this._ahead + this._network.tables.lookahead;
    this._ear.addSilence(needed - this._ear.frames);
    const made = await this._window(this._unit);
    return made.subarray(0, made.length - Math.max(this.frames - total, 0) * this._channels);
  }

  async _window(count) {
    const { _channels: channels, _before: before } = this;
    const taken = before.length / channels;
    const first = this.frames - taken;
    const heard = this.frames + count + this._ahead;
    const last = heard + (this.plans ? this._planned : Math.min(this._planned, GLIMPSE));
    const given = new Float32Array((last - first) * channels);
    const known = new Uint8Array(given.length);
    // A short hop's mouth is settled by the sound alone: what was made of less sound would lead it astray.
    give(given, known, 0, before, this._single ? this._rest : this._all, channels);
    give(given, known, taken, this._plan, this._rest, channels);
    const codes = await this._ear.codes(first, heard, last);
    const steps = this.plans ? this.steps : 1;
    const made = await sampleWindow(this._network, codes, this._noise(first, last), given, known, steps);
    const rows = (from, to) => made.slice(from * channels, to * channels);
    if (!this._single) {
      this._blend(made, taken);
      this._beyond = rows(taken + count, taken + count + this._ahead);
    } else if (this._plan.length) this._plan = this._plan.slice(channels);
    else this._plan = rows(taken + count, taken + Math.max(count, this._hop));
    const fresh = rows(taken, taken + count);
    this._before = joined(before, fresh).slice(-PREFIX * channels);
    this.frames += count;
    return fresh;
  }

  /** Blends the first new frames with what the window before made there: they are one motion, seen from two sides. */
  _blend(made, taken) {
    const start = taken * this._channels;
    this._beyond.forEach((value, i) => {
      const share = (Math.floor(i / this._channels) + 1) / (this._ahead + 1);
      made[start + i] += (1 - share) * (value - made[start + i]);
    });
  }
}

/** Makes some channels of frames from `first` on known. */
function give(given, known, first, frames, channelsGiven, channels) {
  for (let row = 0; row < frames.length; row += channels) {
    for (const channel of channelsGiven) {
      given[first * channels + row + channel] = frames[row + channel];
      known[first * channels + row + channel] = 1;
    }
  }
}
