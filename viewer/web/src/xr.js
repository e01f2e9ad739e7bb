/** Headsets and see-through glasses: entering, standing before the head, leaving. */

import { WHOLE } from "./view.js";

const DISTANCE = 0.7; // metres from the eyes to the middle of the head
const SCALE = 0.5; // of the headset's resolution: a head is always near, and pixels are what it costs
const NARROW = Math.sqrt(5); // standard deviations that are drawn

export class Immersion extends EventTarget {
  /** @param {import("./view.js").View} view */
  constructor(view) {
    super();
    this.view = view;
    /** @type {XRSession | null} */
    this.session = null;
    /** The mode of the session, or none. */
    this.mode = "";
  }

  /**
   * @param {"immersive-vr" | "immersive-ar"} mode
   * @returns {Promise<boolean>} whether this machine has it now
   */
  static async offers(mode) {
    try {
      return (await navigator.xr?.isSessionSupported(mode)) ?? false;
    } catch {
      return false;
    }
  }

  /** @param {"immersive-vr" | "immersive-ar"} mode */
  async enter(mode) {
    const { renderer, camera, place, centre, spark, orbit } = this.view;
    const session = await navigator.xr.requestSession(mode);
    this._before = { position: camera.position.clone(), quaternion: camera.quaternion.clone() };
    orbit.enabled = false;
    renderer.xr.enabled = true;
    renderer.xr.setReferenceSpaceType("local");
    renderer.xr.setFramebufferScaleFactor(SCALE);
    session.addEventListener("end", () => this._left());
    // The space's origin is where the eyes were when it began, looking along -z: the face looks along +z, at them.
    place.position.set(centre.x, centre.y, centre.z + DISTANCE);
    spark.maxStdDev = NARROW;
    if (mode === "immersive-ar") this.view.clear(true);
    await renderer.xr.setSession(session);
    this.session = session;
    this.mode = mode;
    session.addEventListener("select", () => this.dispatchEvent(new Event("select")));
    this.dispatchEvent(new Event("change"));
  }

  leave() {
    return this.session?.end();
  }

  _left() {
    const { renderer, camera, place, spark, orbit } = this.view;
    this.session = null;
    this.mode = "";
    renderer.xr.enabled = false;
    place.position.set(0, 0, 0);
    place.updateMatrixWorld(true);
    camera.position.copy(this._before.position);
    camera.quaternion.copy(this._before.quaternion);
    spark.maxStdDev = WHOLE;
    orbit.enabled = true;
    this.view.clear();
    this.view.resize();
    this.dispatchEvent(new Event("change"));
  }
}
