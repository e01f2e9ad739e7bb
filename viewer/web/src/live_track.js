/** Frames that come over a network, laid out on the clock of their sender: what lies between them is drawn, jitter is not seen. */

import { blended } from "./track.js";

const DELAY = 0.06; // seconds that the picture stays behind the newest frame: a frame and a half
const SOUND_DELAY = 0.1; // with sound, which must be laid out beforehand
const FADE = 0.4; // seconds between idling and performing
const MOST = 60; // frames that are kept
const SILENCE = 1; // seconds without a frame after which the head idles
const SLEW = 0.03; // seconds a second by which the picture's clock is set, so that nobody sees it
const JUMP = 0.25; // seconds of difference that are no jitter
const RECENT = 50; // frames among which the quickest is looked for

export class LiveTrack {
  /** @param {import("./track.js").Source} idle what the head does while nothing comes */
  constructor(idle) {
    this.duration = Infinity;
    this._idle = idle;
    this._share = 0;
    this._before = null;
    /** @type {import("./voice.js").Voice | null} */
    this.voice = null;
    this.clear();
  }

  /** Another stream begins. */
  clear() {
    this._frames = [];
    this._offsets = [];
    this._slow = 0;
    this._lag = null;
    this._laid = null;
    this._set = 0;
    /** When the last frame came, and whether the sender has said that there will be no more. */
    this.arrived = -Infinity;
    this.ended = false;
  }

  /**
   * @param {number} time seconds on the sender's clock
   * @param {import("./track.js").Frame} frame
   * @param {number} now seconds on this machine's clock
   */
  push(time, frame, now) {
    const last = this._frames.at(-1);
    if (last && time <= last.time) return;
    this._frames.push({ time, frame });
    if (this._frames.length > MOST) this._frames.shift();
    this.arrived = now;
    const offset = now - time;
    const least = Math.min(...this._offsets, offset);
    // What comes late once is jitter; what stays late has stalled, and its clock is set anew.
    this._slow = offset - least > JUMP ? this._slow + 1 : 0;
    if (this._slow > 4) [this._offsets, this._slow] = [[], 0];
    this._offsets.push(offset);
    if (this._offsets.length > RECENT) this._offsets.shift();
    this.lag(now);
  }

  /** Time of the newest frame. */
  get newest() {
    return this._frames.at(-1)?.time ?? -Infinity;
  }

  /** Seconds by which what is shown should lie behind this machine's clock, by when frames come; not finite before the first one. */
  get networkLag() {
    return Math.min(...this._offsets) + (this.voice?.running ? SOUND_DELAY + this.voice.patience : DELAY);
  }

  /**
   * Seconds by which what is shown lies behind this machine's clock: with the sound where one is heard.
   * @param {number} now
   */
  lag(now) {
    const heard = this.voice?.position ?? null;
    const wanted = heard === null ? this.networkLag : now - heard;
    // Lips and voice are together at once; what is set by a hair is set unseen.
    const laid = heard === null ? null : this.voice.laid;
    if (this._lag === null || Math.abs(wanted - this._lag) > JUMP || (laid !== null && laid !== this._laid)) this._lag = wanted;
    else {
      const most = SLEW * Math.min(Math.max(now - this._set, 0), 1);
      this._lag += Math.min(Math.max(wanted - this._lag, -most), most);
    }
    if (laid !== null) this._laid = laid;
    this._set = now;
    return this._lag;
  }

  /** Seconds of the stream that are shown at `now`; null before the first frame. */
  position(now) {
    return this._frames.length ? now - this.lag(now) : null;
  }

  /** @param {number} now */
  at(now) {
    const step = this._before === null ? 0 : (now - this._before) / FADE;
    this._before = now;
    const coming = this._frames.length > 0 && now - this.arrived < SILENCE && !this.ended;
    this._share = Math.min(Math.max(this._share + (coming ? step : -step), 0), 1);
    const shown = this._frames.length ? this._between(now - this.lag(now)) : null;
    if (shown === null || this._share === 0) return this._idle.at(now);
    return this._share === 1 ? shown : blended(this._idle.at(now), shown, this._share);
  }

  _between(time) {
    const frames = this._frames;
    while (frames.length > 1 && frames[1].time <= time) frames.shift();
    const [first, second] = frames;
    if (!second || time <= first.time) return first.frame;
    return blended(first.frame, second.frame, (time - first.time) / (second.time - first.time));
  }
}
