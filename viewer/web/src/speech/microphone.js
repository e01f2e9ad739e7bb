/** The microphone as pieces of mono sound at 16 kHz. */

import { RATE } from "./features.js";
import { Resampler } from "./resampler.js";

const PROCESSOR = `registerProcessor("pieces", class extends AudioWorkletProcessor {
  process([input]) {
    if (input.length) this.port.postMessage(input[0].slice());
    return true;
  }
});`;
const REASONS = {
  NotAllowedError: "the browser was not allowed to use the microphone; allow it beside the page's address",
  NotFoundError: "there is no microphone on this machine",
  NotReadableError: "the microphone is in use by another program",
};

/**
 * Opens the microphone.
 * @param {(sound: Float32Array) => void} heard
 * @returns {Promise<() => void>} ends it
 */
export async function openMicrophone(heard) {
  if (!navigator.mediaDevices?.getUserMedia) throw new Error("browsers give the microphone only to pages of https: addresses, of localhost and from disk");
  const wishes = { channelCount: 1, echoCancellation: false, noiseSuppression: true, autoGainControl: true };
  const stream = await navigator.mediaDevices.getUserMedia({ audio: wishes }).catch((error) => {
    throw new Error(REASONS[error.name] ?? `the microphone cannot be used (${error.message})`);
  });
  // Of the microphone's own rate: not every browser brings a microphone to another.
  const context = new AudioContext();
  const resampler = new Resampler(context.sampleRate, RATE);
  const end = () => {
    for (const track of stream.getTracks()) track.stop();
    context.close();
  };
  try {
    const address = URL.createObjectURL(new Blob([PROCESSOR], { type: "text/javascript" }));
    await context.audioWorklet.addModule(address);
    URL.revokeObjectURL(address);
    const pieces = new AudioWorkletNode(context, "pieces", { numberOfOutputs: 0, channelCount: 1, channelCountMode: "explicit" });
    pieces.port.onmessage = ({ data }) => heard(resampler.push(data));
    context.createMediaStreamSource(stream).connect(pieces);
    // It may wait for a click, or for a device: nobody needs to wait with it.
    context.resume();
  } catch (error) {
    end();
    throw new Error(`the microphone cannot be heard (${error.message})`);
  }
  return end;
}
