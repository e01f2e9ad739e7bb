/** Builds the player as one classic script, which a page can carry inside itself or load from beside it, also from disk. */

import { createHash } from "node:crypto";
import { readFileSync, readdirSync } from "node:fs";
import { defineConfig } from "vite";

/** Libraries inside the script, whose licences go with it. */
const LIBRARIES = ["three", "@sparkjsdev/spark", "fflate"];

/** Tells what this was built from: tests compare it with the sources beside it. */
function fingerprint() {
  const hash = createHash("sha256");
  const files = ["package-lock.json", "vite.config.js", ...readdirSync("src").sort().map((name) => `src/${name}`)];
  for (const file of files) hash.update(file).update("\0").update(readFileSync(file)).update("\0");
  return hash.digest("hex");
}

function banner() {
  const parts = LIBRARIES.map((name) => {
    const { version } = JSON.parse(readFileSync(`node_modules/${name}/package.json`, "utf8"));
    return `${name} ${version}\n\n${readFileSync(`node_modules/${name}/LICENSE`, "utf8").trim()}`;
  });
  return `/*! avatar3d's web player, Apache-2.0, built from ${fingerprint()}. With it:\n\n${parts.join("\n\n")}\n*/`;
}

export default defineConfig({
  build: {
    outDir: "dist",
    target: "es2022",
    lib: { entry: "src/player.js", formats: ["iife"], name: "avatar3dPlayer", fileName: () => "player.js" },
    rolldownOptions: { output: { postBanner: banner } },
  },
});
