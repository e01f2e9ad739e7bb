/**
 * The Gaussians on the GPU. A pass of our own poses them in float32: it blends the int8 bases and puts each Gaussian into its triangle's frame
 * (docs/posing.md, 3 and 5). Spark sorts the posed Gaussians by depth and draws them.
 */

import * as THREE from "three";
import { FullScreenQuad } from "three/addons/postprocessing/Pass.js";
import { SplatGenerator, dyno } from "@sparkjsdev/spark";

const WIDTH = 256; // Gaussians in a row of a texture; vertices as well
const LAYERS = 6; // of four numbers that stay the same for each Gaussian

const POSE_VERTEX = `
in vec3 position;
void main() { gl_Position = vec4(position.xy, 0.0, 1.0); }`;

const POSE_FRAGMENT = `
precision highp float;
precision highp int;
precision highp sampler2D;
precision highp sampler2DArray;
precision highp isampler2DArray;

uniform sampler2D vertices;     // x y z of each posed vertex
uniform sampler2DArray fixedParts;
uniform BASES_SAMPLER bases;  // three layers for each basis: position, rotation, colour
uniform vec3 weights[BASES];    // of each basis, times its scales

layout(location = 0) out uvec4 centreOpacity;
layout(location = 1) out uvec4 quaternion;  // x y z w
layout(location = 2) out uvec4 logScale;
layout(location = 3) out uvec4 colour;

vec3 vertex(float index) {
  int i = int(index);
  return texelFetch(vertices, ivec2(i % WIDTH, i / WIDTH), 0).xyz;
}

// Shepperd's method: divide by the largest component, so that no rotation is ill-conditioned. x y z w.
vec4 quaternionOf(vec3 e1, vec3 e2, vec3 n) {
  float trace = e1.x + e2.y + n.z;
  float s;
  if (trace > e1.x && trace > e2.y && trace > n.z) {
    s = sqrt(1.0 + trace) * 2.0;
    return vec4((e2.z - n.y) / s, (n.x - e1.z) / s, (e1.y - e2.x) / s, 0.25 * s);
  } else if (e1.x > e2.y && e1.x > n.z) {
    s = sqrt(1.0 + e1.x - e2.y - n.z) * 2.0;
    return vec4(0.25 * s, (e2.x + e1.y) / s, (n.x + e1.z) / s, (e2.z - n.y) / s);
  } else if (e2.y > n.z) {
    s = sqrt(1.0 + e2.y - e1.x - n.z) * 2.0;
    return vec4((e2.x + e1.y) / s, 0.25 * s, (n.y + e2.z) / s, (n.x - e1.z) / s);
  }
  s = sqrt(1.0 + n.z - e1.x - e2.y) * 2.0;
  return vec4((n.x + e1.z) / s, (n.y + e2.z) / s, 0.25 * s, (e1.y - e2.x) / s);
}

void main() {
  ivec2 at = ivec2(gl_FragCoord.xy);
  vec4 corners = texelFetch(fixedParts, ivec3(at, 0), 0);     // three vertices, area of their triangle at rest
  vec4 foot = texelFetch(fixedParts, ivec3(at, 1), 0);        // barycentrics, opacity
  vec4 local = texelFetch(fixedParts, ivec3(at, 2), 0);       // position
  vec4 rotation = texelFetch(fixedParts, ivec3(at, 3), 0);    // x y z w
  vec4 size = texelFetch(fixedParts, ivec3(at, 4), 0);        // log-scale
  vec4 tint = texelFetch(fixedParts, ivec3(at, 5), 0);        // colour
  vec3 reach = vec3(local.w, size.w, tint.w);                 // how far the bases move this Gaussian

  vec3 moved = vec3(0.0);
  vec4 turned = vec4(0.0);
  vec3 tinted = vec3(0.0);
  for (int k = 0; k < BASES; k++) {
    moved += weights[k].x * vec3(texelFetch(bases, ivec3(at, 3 * k), 0).xyz);
    turned += weights[k].y * vec4(texelFetch(bases, ivec3(at, 3 * k + 1), 0));
    tinted += weights[k].z * vec3(texelFetch(bases, ivec3(at, 3 * k + 2), 0).xyz);
  }
  vec3 l = local.xyz + reach.x * moved;
  vec4 q = rotation + reach.y * turned;

  vec3 a = vertex(corners.x);
  vec3 b = vertex(corners.y);
  vec3 c = vertex(corners.z);
  vec3 u = b - a;
  vec3 m = cross(u, c - a);
  float along = length(u);
  float twice = length(m);
  vec3 e1 = vec3(1.0, 0.0, 0.0);
  vec3 e2 = vec3(0.0, 1.0, 0.0);
  vec3 n = vec3(0.0, 0.0, 1.0);
  float stretch = 0.5;
  if (twice >= 1e-12 && along >= 1e-9) {
    e1 = u / along;
    n = m / twice;
    e2 = cross(n, e1);
    stretch = clamp(sqrt(0.5 * twice / max(corners.w, 1e-12)), 0.5, 2.0);
  }
  vec4 t = quaternionOf(e1, e2, n);
  vec4 world = vec4(t.w * q.xyz + q.w * t.xyz + cross(t.xyz, q.xyz), t.w * q.w - dot(t.xyz, q.xyz));
  vec3 centre = foot.x * a + foot.y * b + foot.z * c + stretch * (e1 * l.x + e2 * l.y + n * l.z);

  centreOpacity = floatBitsToUint(vec4(centre, foot.w));
  quaternion = floatBitsToUint(normalize(world));
  logScale = floatBitsToUint(vec4(size.xyz + log(stretch), 0.0));
  colour = floatBitsToUint(vec4(tint.xyz + reach.z * tinted, 0.0));
}`;

