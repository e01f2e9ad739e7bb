/** A click or a tap on the picture, as against a drag, which turns the head. */

const STILL = 8; // pixels that a finger may slip
const SHORT = 400; // milliseconds

/**
 * @param {HTMLElement} element
 * @param {() => void} action
 */
export function onTap(element, action) {
  let first = null;
  const fingers = new Set();
  element.addEventListener("pointerdown", (event) => {
    fingers.add(event.pointerId);
    // A second finger makes a pinch of it.
    first = fingers.size === 1 && event.button === 0 ? event : null;
  });
  const lifted = (event) => fingers.delete(event.pointerId);
  element.addEventListener("pointercancel", lifted);
  element.addEventListener("pointerup", (event) => {
    lifted(event);
    if (first?.pointerId !== event.pointerId) return;
    const moved = Math.hypot(event.clientX - first.clientX, event.clientY - first.clientY);
    if (moved < STILL && event.timeStamp - first.timeStamp < SHORT) action();
    first = null;
  });
}
