/** Sound at another rate, piece after piece: a sinc under a Hann window, cut off below half of the lower rate. */

/** Zero crossings of the sinc to either side. */
const CROSSINGS = 16;
/** Of half the lower rate, what passes. */
const PASSED = 0.94;

export class Resampler {
  /**
   * @param {number} from Hz
   * @param {number} to Hz
   */
  constructor(from, to) {
    this._step = from / to;
    this._cutoff = PASSED * Math.min(1, to / from);
    this._reach = Math.ceil(CROSSINGS / this._cutoff);
    // Before the sound there is silence, so that its first sample is the first that comes out.
    this._kept = new Float32Array(this._reach);
    this._position = this._reach; // of the next sample to come out, in what is kept
  }

  /** @param {Float32Array} sound @returns {Float32Array} what can be said of it so far */
  push(sound) {
    const { _step: step, _cutoff: cutoff, _reach: reach } = this;
    const whole = new Float32Array(this._kept.length + sound.length);
    whole.set(this._kept);
    whole.set(sound, this._kept.length);
    const out = new Float32Array(Math.max(0, Math.ceil((whole.length - reach - this._position) / step)));
    for (let i = 0; i < out.length; i++) {
      const position = this._position + i * step;
      const first = Math.max(Math.ceil(position - reach), 0);
      for (let at = first; at <= position + reach; at++) {
        const away = at - position;
        const turn = Math.PI * cutoff * away;
        const sinc = Math.abs(turn) < 1e-9 ? 1 : Math.sin(turn) / turn;
        out[i] += whole[at] * cutoff * sinc * (0.5 + 0.5 * Math.cos((Math.PI * away) / reach));
      }
    }
    this._position += out.length * step;
    const gone = Math.max(Math.floor(this._position) - reach, 0);
    this._kept = whole.slice(gone);
    this._position -= gone;
    return out;
  }
}
