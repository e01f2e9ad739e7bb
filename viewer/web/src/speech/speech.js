/** Speech in the page: a sound file or the microphone moves the head, without any server. */

import { made } from "../dom.js";
import { Driver } from "./driver.js";
import { FPS, RATE } from "./features.js";
import { openMicrophone } from "./microphone.js";
import { readSound } from "./sound.js";
import { spokenSource } from "./source.js";

const STEPS = 4;
/** Seconds by which a live head follows its sound: what it hears beyond a frame, and what making it takes. */
const DELAY = 0.25;
/** Seconds that sound may come too early or too late before the frames' time is set anew. */
const OFF = 0.25;
/** Of the time that playing takes, what making the rest may take when it begins. */
const SAFE = 0.8;
/** Frames that a live head keeps. */
const KEPT = 2 * FPS;

class Speech {
  constructor(player) {
    this.player = player;
    this.driver = new Driver();
    this.seed = 0;
    /** What was measured of the last sound: seconds of it, and seconds that making its motion took. */
    this.measured = null;
    this._rest = player.performance.idle.at(0);
    this._task = 0;
    this._quiet = null;
    /** Of the file that is spoken. */
    this._address = null;
    this._connect();
  }

  _connect() {
    this.file = made("input", { type: "file", accept: "audio/*,video/*", hidden: true, id: "sound-file" });
    this.speak = made("button", { id: "speak", textContent: "speak a sound", title: "let the head speak a sound file; or drop one on the page" });
    this.microphone = made("button", { id: "microphone", textContent: "microphone", title: "let the head say what you say" });
    this.microphone.setAttribute("aria-pressed", "false");
    this.status = made("div", { id: "speech-status", className: "notice glass", hidden: true });
    this.status.setAttribute("role", "status");
    document.getElementById("talk").append(this.speak, this.microphone);
    document.getElementById("bottom").prepend(this.status);
    document.body.append(this.file);
    this.speak.addEventListener("click", () => this.file.click());
    this.file.addEventListener("change", () => {
      if (this.file.files.length) this.speakFile(this.file.files[0]);
      this.file.value = "";
    });
    this.microphone.addEventListener("click", () => (this._quiet ? this.stop() : this.listen()));
    window.addEventListener("dragover", (event) => event.preventDefault());
    window.addEventListener("drop", (event) => {
      event.preventDefault();
      if (event.dataTransfer.files.length) this.speakFile(event.dataTransfer.files[0]);
    });
  }

  _say(text) {
    this.status.textContent = text;
    this.status.hidden = !text;
  }

  /** Runs something that may fail, as the only thing; says on the page why it does. */
  async _try(action) {
    this.stop();
    const task = (this._task += 1);
    const wanted = () => task === this._task;
    try {
      await action(wanted);
    } catch (error) {
      if (!wanted()) return;
      this.stop();
      console.warn(error.message);
      this._say(error.message);
    }
  }

  async _load() {
    this._say("the driver is on its way");
    return this.driver.load((share) => this._say(share < 1 ? `the driver is on its way: ${Math.round(100 * share)} %` : "the driver starts"));
  }

  /**
   * Lets the head speak a sound file; it begins as soon as what is left will be made in time.
   * @param {File} file
   */
  speakFile(file) {
    return this._try(async (wanted) => {
      const [layout, sound] = [await this._load(), await readSound(file)];
      if (!wanted()) return;
      if (this._address) URL.revokeObjectURL(this._address);
      const audio = new Audio((this._address = URL.createObjectURL(file)));
      const source = spokenSource(layout, this._rest, sound.length / RATE);
      const { player } = this;
      player.perform(source, audio);
      const began = performance.now();
      let playing = false;
      const play = () => {
        playing = true;
        this._say("");
        player.clock.play().catch(() => this._say("press play"));
      };
      await this.driver.ask({ type: "speak", sound, seed: this.seed, steps: STEPS }, "spoken", ({ frames }) => {
        source.push(frames);
        const [seconds, spent] = [source.made / FPS, (performance.now() - began) / 1000];
        if (playing || !wanted()) return;
        this._say(`the head learns its part: ${Math.min(Math.round((100 * seconds) / source.duration), 100)} %`);
        if (((source.duration - seconds) / seconds) * spent < SAFE * source.duration) play();
      });
      this.measured = { sound: source.duration, making: (performance.now() - began) / 1000 };
      if (!playing && wanted()) play();
    });
  }

  /** Lets the head say what the microphone hears, until `stop`. */
  listen() {
    return this._try(async (wanted) => {
      const layout = await this._load();
      const source = spokenSource(layout, this._rest, Infinity);
      let [began, heard, job] = [0, 0, null];
      const waiting = [];
      const hear = (sound) => {
        const now = performance.now() / 1000;
        if (!began) this._say("speak");
        heard += sound.length / RATE;
        // The first piece lasted as long as it is before it was here; one that was held up sets the time anew.
        if (!began || Math.abs(now - began - heard) > OFF) began = now - heard;
        if (job === null) waiting.push(sound);
        else this.driver.tell(job, { type: "sound", sound });
      };
      this._say("waiting for the microphone");
      const quiet = await openMicrophone(hear);
      if (!wanted()) return quiet();
      this._quiet = quiet;
      this.microphone.setAttribute("aria-pressed", "true");
      this.live = { made: 0, steps: {}, late: 0 };
      const { player } = this;
      player.clock.pause();
      job = this.driver.begin({ type: "listen", seed: this.seed, steps: STEPS }, (answer) => {
        if (answer.type === "failed") this.stop(answer.message);
        if (answer.type !== "frames" || !wanted()) return;
        source.push(answer.frames);
        source.forget(source.made - KEPT);
        this.live.made = source.made;
        this.live.steps[answer.steps] = (this.live.steps[answer.steps] ?? 0) + 1;
        if (performance.now() / 1000 > began + DELAY + (answer.first + 1) / FPS) this.live.late += 1;
      });
      for (const sound of waiting) this.driver.tell(job, { type: "sound", sound });
      player.performance.live = { ...source, at: (now) => source.at(now - began - DELAY) };
    });
  }

  /** Ends whatever is made or heard. */
  stop(text = "") {
    this._task += 1;
    this.driver.end();
    this._quiet?.();
    if (this._quiet) this.player.performance.live = null;
    this._quiet = null;
    this.microphone.setAttribute("aria-pressed", "false");
    this._say(text);
  }
}

window.avatar3d.ready.then(
  (player) => (window.avatar3d.speech = new Speech(player)),
  () => {},
);
