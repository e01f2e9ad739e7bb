/**
 * Reading the flat file of named arrays that viewer/export/packed.py writes; docs/web.md lists it byte by byte. It is little-endian, as is every
 * machine that browsers run on.
 */

const MAGIC = 0x50443341; // "A3DP"
const VERSION = 1;
const TYPES = { i1: Int8Array, u1: Uint8Array, i2: Int16Array, u2: Uint16Array, i4: Int32Array, u4: Uint32Array, f4: Float32Array };

/**
 * @typedef {object} Packed
 * @property {object} header what the writer put there
 * @property {(name: string) => boolean} has
 * @property {(name: string) => number[]} shape
 * @property {(name: string) => any} stored the array as it lies in the file
 * @property {(name: string) => Float32Array} values shift + scale * stored where it is quantised, else the stored numbers
 */

/**
 * @param {ArrayBuffer} buffer the whole file
 * @returns {Packed}
 */
export function readPacked(buffer) {
  const view = new DataView(buffer);
  if (buffer.byteLength < 12 || view.getUint32(0, true) !== MAGIC) throw new Error("this is not an exported avatar or motion; export it again");
  if (view.getUint32(4, true) > VERSION) throw new Error("this was exported by a newer avatar3d than this player");
  const length = view.getUint32(8, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 12, length)));
  const entry = (name) => {
    if (!(name in header.arrays)) throw new Error(`the exported file lacks ${name}; export it again`);
    return header.arrays[name];
  };
  const stored = (name) => {
    const { type, shape, offset } = entry(name);
    return new TYPES[type](buffer, 12 + length + offset, shape.reduce((a, b) => a * b, 1));
  };
  const values = (name) => {
    const { scale, shift } = entry(name);
    const raw = stored(name);
    const out = Float32Array.from(raw);
    if (scale) {
      const [scales, shifts, width] = [Float32Array.from(scale), Float32Array.from(shift), scale.length];
      for (let i = 0; i < out.length; i++) out[i] = shifts[i % width] + Math.fround(scales[i % width] * out[i]);
    }
    return out;
  };
  return { header, has: (name) => name in header.arrays, shape: (name) => entry(name).shape, stored, values };
}

/**
 * A file's bytes, unpacked where they are gzip.
 * @param {ArrayBuffer} buffer
 * @returns {Promise<ArrayBuffer>}
 */
export async function inflated(buffer) {
  const start = new Uint8Array(buffer, 0, Math.min(2, buffer.byteLength));
  if (start[0] !== 0x1f || start[1] !== 0x8b) return buffer;
  return new Response(new Blob([buffer]).stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
}
