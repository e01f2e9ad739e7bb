/** Rotation vectors (axis times angle, radians), as docs/posing.md uses them. */

/**
 * Rodrigues' formula: the matrix [9], row by row, of the rotation vector at `at` in `vector`.
 * @param {ArrayLike<number>} vector
 * @param {number} at
 * @param {Float64Array} out [9]
 */
export function toMatrix(vector, at, out) {
  const [x, y, z] = [vector[at], vector[at + 1], vector[at + 2]];
  const squared = x * x + y * y + z * z;
  const angle = Math.sqrt(squared);
  const sine = squared < 1e-6 ? 1 - squared / 6 : Math.sin(angle) / angle;
  const cosine = squared < 1e-6 ? 0.5 - squared / 24 : (1 - Math.cos(angle)) / squared;
  out[0] = 1 - cosine * (y * y + z * z);
  out[1] = cosine * x * y - sine * z;
  out[2] = cosine * x * z + sine * y;
  out[3] = cosine * x * y + sine * z;
  out[4] = 1 - cosine * (x * x + z * z);
  out[5] = cosine * y * z - sine * x;
  out[6] = cosine * x * z - sine * y;
  out[7] = cosine * y * z + sine * x;
  out[8] = 1 - cosine * (x * x + y * y);
}

/** Quaternion (w, x, y, z) of a rotation vector. */
function toQuaternion(vector, at) {
  const angle = Math.hypot(vector[at], vector[at + 1], vector[at + 2]);
  const s = angle < 1e-8 ? 0.5 : Math.sin(angle / 2) / angle;
  return [Math.cos(angle / 2), s * vector[at], s * vector[at + 1], s * vector[at + 2]];
}

/** Hamilton product of two quaternions. */
function product(a, b) {
  return [
    a[0] * b[0] - a[1] * b[1] - a[2] * b[2] - a[3] * b[3],
    a[0] * b[1] + a[1] * b[0] + a[2] * b[3] - a[3] * b[2],
    a[0] * b[2] - a[1] * b[3] + a[2] * b[0] + a[3] * b[1],
    a[0] * b[3] + a[1] * b[2] - a[2] * b[1] + a[3] * b[0],
  ];
}

/** Rotation vector of the shorter arc of a unit quaternion. */
function toVector(q) {
  const sign = q[0] < 0 ? -1 : 1;
  const size = Math.hypot(q[1], q[2], q[3]);
  const s = size < 1e-12 ? 2 : (2 * Math.atan2(size, sign * q[0])) / size;
  return [s * sign * q[1], s * sign * q[2], s * sign * q[3]];
}

/**
 * A fraction of the way from one rotation vector to another along the shorter arc: Ra exp(u log(Ra^T Rb)).
 * @param {ArrayLike<number>} a
 * @param {ArrayLike<number>} b
 * @param {number} at index of the vector in a and b
 * @param {number} u 0..1
 * @returns {number[]} [3]
 */
export function between(a, b, at, u) {
  if (u === 0) return [a[at], a[at + 1], a[at + 2]];
  const from = toQuaternion(a, at);
  const step = toVector(product([from[0], -from[1], -from[2], -from[3]], toQuaternion(b, at)));
  return toVector(product(from, toQuaternion(step.map((x) => x * u), 0)));
}

/**
 * A rotation vector turned further in its own frame.
 * @param {ArrayLike<number>} vector
 * @param {number} at index of it in `vector`
 * @param {ArrayLike<number>} by [3] rotation vector
 * @returns {number[]} [3]
 */
export const turned = (vector, at, by) => toVector(product(toQuaternion(vector, at), toQuaternion(by, 0)));
