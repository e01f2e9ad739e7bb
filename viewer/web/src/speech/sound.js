/** Sound files as the network is used to hear them, as `driver.features.as_mono16k` brings them there. */

import { RATE } from "./features.js";

const [QUIETEST, LOUDEST] = [10 ** (-32 / 20), 10 ** (-14 / 20)];
const [LARGEST_GAIN, OFFSET] = [100, 1e-3];
const BLOCK = 20 * RATE;
/** Bytes of a file, and seconds of its sound, beyond which it is refused: all of it is held in memory. */
const [MOST_BYTES, MOST_SECONDS] = [500e6, 3600];

/**
 * @param {Blob} file
 * @returns {Promise<Float32Array>} mono, at RATE, at a level that the network knows
 */
export async function readSound(file) {
  const name = file.name ?? "the sound";
  if (file.size > MOST_BYTES) throw new Error(`${name}: is larger than ${MOST_BYTES / 1e6} MB; cut it`);
  let decoded;
  try {
    // A context of the wanted rate brings the sound to it.
    decoded = await new OfflineAudioContext(1, 1, RATE).decodeAudioData(await file.arrayBuffer());
  } catch {
    throw new Error(`${name}: this browser cannot decode it; give a WAV, MP3, Opus or M4A file`);
  }
  if (decoded.duration > MOST_SECONDS) throw new Error(`${name}: is longer than an hour; cut it`);
  if (!decoded.length) throw new Error(`${name}: holds no samples; give a recording with speech`);
  return levelled(mixed(Array.from({ length: decoded.numberOfChannels }, (_, channel) => decoded.getChannelData(channel))));
}

/** The mean of some channels. */
const mixed = (channels) => channels[0].map((_, i) => channels.reduce((sum, channel) => sum + channel[i], 0) / channels.length);

/**
 * A sound without a constant, whose loudest 20 s are neither quieter nor louder than any that the network learned from.
 * @param {Float32Array} sound
 */
export function levelled(sound) {
  const mean = sound.reduce((sum, value) => sum + value, 0) / sound.length;
  const centred = Math.abs(mean) > OFFSET ? sound.map((value) => value - mean) : sound;
  let loudest = 0;
  for (let start = 0; start < centred.length; start += BLOCK) {
    const block = centred.subarray(start, start + BLOCK);
    loudest = Math.max(loudest, block.reduce((sum, value) => sum + value * value, 0) / block.length);
  }
  const level = Math.sqrt(loudest);
  const gain = Math.min(Math.min(Math.max(level, QUIETEST), LOUDEST) / Math.max(level, 1e-12), LARGEST_GAIN);
  return gain === 1 ? centred : centred.map((value) => value * gain);
}
