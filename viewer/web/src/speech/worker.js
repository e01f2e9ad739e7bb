/** The driver in a thread of its own, so that pictures do not wait for it. Jobs come in and frames go out as messages; a new job ends the one before. */

import { FeatureStream, RATE, SAMPLES, joined } from "./features.js";
import { Network } from "./network.js";
import { Pace } from "./pace.js";
import { Resampler } from "./resampler.js";
import { FILE, LIVE, Stream } from "./stream.js";

/** @type {Promise<Network>} */
let network = null;
let current = 0;
/** @type {{stream: Stream, pace: Pace, busy: boolean} | null} */
let live = null;

const say = (type, job, more = {}) => self.postMessage({ type, job, ...more });
/** Lets messages in: what runs in WebAssembly never waits for anything. */
const breath = () => new Promise((resolve) => setTimeout(resolve));

const answers = {
  async load({ job, driver, runtime }) {
    network = Network.load(driver, runtime);
    const { channels, names, poses, expr, jaw, jawOpenAngle } = (await network).tables;
    say("loaded", job, { layout: { channels, names, poses, expr, jaw, jawOpenAngle } });
  },

  async features({ job, sound }) {
    say("features", job, { rows: new FeatureStream((await network).tables.filters).push(sound) });
  },

  async resample({ job, sound, from, piece }) {
    const resampler = new Resampler(from, RATE);
    let out = new Float32Array(0);
    for (let start = 0; start < sound.length; start += piece) out = joined(out, resampler.push(sound.subarray(start, start + piece)));
    say("resampled", job, { sound: out });
  },

  async speak({ job, sound, seed, steps, noise, way = "file" }) {
    const loaded = await network;
    const { channels } = loaded.tables;
    const given = noise && ((first, last) => noise.subarray(first * channels, last * channels));
    const stream = new Stream(loaded, { ...(way === "live" ? LIVE : FILE), seed, steps, noise: given });
    const size = FILE.hop * SAMPLES;
    const give = (frames) => say("frames", job, { first: stream.frames - frames.length / channels, frames });
    for (let start = 0; start < sound.length; start += size) {
      stream.hear(sound.subarray(start, start + size));
      while (stream.waiting) {
        give(await stream.make());
        await breath();
        if (job !== current) return;
      }
    }
    for (let frames = await stream.finish(); frames; frames = await stream.finish()) {
      give(frames);
      await breath();
      if (job !== current) return;
    }
    say("spoken", job);
  },

  async listen({ job, seed, steps }) {
    live = { stream: new Stream(await network, { ...LIVE, seed, steps }), pace: new Pace(steps, LIVE.hop), busy: false };
  },

  async sound({ job, sound }) {
    const session = live;
    if (!session || job !== current) return;
    session.stream.hear(sound);
    if (session.busy) return;
    session.busy = true;
    while (session === live && session.stream.waiting) {
      const { stream, pace } = session;
      const { frames, units, steps } = await pace.make(stream);
      say("frames", job, { first: stream.frames - units, frames, steps, waiting: stream.waiting });
      await breath();
    }
    session.busy = false;
  },

  /** Any new job ends the one before. */
  async stop() {},
};

self.onmessage = async ({ data }) => {
  if (data.type !== "sound") {
    current = data.job;
    live = null;
  }
  try {
    await answers[data.type](data);
  } catch (error) {
    say("failed", data.job, { message: error.message ?? String(error) });
  }
};
