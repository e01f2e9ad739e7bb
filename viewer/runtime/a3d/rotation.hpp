// Rotation vectors (axis times angle, radians), as docs/posing.md uses them. In double: there are only a few, and they move everything.
#pragma once

#include <cmath>

namespace a3d {

// Rodrigues' formula: the matrix [9], row by row, of a rotation vector.
inline void to_matrix(const float* vector, double* out) {
    const double x = vector[0], y = vector[1], z = vector[2];
    const double squared = x * x + y * y + z * z, angle = std::sqrt(squared);
    const double sine = squared < 1e-6 ? 1 - squared / 6 : std::sin(angle) / angle;
    const double cosine = squared < 1e-6 ? 0.5 - squared / 24 : (1 - std::cos(angle)) / squared;
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

struct Quaternion {
    double w, x, y, z;
};

inline Quaternion to_quaternion(const double* vector) {
    const double angle = std::sqrt(vector[0] * vector[0] + vector[1] * vector[1] + vector[2] * vector[2]);
    const double s = angle < 1e-8 ? 0.5 : std::sin(angle / 2) / angle;
    return {std::cos(angle / 2), s * vector[0], s * vector[1], s * vector[2]};
}

inline Quaternion product(const Quaternion& a, const Quaternion& b) {
    return {a.w * b.w - a.x * b.x - a.y * b.y - a.z * b.z, a.w * b.x + a.x * b.w + a.y * b.z - a.z * b.y,
            a.w * b.y - a.x * b.z + a.y * b.w + a.z * b.x, a.w * b.z + a.x * b.y - a.y * b.x + a.z * b.w};
}

// Rotation vector of the shorter arc.
inline void to_vector(const Quaternion& q, double* out) {
    const double sign = q.w < 0 ? -1 : 1, size = std::sqrt(q.x * q.x + q.y * q.y + q.z * q.z);
    const double s = size < 1e-12 ? 2 : 2 * std::atan2(size, sign * q.w) / size;
    out[0] = s * sign * q.x;
    out[1] = s * sign * q.y;
    out[2] = s * sign * q.z;
}

// A fraction u of the way from one rotation vector to another along the shorter arc: Ra exp(u log(Ra^T Rb)).
inline void between(const float* a, const float* b, double u, float* out) {
    const double first[3] = {a[0], a[1], a[2]}, second[3] = {b[0], b[1], b[2]};
    const Quaternion from = to_quaternion(first);
    double step[3];
    to_vector(product({from.w, -from.x, -from.y, -from.z}, to_quaternion(second)), step);
    for (double& part : step) part *= u;
    to_vector(product(from, to_quaternion(step)), step);
    for (int i = 0; i < 3; ++i) out[i] = static_cast<float>(step[i]);
}

}  // namespace a3d
