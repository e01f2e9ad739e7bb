/**
 * Builds the player, or in the mode "speech" what lets it speak, each as one classic script, which a page can carry inside itself or load from beside it,
 * also from disk.
 */

import { createHash } from "node:crypto";
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { defineConfig } from "vite";

/** What is built: entry, name, folders of its sources, libraries inside it, whose licences go with it. */
const BUNDLES = {
  player: { entry: "src/player.js", name: "avatar3dPlayer", folders: ["src"], libraries: ["three", "@sparkjsdev/spark", "fflate"] },
  speech: { entry: "src/speech/speech.js", name: "avatar3dSpeech", folders: ["src", "src/speech"], libraries: ["onnxruntime-web"] },
};
const RUNTIME = "node_modules/onnxruntime-web/dist/ort-wasm-simd-threaded.wasm";

/** Tells what a bundle was built from: tests compare it with the sources beside it. */
function fingerprint(folders) {
  const hash = createHash("sha256");
  const scripts = folders.flatMap((folder) => readdirSync(folder).sort().map((name) => `${folder}/${name}`));
  const files = ["package-lock.json", "vite.config.js", ...scripts.filter((name) => name.endsWith(".js"))];
  for (const file of files) hash.update(file).update("\0").update(readFileSync(file)).update("\0");
  return hash.digest("hex");
}

/** A library's licence; onnxruntime-web's package lacks it. */
const licence = (name) => readFileSync(name === "onnxruntime-web" ? "onnxruntime.LICENSE" : `node_modules/${name}/LICENSE`, "utf8").trim();

function banner({ folders, libraries }) {
  const parts = libraries.map((name) => {
    const { version } = JSON.parse(readFileSync(`node_modules/${name}/package.json`, "utf8"));
    return `${name} ${version}\n\n${licence(name)}`;
  });
  return `/*! avatar3d's web player, Apache-2.0, built from ${fingerprint(folders)}. With it:\n\n${parts.join("\n\n")}\n*/`;
}

/**
 * ONNX Runtime's WebAssembly lies beside the script and is handed to it, so the library is to look for it nowhere. Its own address, by which it knows whether it
 * is of the page's origin, is that of the worker: a classic script has none as a module has it.
 */
const apart = {
  name: "runtime-apart",
  transform: (code, id) =>
    id.includes("onnxruntime-web")
      ? code.replaceAll(/new URL\("[\w.-]+\.wasm", ?import\.meta\.url\)/g, '{ href: "" }').replaceAll("import.meta.url", "self.location.href")
      : null,
  writeBundle: ({ dir }) => writeFileSync(`${dir}/runtime.wasm.gz`, gzipSync(readFileSync(RUNTIME), { level: 9 })),
};

export default defineConfig(({ mode }) => {
  const bundle = BUNDLES[mode] ?? BUNDLES.player;
  return {
    plugins: mode === "speech" ? [apart] : [],
    worker: { format: "iife", plugins: () => [{ name: apart.name, transform: apart.transform }] },
    build: {
      outDir: "dist",
      emptyOutDir: false,
      target: "es2022",
      lib: { entry: bundle.entry, formats: ["iife"], name: bundle.name, fileName: () => bundle.entry.split("/").at(-1) },
      rolldownOptions: { output: { postBanner: banner(bundle) } },
    },
  };
});
