/** The page's end of the driver: loads it when it is first wanted, gives it work, and passes on what it makes. */

import { inflated } from "../packed.js";
import { bytes, pageConfig } from "../parts.js";
import SpeechWorker from "./worker.js?worker&inline";

export class Driver {
  constructor() {
    this._job = 0;
    this._loading = null;
    this._receive = new Map();
  }

  /**
   * Fetches and starts the network, once.
   * @param {(share: number) => void} told how much of it is here
   * @returns {Promise<object>} the layout of its channels
   */
  load(told = () => {}) {
    this._loading ??= this._load(told).catch((error) => {
      this._loading = null;
      throw error;
    });
    return this._loading;
  }

  async _load(told) {
    const { files } = pageConfig();
    const shares = { driver: 0, runtime: 0 };
    // What was inside the page was taken out of it at the first try, so it is kept for another.
    this._parts ??= {};
    for (const name of Object.keys(shares)) {
      this._parts[name] ??= await bytes(name, files, (share) => {
        shares[name] = share;
        told((shares.driver + shares.runtime) / 2);
      });
      shares[name] = 1;
    }
    told(1);
    const [driver, runtime] = await Promise.all([inflated(this._parts.driver), inflated(this._parts.runtime)]);
    this._worker = new SpeechWorker();
    this._worker.onmessage = ({ data }) => this._receive.get(data.job)?.(data);
    const { layout } = await this.ask({ type: "load", driver, runtime }, "loaded");
    this._parts = null;
    return layout;
  }

  /**
   * Begins a job, which ends the one before.
   * @param {object} message
   * @param {(answer: object) => void} receive its answers
   * @returns {number} the job
   */
  begin(message, receive) {
    this._job += 1;
    this._receive.clear();
    this._receive.set(this._job, receive);
    this._worker.postMessage({ job: this._job, ...message });
    return this._job;
  }

  /** Ends the job that runs. */
  end() {
    if (this._worker) this.begin({ type: "stop" }, () => {});
  }

  /** More for a job that runs. */
  tell(job, message) {
    this._worker.postMessage({ job, ...message });
  }

  /**
   * A job's last answer; those on the way go to `more`.
   * @param {object} message
   * @param {string} last type of the answer that ends it
   * @param {(answer: object) => void} more
   */
  ask(message, last, more = () => {}) {
    return new Promise((resolve, reject) => {
      this._worker.onerror = (event) => reject(new Error(event.message || "the driver could not be started"));
      this.begin(message, (answer) => {
        if (answer.type === last) resolve(answer);
        else if (answer.type === "failed") reject(new Error(answer.message));
        else more(answer);
      });
    });
  }
}