/** A texture that shaders read number by number. */
function raw(texture) {
  texture.minFilter = texture.magFilter = THREE.NearestFilter;
  texture.generateMipmaps = false;
  texture.needsUpdate = true;
  return texture;
}

/** [LAYERS][rows][WIDTH][4] of what stays the same for each Gaussian. */
function fixedParts(packed, rows) {
  const [face, faces, area] = [packed.stored("splat_face"), packed.stored("faces"), packed.values("rest_area")];
  const [bary, position, rotation] = [packed.values("splat_bary"), packed.values("splat_position"), packed.values("splat_rotation")];
  const [logScale, logit, colour] = [packed.values("splat_log_scale"), packed.values("splat_opacity_logit"), packed.values("splat_colour")];
  const reach = packed.values("basis_splat").map((x) => Math.max(x, 1e-12));
  const data = new Float32Array(LAYERS * rows * WIDTH * 4);
  const layer = (index, g, values) => data.set(values, 4 * (index * rows * WIDTH + g));
  for (let g = 0; g < face.length; g++) {
    const f = face[g];
    const [b0, b1] = [bary[2 * g], bary[2 * g + 1]];
    layer(0, g, [faces[3 * f], faces[3 * f + 1], faces[3 * f + 2], area[f]]);
    layer(1, g, [b0, b1, 1 - Math.fround(b0 + b1), 1 / (1 + Math.exp(-logit[g]))]);
    layer(2, g, [position[3 * g], position[3 * g + 1], position[3 * g + 2], reach[3 * g]]);
    layer(3, g, [rotation[4 * g + 1], rotation[4 * g + 2], rotation[4 * g + 3], rotation[4 * g]]);
    layer(4, g, [logScale[3 * g], logScale[3 * g + 1], logScale[3 * g + 2], reach[3 * g + 1]]);
    layer(5, g, [colour[3 * g], colour[3 * g + 1], colour[3 * g + 2], reach[3 * g + 2]]);
  }
  return data;
}

/** [3K][rows][WIDTH][4] of the bases [K, N, 10], int8 or float32 as the file has them; rotations go from w x y z to x y z w. */
function basisLayers(packed, rows) {
  const stored = packed.stored("basis");
  const [K, N] = packed.shape("basis");
  const data = new stored.constructor(Math.max(K, 1) * 3 * rows * WIDTH * 4);
  for (let k = 0; k < K; k++) {
    for (let g = 0; g < N; g++) {
      const from = 10 * (k * N + g);
      const to = (part) => 4 * ((3 * k + part) * rows * WIDTH + g);
      for (let i = 0; i < 3; i++) {
        data[to(0) + i] = stored[from + i];
        data[to(1) + i] = stored[from + 4 + i];
        data[to(2) + i] = stored[from + 7 + i];
      }
      data[to(1) + 3] = stored[from + 3];
    }
  }
  return data;
}

/** A generator of Spark's: Gaussian number `index` as the pass has posed it. */
function generator(textures) {
  const parts = textures.map((value) => new dyno.DynoUsampler2D({ value }));
  return dyno.dynoBlock({ index: "int" }, { gsplat: dyno.Gsplat }, ({ index }) =>
    new dyno.Dyno({
      inTypes: { index: "int", centre: "usampler2D", quaternion: "usampler2D", logScale: "usampler2D", colour: "usampler2D" },
      outTypes: { gsplat: dyno.Gsplat },
      inputs: { index, centre: parts[0], quaternion: parts[1], logScale: parts[2], colour: parts[3] },
      globals: () => [dyno.defineGsplat],
      statements: ({ inputs, outputs }) => [
        `ivec2 at = ivec2(${inputs.index} % ${WIDTH}, ${inputs.index} / ${WIDTH});`,
        `vec4 centre = uintBitsToFloat(texelFetch(${inputs.centre}, at, 0));`,
        `${outputs.gsplat}.flags = GSPLAT_FLAG_ACTIVE;`,
        `${outputs.gsplat}.index = ${inputs.index};`,
        `${outputs.gsplat}.center = centre.xyz;`,
        `${outputs.gsplat}.quaternion = uintBitsToFloat(texelFetch(${inputs.quaternion}, at, 0));`,
        `${outputs.gsplat}.scales = exp(uintBitsToFloat(texelFetch(${inputs.logScale}, at, 0)).xyz);`,
        `${outputs.gsplat}.rgba = vec4(uintBitsToFloat(texelFetch(${inputs.colour}, at, 0)).rgb, centre.w);`,
      ],
    }).outputs,
  );
}

