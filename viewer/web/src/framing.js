/** How a head is framed in a picture of any shape: as a portrait photographer would, cropping the torso by the lower edge. */

/** Widths of the head that a picture holds at least. */
const ROOM = 1.27;
/** Of the head's height, above it: a tall picture that has more shows below what its buttons cover. */
const AIR = 0.2;
/** Of the head's height, above it and below the chin. */
const GAP = 0.06;

/**
 * The window to look through, in tangents: distance from the optical axis (right, down) over depth.
 * @typedef {{left: number, right: number, top: number, bottom: number}} Window
 */

/**
 * As filmed, less what is missing below, where the picture is as wide as that or wider; in a narrower one the sides give way until the head needs them, and
 * then there is more room above it.
 * @param {object} camera the avatar's own
 * @param {{left: number, right: number, top: number, chin: number, hem: number}} framing of the head (viewer/export/framing.py)
 * @param {number} aspect width over height of the picture
 * @param {number} covered share of its height that buttons cover below
 * @returns {Window}
 */
export function framed(camera, framing, aspect, covered = 0) {
  const { fx, fy, cx, cy, width, height } = camera;
  const filmed = { left: -cx / fx, right: (width - cx) / fx, top: -cy / fy, bottom: (height - cy) / fy };
  const needed = ROOM * (framing.right - framing.left);
  const end = Math.min(filmed.bottom, framing.hem);
  const tall = Math.max(end - Math.min(filmed.top, framing.top), needed / aspect);
  const wide = tall * aspect;
  // Where a small picture's buttons would cover the chin, the head goes up as far as there is room above it; where a tall one has much of that, the torso
  // ends at its buttons.
  const [size, above] = [framing.chin - framing.top, framing.top - (end - tall)];
  const hidden = framing.chin + GAP * size - (end - covered * tall);
  const bottom = end + Math.max(Math.min(hidden, above - GAP * size), Math.min(covered * tall, above - AIR * size), 0);
  // In the middle of what was filmed as long as the head is whole, in the middle of the head where there is no room for anything else.
  const spare = Math.max((wide - needed) / 2, 0);
  const [middle, head] = [(filmed.left + filmed.right) / 2, (framing.left + framing.right) / 2];
  const x = Math.min(Math.max(middle, head - spare), head + spare);
  return { left: x - wide / 2, right: x + wide / 2, top: bottom - tall, bottom };
}
