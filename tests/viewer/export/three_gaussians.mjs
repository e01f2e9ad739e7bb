// The Gaussians that three.js reads from a .glb: centres, the six numbers of the covariance and RGBA of each, in a raw float32 file:
// node three_gaussians.mjs FILE OUT
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

globalThis.self = globalThis;
const from = createRequire(`${process.env.PACKAGES}/package.json`);
const load = (name) => import(pathToFileURL(from.resolve(`three/addons/loaders/${name}.js`)).href);
const { GLTFLoader } = await load("GLTFLoader");
const { GLTFGaussianSplatLoaderExtension } = await load("GLTFGaussianSplatLoaderExtension");

const [file, out] = process.argv.slice(2);
const bytes = readFileSync(file);
const buffer = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
const loader = new GLTFLoader();
loader.register((parser) => new GLTFGaussianSplatLoaderExtension(parser));
const { scene } = await new Promise((resolve, reject) => loader.parse(buffer, "", resolve, reject));
scene.traverse(({ splatGeometry: geometry }) => {
  if (!geometry) return;
  const parts = ["position", "covariance", "color"].map((name) => Float32Array.from(geometry.attributes[name].array));
  writeFileSync(out, Buffer.concat(parts.map((part) => Buffer.from(part.buffer))));
});
