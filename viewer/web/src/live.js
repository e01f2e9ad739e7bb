/** A performance that comes in while it is shown: from a socket, from the page around this one, from a script. */

/**
 * A source whose frames are pushed. What a push leaves out stays as it was; before the first one the head rests.
 * @param {import("./track.js").Frame} rest names and sizes of all channels
 * @returns {import("./track.js").Source & {push: (channels: Object<string, ArrayLike<number>>) => void}}
 */
export function liveSource(rest) {
  let current = rest;
  return {
    duration: Infinity,
    at: () => current,
    push(channels) {
      if (typeof channels !== "object") throw new Error("a frame is an object of named channels");
      const next = { ...current };
      for (const [name, values] of Object.entries(channels)) {
        if (!(name in rest)) throw new Error(`${name} is no channel of this head; it has ${Object.keys(rest).join(", ")}`);
        const numbers = Float32Array.from(values);
        const whole = numbers.length === rest[name].length && numbers.every(Number.isFinite);
        if (!whole) throw new Error(`${name} takes ${rest[name].length} finite numbers`);
        next[name] = numbers;
      }
      current = next;
    },
  };
}

/**
 * Lets the page around an iframe play, pause, seek and move the head: `postMessage({avatar3d: {play: true}})`, `{pause: true}`, `{seek: 1.5}`,
 * `{frame: {jaw_pose: [0.2, 0, 0]}}`, `{frame: null}` to end that.
 * @param {object} player
 */
export function listenToParent(player) {
  window.addEventListener("message", (event) => {
    const said = event.data?.avatar3d;
    if (event.source !== window.parent || typeof said !== "object" || said === null) return;
    if (said.play) player.clock.play().catch((error) => console.warn(error.message));
    if (said.pause) player.clock.pause();
    if (Number.isFinite(said.seek)) player.clock.seek(said.seek);
    const { performance } = player;
    const before = performance.pushed;
    if (said.frame === null) performance.pushed = null;
    else if (said.frame !== undefined) {
      try {
        player.live().push(said.frame);
      } catch (error) {
        // What cannot be shown does not take the head from whatever moves it.
        performance.pushed = before;
        console.warn(error.message);
      }
    }
  });
}