/** An avatar's Gaussians; add `object` to a scene that a SparkRenderer draws. */
export class Splats {
  /**
   * @param {THREE.WebGLRenderer} renderer
   * @param {import("./packed.js").Packed} packed
   * @param {import("./rig.js").Mesh} mesh
   */
  constructor(renderer, packed, mesh) {
    const count = packed.shape("splat_face")[0];
    const bases = packed.shape("basis")[0];
    const rows = Math.max(Math.ceil(count / WIDTH), 1);
    const vertexRows = Math.max(Math.ceil(mesh.count / WIDTH), 1);
    this.count = count;
    this._renderer = renderer;
    this._mesh = mesh;
    this._scales = packed.values("basis_row");
    this._points = new Float32Array(vertexRows * WIDTH * 4);
    this._vertices = raw(new THREE.DataTexture(this._points, WIDTH, vertexRows, THREE.RGBAFormat, THREE.FloatType));
    const fixed = raw(new THREE.DataArrayTexture(fixedParts(packed, rows), WIDTH, rows, LAYERS));
    Object.assign(fixed, { format: THREE.RGBAFormat, type: THREE.FloatType });
    const layers = basisLayers(packed, rows);
    const whole = layers instanceof Float32Array;
    const blended = raw(new THREE.DataArrayTexture(layers, WIDTH, rows, Math.max(bases, 1) * 3));
    if (whole) Object.assign(blended, { format: THREE.RGBAFormat, type: THREE.FloatType });
    else Object.assign(blended, { format: THREE.RGBAIntegerFormat, type: THREE.ByteType, internalFormat: "RGBA8I" });
    this._weights = Array.from({ length: Math.max(bases, 1) }, () => new THREE.Vector3());
    const material = new THREE.RawShaderMaterial({
      glslVersion: THREE.GLSL3,
      vertexShader: POSE_VERTEX,
      fragmentShader: POSE_FRAGMENT,
      defines: { WIDTH, BASES: Math.max(bases, 1), BASES_SAMPLER: whole ? "sampler2DArray" : "isampler2DArray" },
      uniforms: { vertices: { value: this._vertices }, fixedParts: { value: fixed }, bases: { value: blended }, weights: { value: this._weights } },
      depthTest: false,
      depthWrite: false,
    });
    this._quad = new FullScreenQuad(material);
    // Integers that hold the bits of floats: every WebGL 2 can draw to those, not every one to floats.
    this._target = new THREE.WebGLRenderTarget(WIDTH, rows, {
      count: 4,
      format: THREE.RGBAIntegerFormat,
      type: THREE.UnsignedIntType,
      internalFormat: "RGBA32UI",
      minFilter: THREE.NearestFilter,
      magFilter: THREE.NearestFilter,
      depthBuffer: false,
    });
    this.object = new SplatGenerator({ numSplats: count, generator: generator(this._target.textures) });
    // Its bounds change with every frame.
    this.object.frustumCulled = false;
  }

  /**
   * Poses all Gaussians.
   * @param {import("./track.js").Frame} frame
   */
  pose(frame) {
    this._mesh.pose(frame, this._points);
    const weights = this._mesh.weights(frame);
    weights.forEach((weight, k) => this._weights[k].fromArray(this._scales, 3 * k).multiplyScalar(weight));
    this._vertices.needsUpdate = true;
    const { _renderer: renderer } = this;
    const [before, xr] = [renderer.getRenderTarget(), renderer.xr.enabled];
    renderer.xr.enabled = false;
    renderer.setRenderTarget(this._target);
    this._quad.render(renderer);
    renderer.setRenderTarget(before);
    renderer.xr.enabled = xr;
    this.object.updateVersion();
  }

  /**
   * The Gaussians as posed last, for those who check them.
   * @returns {Object<string, Float32Array>} four numbers for each Gaussian. position: x y z and opacity; rotation: x y z w; log_scale: three and 0;
   *     colour: red green blue and 0
   */
  read() {
    const { width, height } = this._target;
    const parts = [0, 1, 2, 3].map((index) => {
      const bits = new Uint32Array(width * height * 4);
      this._renderer.readRenderTargetPixels(this._target, 0, 0, width, height, bits, undefined, index);
      return new Float32Array(bits.buffer, 0, 4 * this.count);
    });
    return { position: parts[0], rotation: parts[1], log_scale: parts[2], colour: parts[3] };
  }
}
