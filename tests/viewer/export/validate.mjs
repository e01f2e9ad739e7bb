// The issues that the Khronos validator finds in a .glb, as JSON: node validate.mjs FILE
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const validator = createRequire(`${process.env.PACKAGES}/package.json`)("gltf-validator");
const report = await validator.validateBytes(new Uint8Array(readFileSync(process.argv[2])), { maxIssues: 0 });
console.log(JSON.stringify(report.issues.messages));
