/** The time of a performance: that of its sound where there is one, so that lips and voice stay together whatever the machine does. */

export class Clock extends EventTarget {
  /**
   * @param {number} duration seconds
   * @param {HTMLAudioElement | null} sound
   */
  constructor(duration, sound) {
    super();
    this._ended = () => this._end();
    this._broken = () => this._lose();
    this.duration = duration;
    this.sound = sound;
    this.playing = false;
    /** Whether there is a moment to show: not before the first play, and not after the end. */
    this.started = false;
    this.loop = false;
    this._rate = 1;
    this._time = 0;
    this._since = 0;
    this._listen(sound);
  }

  _listen(sound) {
    sound?.addEventListener("ended", this._ended);
    sound?.addEventListener("error", this._broken);
  }

  _leave() {
    this.sound?.removeEventListener("ended", this._ended);
    this.sound?.removeEventListener("error", this._broken);
  }

  /** The sound has broken off: time goes on without it. */
  _lose() {
    this._hold();
    this._leave();
    this.sound = null;
    this.dispatchEvent(new Event("silent"));
    this._changed();
  }

  /** Something else to keep the time of, from its beginning. */
  load(duration, sound) {
    if (this.playing) this.pause();
    this._leave();
    const muted = this.sound?.muted ?? false;
    Object.assign(this, { duration, sound, started: false, _time: 0 });
    if (sound) {
      Object.assign(sound, { muted, playbackRate: this._rate });
      this._listen(sound);
    }
    this._changed();
  }

  /** Seconds, 0 to duration. */
  get time() {
    if (!this.playing) return this._time;
    const now = this.sound ? this.sound.currentTime : this._time + ((performance.now() - this._since) / 1000) * this._rate;
    return Math.min(now, this.duration);
  }

  get rate() {
    return this._rate;
  }

  set rate(value) {
    this._hold();
    this._rate = value;
    if (this.sound) this.sound.playbackRate = value;
    this._changed();
  }

  /** Browsers let a page sound only after a click or a key: then this rejects, and nothing plays. */
  async play() {
    if (!this.started || this._time >= this.duration) this.seek(this.started ? 0 : this._time);
    if (this.sound) await this.sound.play();
    this._since = performance.now();
    this.started = this.playing = true;
    this._changed();
  }

  pause() {
    this._hold();
    this.playing = false;
    this.sound?.pause();
    this._changed();
  }

  /** @param {number} time seconds */
  seek(time) {
    this._time = Math.min(Math.max(time, 0), this.duration);
    this._since = performance.now();
    this.started = true;
    if (this.sound) this.sound.currentTime = this._time;
    this._changed();
  }

  /** Called before every frame: a silent performance has nobody else to tell it that it is over. */
  tick() {
    if (this.playing && this.time >= this.duration) this._end();
  }

  _end() {
    if (!this.playing) return;
    this.playing = false;
    this._time = 0;
    if (this.loop) {
      this.seek(0);
      this.play().catch((error) => console.warn(error.message));
      return;
    }
    this.started = false;
    this.sound?.pause();
    this._changed();
  }

  _hold() {
    this._time = this.time;
    this._since = performance.now();
  }

  _changed() {
    this.dispatchEvent(new Event("change"));
  }
}
