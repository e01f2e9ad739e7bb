/** Renderer, camera and orbit: how the avatar is seen. */

import * as THREE from "three";
import { OrbitControls } from "three/addons/controls/OrbitControls.js";
import { SparkRenderer } from "@sparkjsdev/spark";
import { framed } from "./framing.js";

const LEAST_ALPHA = 1 / 255;
/** Standard deviations at which even an opaque Gaussian has faded to the least alpha. */
export const WHOLE = Math.sqrt(2 * Math.log(255));
const [NEAR, FAR] = [0.05, 20];

/** The viewer's end of OpenCV's camera: its axes are x right, y down, z forward, three's are x right, y up, z backward. */
const FLIP = new THREE.Matrix4().makeScale(1, -1, -1);

/** @param {HTMLCanvasElement} canvas */
function createRenderer(canvas) {
  try {
    return new THREE.WebGLRenderer({ canvas, antialias: false, alpha: true, powerPreference: "high-performance" });
  } catch (error) {
    throw new Error("this browser or its graphics driver offers no WebGL 2; try another browser, or turn on hardware acceleration", { cause: error });
  }
}

export class View {
  /**
   * @param {HTMLCanvasElement} canvas
   * @param {object} camera the avatar's own: fx fy cx cy width height T_cam_world, as `Camera.to_json` writes it
   * @param {object} framing of the head in that camera's picture, see framing.js
   * @param {number[]} centre of the head, metres
   * @param {string} background a CSS colour, or "transparent"
   */
  constructor(canvas, camera, framing, centre, background) {
    this.renderer = createRenderer(canvas);
    this.renderer.setPixelRatio(Math.min(window.devicePixelRatio, 2));
    this.background = background;
    this.clear();
    this.scene = new THREE.Scene();
    // As avatar3d's own rasterizer draws (docs/posing.md, 6): 0.3 pixels squared on the diagonal, depth of the centres.
    this.spark = new SparkRenderer({
      renderer: this.renderer,
      maxStdDev: WHOLE,
      minAlpha: LEAST_ALPHA,
      preBlurAmount: 0.3,
      blurAmount: 0,
      sortRadial: false,
      accumExtSplats: true,
      maxPixelRadius: 4096,
      enableLod: false,
    });
    this.scene.add(this.spark);
    this.camera = new THREE.PerspectiveCamera(30, 1, NEAR, FAR);
    // A headset moves the camera inside this.
    this.place = new THREE.Group();
    this.place.add(this.camera);
    this.scene.add(this.place);
    this.centre = new THREE.Vector3(...centre);
    this.own = camera;
    this.framing = framing;
    /** Pixels that buttons cover below. */
    this.covered = 0;
    /** Whether the head has been drawn yet: the first pictures are empty, since Gaussians are sorted beside. */
    this.drawn = false;
    /** Resolves when it has. */
    this.shown = new Promise((resolve) => (this._show = resolve));
    this.orbit = new OrbitControls(this.camera, canvas);
    Object.assign(this.orbit, { dampingFactor: 0.12, minDistance: 0.15, maxDistance: 5, zoomToCursor: false });
    this.reset();
  }

  /** Back to where the avatar was filmed from. */
  reset() {
    const { T_cam_world: rows } = this.own;
    // Without damping an update ends whatever still turns.
    this.orbit.enableDamping = false;
    this.orbit.update();
    const world = new THREE.Matrix4().set(...rows.flat()).invert().multiply(FLIP);
    world.decompose(this.camera.position, this.camera.quaternion, new THREE.Vector3());
    // Orbits turn around the point of the optical axis that is nearest to the head, so that the first picture is the filmed one.
    const forward = new THREE.Vector3(0, 0, -1).applyQuaternion(this.camera.quaternion);
    const depth = this.centre.clone().sub(this.camera.position).dot(forward);
    this.orbit.target.copy(this.camera.position).addScaledVector(forward, depth);
    this.resize();
    this.orbit.update();
    this.orbit.enableDamping = true;
  }

  /** Fits the picture to the canvas. The eye stays where it is: only the window before it moves, so that no face is distorted. */
  resize() {
    const { clientWidth: width, clientHeight: height } = this.renderer.domElement;
    if (this.renderer.xr.isPresenting || !width || !height) return;
    this.renderer.setSize(width, height, false);
    const { left, right, top, bottom } = (this.window = framed(this.own, this.framing, width / height, this.covered / height));
    const [wide, tall] = [right - left, bottom - top];
    this.camera.fov = THREE.MathUtils.radToDeg(2 * Math.atan(tall / 2));
    this.camera.setViewOffset(wide, tall, (left + right) / 2, (top + bottom) / 2, wide, tall);
  }

  /** Colour behind the avatar; see-through glasses want none. */
  clear(transparent = this.background === "transparent") {
    this.renderer.setClearColor(transparent ? 0 : this.background, transparent ? 0 : 1);
  }

  /** @returns {void} */
  draw() {
    if (!this.renderer.xr.isPresenting) this.orbit.update();
    const sorted = this.spark.activeSplats > 0;
    this.renderer.render(this.scene, this.camera);
    if (!sorted || this.drawn) return;
    this.drawn = true;
    this._show();
  }

  /**
   * A picture with exactly a given camera, sorted for it.
   * @param {object} camera as `Camera.to_json` writes it
   * @returns {Promise<Uint8Array>} [height * width * 4] rows from the bottom up
   */
  async picture(camera) {
    const { fx, fy, cx, cy, width, height, T_cam_world: rows } = camera;
    const exact = new THREE.PerspectiveCamera();
    new THREE.Matrix4().set(...rows.flat()).invert().multiply(FLIP).decompose(exact.position, exact.quaternion, exact.scale);
    exact.updateMatrixWorld(true);
    const [right, left] = [(NEAR * (width - cx)) / fx, (-NEAR * cx) / fx];
    exact.projectionMatrix.makePerspective(left, right, (NEAR * cy) / fy, (-NEAR * (height - cy)) / fy, NEAR, FAR);
    exact.projectionMatrixInverse.copy(exact.projectionMatrix).invert();
    const pixels = new Uint8Array(width * height * 4);
    const { renderer, spark, scene } = this;
    const ratio = renderer.getPixelRatio();
    const auto = spark.autoUpdate;
    spark.autoUpdate = false;
    renderer.setPixelRatio(1);
    renderer.setSize(width, height, false);
    try {
      while (spark.sorting) await new Promise((resolve) => setTimeout(resolve, 2));
      // Spark keeps an order only once its texture has been drawn with, so whatever was sorted before is drawn first.
      renderer.render(scene, exact);
      await spark.update({ scene, camera: exact });
      // On the canvas itself: only there colours are composited as they are stored, as on the screen.
      renderer.render(scene, exact);
      const gl = renderer.getContext();
      gl.readPixels(0, 0, width, height, gl.RGBA, gl.UNSIGNED_BYTE, pixels);
    } finally {
      spark.autoUpdate = auto;
      renderer.setPixelRatio(ratio);
      this.resize();
    }
    return pixels;
  }
}
