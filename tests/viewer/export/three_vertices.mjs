// The vertices that three.js makes of a skinned, morphed mesh at the given times, in a raw float32 file: node three_vertices.mjs FILE OUT TIME...
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

// The loader looks for a browser's names; the texture, which only a browser can decode, is not needed.
globalThis.self = globalThis;
console.error = () => {};
const from = createRequire(`${process.env.PACKAGES}/package.json`);
const THREE = await import(pathToFileURL(from.resolve("three")).href.replace("three.cjs", "three.module.js"));
const { GLTFLoader } = await import(pathToFileURL(from.resolve("three/addons/loaders/GLTFLoader.js")).href);

const [file, out, ...times] = process.argv.slice(2);
const bytes = readFileSync(file);
const buffer = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
const { scene, animations } = await new Promise((resolve, reject) => new GLTFLoader().parse(buffer, "", resolve, reject));
const mixer = new THREE.AnimationMixer(scene);
mixer.clipAction(animations[0]).play();
const parts = [];
for (const time of times) {
  mixer.setTime(Number(time));
  scene.updateMatrixWorld(true);
  scene.traverse((mesh) => {
    if (!mesh.isSkinnedMesh) return;
    const point = new THREE.Vector3();
    const count = mesh.geometry.attributes.position.count;
    const values = new Float32Array(3 * count);
    for (let i = 0; i < count; i++) mesh.getVertexPosition(i, point).applyMatrix4(mesh.matrixWorld).toArray(values, 3 * i);
    parts.push(Buffer.from(values.buffer));
  });
}
writeFileSync(out, Buffer.concat(parts));
