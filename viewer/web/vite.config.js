/** Builds the player as one classic script, which a page can carry inside itself or load from beside it, also from disk. */

import { readFileSync } from "node:fs";
import { defineConfig } from "vite";

/** Libraries inside the script, whose licences go with it. */
const LIBRARIES = ["three", "@sparkjsdev/spark", "fflate"];

function licences() {
  const parts = LIBRARIES.map((name) => {
    const { version } = JSON.parse(readFileSync(`node_modules/${name}/package.json`, "utf8"));
    return `${name} ${version}\n\n${readFileSync(`node_modules/${name}/LICENSE`, "utf8").trim()}`;
  });
  return `/*! avatar3d's web player, Apache-2.0. With it:\n\n${parts.join("\n\n")}\n*/`;
}

export default defineConfig({
  build: {
    outDir: "dist",
    target: "es2022",
    lib: { entry: "src/player.js", formats: ["iife"], name: "avatar3dPlayer", fileName: () => "player.js" },
    rolldownOptions: { output: { postBanner: licences } },
  },
});
