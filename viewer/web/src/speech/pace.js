/** How many steps of the flow there is time for, as `driver.live` decides it: who is too slow takes fewer, and stays in time. */

import { FPS } from "./features.js";

const STEPS = [4, 2, 1];
/** Share of a hop's time that its making may take. */
const BUSY = 0.6;
/** Frames that wait from which on they are made at once, with one step; and how many are at most. */
const [CATCHING_UP, TOGETHER] = [4, 24];

export class Pace {
  /**
   * @param {number} most steps
   * @param {number} hop frames of a plan
   */
  constructor(most, hop) {
    this._most = most;
    this._hop = hop;
    this._budget = (BUSY * hop) / FPS;
    this._step = 0;
  }

  /** Steps for a hop's plan; its other frames take one each. */
  steps(waiting) {
    if (waiting >= CATCHING_UP) return 1;
    return STEPS.filter((steps) => steps <= this._most).find((steps) => (steps + this._hop - 1) * this._step <= this._budget) ?? 1;
  }

  /** So many steps took so many seconds. */
  took(steps, seconds) {
    const each = seconds / steps;
    // Slow at once, fast again only gradually: a machine that was busy is soon busy again.
    this._step = Math.max(each, 0.9 * this._step + 0.1 * each);
  }

  /**
   * The next frames of a live stream: one, or where it is behind all that wait.
   * @param {import("./stream.js").Stream} stream
   */
  async make(stream) {
    const { waiting } = stream;
    const behind = waiting >= CATCHING_UP;
    const planning = stream.plans || behind;
    if (planning) stream.steps = this.steps(waiting);
    const steps = planning ? stream.steps : 1;
    const units = behind ? Math.min(waiting, TOGETHER) : 1;
    const began = performance.now();
    const frames = await stream.make(units);
    this.took(steps, (performance.now() - began) / 1000);
    return { frames, units, steps };
  }
}
