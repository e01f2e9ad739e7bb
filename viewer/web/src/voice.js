/** The sound of a live stream: pieces with time stamps, laid out on the clock of WebAudio. */

import { CODECS } from "./packets.js";

const OPUS_RATE = 48_000; // what every decoder of Opus gives
const MOST_KEPT = 50; // pieces: two seconds
const LOOSE = 0.12; // seconds by which sound may be off the network's clock before it is laid out anew
const SPARE = 0.04; // seconds
const MOST_PATIENCE = 1; // second

/** Browsers decode Opus for pages from this machine or by https; elsewhere sound comes as it is, ten times as large. */
export const codec = () => ("AudioDecoder" in globalThis ? "opus" : "pcm16");

export class Voice {
  /**
   * Made by a click or a key, else browsers leave it silent.
   * @param {number} rate of the stream's sound, Hz
   * @param {import("./live_track.js").LiveTrack} track whose sound it is
   */
  constructor(rate, track) {
    this.codec = codec();
    this._rate = rate;
    this._track = track;
    // The rate of the pieces themselves, so that they join without a seam.
    this.context = new AudioContext({ sampleRate: this.codec === "opus" ? OPUS_RATE : rate, latencyHint: "interactive" });
    this.context.resume().catch(() => {});
    /** Where 0 s of the stream lies on the context's clock; null until the first piece is laid out. */
    this._zero = null;
    this._pieces = [];
    this._times = [];
    this._decoder = null;
    /** Seconds that picture and sound wait longer, since pieces were not there when they were due. */
    this.patience = 0;
    /** How often the sound has been laid out anew. */
    this.laid = 0;
  }

  /** Whether it sounds, or would if there were something to hear. */
  get running() {
    return this.context.state === "running";
  }

  /** Seconds of the stream that are heard now; null where nothing is. */
  get position() {
    const last = this._pieces.at(-1);
    if (this._zero === null || !this.running || !last) return null;
    const at = this.context.currentTime - this._latency - this._zero;
    return at <= last.end ? at : null;
  }

  get _latency() {
    return this.context.outputLatency || this.context.baseLatency || 0;
  }

  /** @param {import("./packets.js").Packet} packet a piece of sound */
  push(packet) {
    if (packet.codec === CODECS.pcm16) {
      const stored = new Int16Array(packet.data.slice().buffer);
      this._put(packet.time, Float32Array.from(stored, (value) => value / 32768), this._rate);
    } else if (packet.codec === CODECS.opus && this.codec === "opus") {
      this._decoder ??= this._fresh();
      this._times.push(packet.time);
      this._decoder.decode(new EncodedAudioChunk({ type: "key", timestamp: Math.round(packet.time * 1e6), data: packet.data }));
    }
  }

  /** Another stream begins, or this one stalled: what was laid out is taken back. */
  clear() {
    for (const piece of this._pieces) piece.node?.stop();
    if (this._decoder && this._decoder.state !== "closed") this._decoder.close();
    this._decoder = null;
    this._pieces = [];
    this._zero = null;
    this.patience = 0;
  }

  close() {
    this.clear();
    this.context.close().catch(() => {});
  }

  _fresh() {
    this._times = [];
    const decoder = new AudioDecoder({
      output: (data) => {
        const samples = new Float32Array(data.numberOfFrames);
        data.copyTo(samples, { planeIndex: 0, format: "f32-planar" });
        const rate = data.sampleRate;
        data.close();
        this._put(this._times.shift(), samples, rate);
      },
      error: (error) => {
        console.warn(error.message);
        this._decoder = null;
      },
    });
    decoder.configure({ codec: "opus", sampleRate: OPUS_RATE, numberOfChannels: 1 });
    return decoder;
  }

  _put(time, samples, rate) {
    const piece = { time, end: time + samples.length / rate, samples, rate, node: null };
    this._pieces.push(piece);
    if (this._pieces.length > MOST_KEPT) this._pieces.shift();
    const { context, _track: track } = this;
    if (!this.running || !Number.isFinite(track.networkLag)) return;
    const late = this._zero !== null && this._zero + time < context.currentTime;
    // Sound that comes after frames of its time: rather all of it a little later than in shreds. Where both stalled, the track sets its clock anew.
    if (late && time < track.newest) this.patience = Math.min(this.patience + context.currentTime - this._zero - time + SPARE, MOST_PATIENCE);
    const zero = context.currentTime - this._latency - (performance.now() / 1000 - track.networkLag);
    // Clocks of sound cards drift: a small difference is left alone, for the picture follows the sound.
    if (late || this._zero === null || Math.abs(zero - this._zero) > LOOSE) {
      for (const other of this._pieces) other.node?.stop();
      this._zero = Math.round(zero * context.sampleRate) / context.sampleRate;
      this.laid += 1;
      for (const other of this._pieces) this._lay(other);
    } else this._lay(piece);
  }

  _lay(piece) {
    const { context } = this;
    const when = Math.round((this._zero + piece.time) * context.sampleRate) / context.sampleRate;
    const missed = Math.max(context.currentTime - when, 0);
    if (missed >= piece.end - piece.time) return;
    const buffer = context.createBuffer(1, piece.samples.length, piece.rate);
    buffer.copyToChannel(piece.samples, 0);
    piece.node = new AudioBufferSourceNode(context, { buffer });
    piece.node.connect(context.destination);
    piece.node.start(when + missed, missed);
  }
}
