/** The live link: a WebSocket that moves the head, opened again by itself whenever it breaks. */

import { element } from "./dom.js";
import { LiveTrack } from "./live_track.js";
import { readPacket } from "./packets.js";
import { codec, Voice } from "./voice.js";

const PROTOCOL = "avatar3d.stream.1";
const FIRST_WAIT = 0.5; // seconds until the next try, doubled with every one that fails
const LONGEST_WAIT = 10;
const NOTICE = { connecting: "connecting", live: "live", waiting: "nothing is performed at the moment", over: "the performance is over" };

export class LiveLink extends EventTarget {
  /**
   * @param {object} player
   * @param {import("./track.js").Source} idle
   * @param {{socket: string, avatar: string}} config name of the WebSocket beside the page, and the fingerprint of the page's avatar
   */
  constructor(player, idle, config) {
    super();
    this.track = new LiveTrack(idle);
    this.rest = idle.at(0);
    /** "connecting", "live", "waiting", "over" or "away". */
    this.state = "connecting";
    this.stream = null;
    /** Frames that came, and that were skipped on the way. */
    this.came = this.skipped = 0;
    this.voice = null;
    this._take = {
      description: (packet) => this._description(packet),
      frame: (packet) => this._frame(packet),
      sound: (packet) => this.voice?.push(packet),
      end: () => this._end(),
    };
    this._avatar = config.avatar;
    this._channels = [];
    this._sound = null;
    this._last = null;
    this._failed = 0;
    this._address = new URL(config.socket, location.href);
    this._address.protocol = location.protocol === "https:" ? "wss:" : "ws:";
    this._address.search = this._address.hash = "";
    player.performance.live = this.track;
    window.addEventListener("online", () => this._again());
    document.addEventListener("visibilitychange", () => document.hidden || this._again());
    setInterval(() => this._watch(), 500);
    this._open();
  }

  /** Whether there is something to hear. */
  get audible() {
    return this._sound !== null;
  }

  /** Turns the sound on or off; to be called by a click or a key. */
  listen(on = this.voice === null) {
    if (on === (this.voice !== null) || (on && !this.audible)) return;
    this.voice?.close();
    this.voice = this.track.voice = on ? new Voice(this._sound.rate, this.track) : null;
    this._ask();
    this._changed();
  }

  _ask() {
    if (this._socket.readyState === WebSocket.OPEN) this._socket.send(JSON.stringify({ sound: this.voice ? codec() : null }));
  }

  _open() {
    clearTimeout(this._timer);
    this._timer = null;
    const socket = (this._socket = new WebSocket(this._address, [PROTOCOL]));
    socket.binaryType = "arraybuffer";
    socket.addEventListener("open", () => {
      if (this.voice) this._ask();
    });
    socket.addEventListener("message", (event) => {
      try {
        const packet = event.data instanceof ArrayBuffer ? readPacket(event.data) : null;
        if (packet?.stream === this.stream || packet?.kind === "description") this._take[packet.kind](packet);
      } catch (error) {
        console.warn(error.message);
        socket.close();
      }
    });
    socket.addEventListener("close", () => {
      if (socket !== this._socket) return;
      const wait = Math.min(FIRST_WAIT * 2 ** this._failed, LONGEST_WAIT) * (0.8 + 0.4 * Math.random());
      this._failed += 1;
      this._timer = setTimeout(() => this._open(), 1000 * wait);
      this._next = Date.now() + 1000 * wait;
      this._become(this.track.ended && this.state === "over" ? "over" : "away");
    });
  }

  /** Tries at once where the next try is waited for. */
  _again() {
    if (this._timer) this._open();
  }

  _description({ stream, facts }) {
    // Another avatar is streamed from this address now: its page is needed.
    if (facts.avatar !== this._avatar) {
      location.reload();
      return;
    }
    this._channels = facts.channels.map(([name, width]) => {
      if (this.rest[name]?.length !== width) throw new Error(`the stream has a channel ${name} of ${width} that this head has not`);
      return [name, width];
    });
    this._failed = 0;
    if (stream === this.stream) return;
    this.stream = stream;
    this._sound = facts.sound;
    this._last = null;
    this.track.clear();
    this.voice?.clear();
    if (!this.audible) this.listen(false);
    this._become("waiting");
  }

  _frame({ number, time, values }) {
    if (this._last !== null && number > this._last) this.skipped += number - this._last - 1;
    this._last = number;
    this.came += 1;
    const frame = { ...this.rest };
    let start = 0;
    for (const [name, width] of this._channels) {
      frame[name] = values.subarray(start, start + width);
      start += width;
    }
    if (start !== values.length) throw new Error("a frame of the stream does not fit its description");
    this.track.push(time, frame, performance.now() / 1000);
    this._become("live");
  }

  _end() {
    this.track.ended = true;
    this._become("over");
  }

  _watch() {
    if (this.state === "live" && performance.now() / 1000 - this.track.arrived > 1.5) this._become("waiting");
    if (this.state === "away") this._changed();
  }

  _become(state) {
    if (state === this.state) return;
    this.state = state;
    this._changed();
  }

  _changed() {
    this.dispatchEvent(new Event("change"));
  }

  /** One line for people. */
  get notice() {
    if (this.state === "live" && this.audible && !this.voice) return "live · sound is off";
    if (this.state !== "away") return NOTICE[this.state];
    const seconds = Math.max(Math.ceil((this._next - Date.now()) / 1000), 0);
    return `the stream is away; ${this._timer ? `trying again in ${seconds} s` : "trying again"}`;
  }
}

/**
 * Joins a page to its stream. Until the head is drawn nothing is called live.
 * @param {object} player
 * @param {import("./track.js").Source} idle
 * @param {{socket: string, avatar: string}} config
 */
export function connectStream(player, idle, config) {
  const link = new LiveLink(player, idle, config);
  const [line, listen] = [element("stream"), element("listen")];
  const refresh = () => {
    line.hidden = false;
    const loading = !player.view.drawn && link.state !== "away";
    line.dataset.state = loading ? "loading" : link.state;
    line.textContent = loading ? "the head is on its way" : link.notice;
    listen.hidden = !link.audible;
    listen.setAttribute("aria-pressed", String(link.voice !== null));
  };
  link.addEventListener("change", refresh);
  listen.addEventListener("click", () => link.listen());
  window.addEventListener("keydown", (event) => {
    if (event.key === "m" && !event.ctrlKey && !event.metaKey && !event.altKey) link.listen();
  });
  player.view.shown.then(refresh);
  refresh();
  return link;
}
