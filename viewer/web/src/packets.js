/** Reading the packets of viewer/stream/packets.py; docs/stream.md lists them byte by byte. Little-endian. */

const MAGIC = 0x3341; // "A3"
const VERSION = 1;
const HEADER = 16;
export const KINDS = { 1: "description", 2: "frame", 3: "sound", 4: "end" };
export const CODECS = { opus: 1, pcm16: 2 };

/**
 * @typedef {object} Packet
 * @property {"description" | "frame" | "sound" | "end"} kind
 * @property {number} stream
 * @property {number} time seconds on the stream's clock
 * @property {object} [facts] of a description
 * @property {number} [number] of a frame or a piece of sound
 * @property {Float32Array} [values] of a frame
 * @property {number} [codec] of a piece of sound
 * @property {Uint8Array} [data] of a piece of sound
 */

/**
 * @param {ArrayBuffer} buffer
 * @returns {Packet | null} null for kinds that only newer senders know
 */
export function readPacket(buffer) {
  const view = new DataView(buffer);
  if (buffer.byteLength < HEADER || view.getUint16(0, true) !== MAGIC) throw new Error("this is no packet of avatar3d's");
  if (view.getUint8(2) !== VERSION) throw new Error("the stream comes from another version of avatar3d; reload this page");
  const packet = { kind: KINDS[view.getUint8(3)], stream: view.getUint32(4, true), time: view.getFloat64(8, true) };
  if (!Number.isFinite(packet.time)) throw new Error("a packet's time is not a number");
  if (packet.kind === "description") packet.facts = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, HEADER)));
  else if (packet.kind === "frame") {
    packet.number = view.getUint32(HEADER, true);
    packet.values = new Float32Array(buffer, HEADER + 8, view.getUint16(HEADER + 4, true));
    if (!packet.values.every(Number.isFinite)) throw new Error("a frame has values that are not numbers");
  } else if (packet.kind === "sound") {
    packet.number = view.getUint32(HEADER, true);
    packet.codec = view.getUint8(HEADER + 6);
    packet.data = new Uint8Array(buffer, HEADER + 8);
  }
  return packet.kind ? packet : null;
}
