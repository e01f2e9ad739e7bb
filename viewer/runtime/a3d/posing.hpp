// From the numbers of a frame to Gaussians in world space: docs/posing.md, 2 to 5.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "array.hpp"
#include "avatar.hpp"
#include "rotation.hpp"

namespace a3d {

// What a frame was posed to, a plane of numbers for each component, and the memory that posing needs; one for each thread that poses.
// Metres; x the subject's left, y up, z out of the face. Planes have `padded` numbers, of which the first `count` are the Gaussians'.
struct Pose {
    std::size_t count = 0;
    Array<float> position[3];
    Array<float> rotation[4];   // w x y z, not normalised
    Array<float> log_scale[3];  // of the standard deviations
    Array<float> colour[3];     // sRGB, not clamped
    const float* opacity = nullptr;  // [count] 0..1, the avatar's own: it does not change

    Array<float> offsets;    // [offset_size] from where the vertices are at rest
    Array<double> vertices;  // [vertices, 3]
    Array<float> frames;    // [faces, kFrameSize]
    Array<float> weights;   // [bases + 1], of which the first is one
    Array<float> hidden[2];

    // Whether there was room for an avatar.
    [[nodiscard]] bool prepare(const Avatar& avatar) {
        count = 0;
        bool enough = offsets.allocate(avatar.offset_size) && vertices.allocate(avatar.vertices * 3) && frames.allocate(avatar.faces * kFrameSize) &&
                      weights.allocate(avatar.bases + 1);
        for (Array<float>& part : hidden) enough = enough && part.allocate(avatar.widest);
        for (Array<float>& plane : position) enough = enough && plane.allocate(avatar.padded);
        for (Array<float>& plane : rotation) enough = enough && plane.allocate(avatar.padded);
        for (Array<float>& plane : log_scale) enough = enough && plane.allocate(avatar.padded);
        for (Array<float>& plane : colour) enough = enough && plane.allocate(avatar.padded);
        if (!enough) return false;
        count = avatar.gaussians;
        opacity = avatar.opacity.data();
        return true;
    }

    // Of each triangle: first corner, both edges from it, its axes times its stretch, their quaternion, the stretch's logarithm.
    static constexpr std::size_t kFrameSize = 24;
};

namespace detail {

inline const float* part(const Avatar& avatar, const float* frame, const char* name) { return frame + avatar.find(name)->offset; }

inline void add_columns(const Columns& columns, const float* coefficients, float* A3D_RESTRICT points) {
    const float* A3D_RESTRICT offset = columns.offset.data();
    for (std::size_t c = 0; c + 1 < columns.start.size(); ++c) {
        const float weight = coefficients[c];
        if (weight == 0) continue;
        for (std::uint32_t i = columns.start[c]; i < columns.start[c + 1]; ++i) {
            float* to = points + 4 * std::size_t(columns.vertex[i]);
            for (std::size_t k = 0; k < 4; ++k) to[k] += weight * offset[4 * std::size_t(i) + k];
        }
    }
}

// The sum of rows [rows, kLanes], each times its weight. Meanwhile the rows are fetched that lie `ahead` numbers further on: what is read once a frame
// lies far away, and processors that look ahead by themselves stop at the end of a page.
inline void weighted_sum(const float* A3D_RESTRICT weights, const float* A3D_RESTRICT from, std::size_t rows, std::size_t ahead, float* A3D_RESTRICT sum) {
    float total[kLanes] = {};
    for (std::size_t k = 0; k < rows; ++k, from += kLanes) {
        A3D_PREFETCH(from + ahead);
        A3D_UNROLL
        for (std::size_t i = 0; i < kLanes; ++i) total[i] += weights[k] * from[i];
    }
    for (std::size_t i = 0; i < kLanes; ++i) sum[i] = total[i];
}

// The 3x4 matrix of each joint, from rest to posed, and R - I of all but the root, row by row.
inline void chain(const Avatar& avatar, const float* frame, double (*transforms)[12], float* features) {
    static constexpr int parents[kJoints] = {-1, 0, 1, 1, 1};
    const float* eyes = part(avatar, frame, "eyes_pose");
    const float* vectors[kJoints] = {part(avatar, frame, "rotation"), part(avatar, frame, "neck_pose"), part(avatar, frame, "jaw_pose"), eyes,
                                     eyes + 3};
    const float* translation = part(avatar, frame, "translation");
    const float* shift = part(avatar, frame, "neck_translation");
    double world[kJoints][9], place[kJoints][3];
    for (std::size_t j = 0; j < kJoints; ++j) {
        const float* joint = avatar.joints.data() + 3 * j;
        double local[9];
        to_matrix(vectors[j], local);
        if (j > 0)
            for (std::size_t i = 0; i < 9; ++i) features[9 * (j - 1) + i] = static_cast<float>(local[i] - (i % 4 == 0 ? 1 : 0));
        const int parent = parents[j];
        if (parent < 0) {
            for (int i = 0; i < 9; ++i) world[j][i] = local[i];
            for (int r = 0; r < 3; ++r) place[j][r] = static_cast<double>(joint[r]) + translation[r];
        } else {
            const double* above = world[parent];
            const float* base = avatar.joints.data() + 3 * parent;
            double arm[3];
            for (int k = 0; k < 3; ++k) arm[k] = static_cast<double>(joint[k]) - base[k] + (j == 1 ? shift[k] : 0.0f);
            for (int r = 0; r < 3; ++r) {
                const double* row = above + 3 * r;
                for (int c = 0; c < 3; ++c) world[j][3 * r + c] = row[0] * local[c] + row[1] * local[3 + c] + row[2] * local[6 + c];
                place[j][r] = row[0] * arm[0] + row[1] * arm[1] + row[2] * arm[2] + place[parent][r];
            }
        }
        for (int r = 0; r < 3; ++r) {
            const double* row = world[j] + 3 * r;
            for (int c = 0; c < 3; ++c) transforms[j][4 * r + c] = row[c];
            transforms[j][4 * r + 3] = place[j][r] - (row[0] * joint[0] + row[1] * joint[1] + row[2] * joint[2]);
        }
    }
}

// The vertices are double: edges of a fifth of a millimetre are differences of numbers a thousand times as large.
inline void pose_rig(const Avatar& avatar, const float* frame, Pose& pose) {
    double transforms[kJoints][12];
    float features[kFeatures];
    chain(avatar, frame, transforms, features);
    float* A3D_RESTRICT offsets = pose.offsets.data();
    const float* A3D_RESTRICT rest = avatar.rest.data();
    double* A3D_RESTRICT out = pose.vertices.data();
    std::fill_n(offsets, avatar.rest.size(), 0.0f);
    add_columns(avatar.expr, part(avatar, frame, "expr"), offsets);
    add_columns(avatar.pose, features, offsets);
    if (avatar.eyelids.start.size() != 0) add_columns(avatar.eyelids, part(avatar, frame, "eyelids"), offsets);
    for (std::size_t v = 0; v < avatar.vertices; ++v) {
        double p[3], sum[3] = {0, 0, 0};
        for (std::size_t k = 0; k < 3; ++k) p[k] = static_cast<double>(rest[4 * v + k]) + offsets[4 * v + k];
        for (std::uint32_t i = avatar.skin_start[v]; i < avatar.skin_start[v + 1]; ++i) {
            const double* m = transforms[avatar.skin_joint[i]];
            const double w = avatar.skin_weight[i];
            for (int r = 0; r < 3; ++r) sum[r] += w * (m[4 * r] * p[0] + m[4 * r + 1] * p[1] + m[4 * r + 2] * p[2] + m[4 * r + 3]);
        }
        for (std::size_t r = 0; r < 3; ++r) out[3 * v + r] = sum[r];
    }
}

// The network's weights of the bases, behind the one of what is always there.
inline void basis_weights(const Avatar& avatar, const float* frame, Pose& pose) {
    float* from = pose.hidden[0].data();
    float* to = pose.hidden[1].data();
    std::size_t at = 0;
    const auto take = [&](const char* name, float unit) {
        const Channel& channel = *avatar.find(name);
        for (std::size_t i = 0; i < channel.width && at < avatar.input_mean.size(); ++i, ++at)
            from[at] = (frame[channel.offset + i] / unit - avatar.input_mean[at]) / avatar.input_std[at];
    };
    take("expr", 1);
    take("jaw_pose", 1);
    take("eyes_pose", 1);
    take("neck_pose", 1);
    take("neck_translation", 0.01f);
    take("eyelids", 1);
    for (std::size_t i = 0; i < avatar.layer_count; ++i) {
        const Layer& layer = avatar.layer[i];
        const bool last = i + 1 == avatar.layer_count;
        if (last) to = pose.weights.data() + 1;
        for (std::size_t row = 0; row < layer.outputs; ++row) {
            const float* A3D_RESTRICT weight = layer.weight.data() + row * layer.inputs;
            float sum = 0;
            for (std::size_t k = 0; k < layer.inputs; ++k) sum += weight[k] * from[k];
            sum += layer.bias[row];
            to[row] = last ? sum : std::tanh(sum);
        }
        std::swap(from, to);
    }
}

inline void pose_tracks(const Avatar& avatar, const float* frame, Pose& pose) {
    float* A3D_RESTRICT offsets = pose.offsets.data();
    const float* A3D_RESTRICT mean = avatar.rest.data();
    double* A3D_RESTRICT out = pose.vertices.data();
    const Channel& coefficients = *avatar.find("coefficients");
    const std::size_t block = coefficients.width * kLanes;
    for (std::size_t i = 0; i < avatar.offset_size; i += kLanes) {
        const bool last = i + kLanes == avatar.offset_size;
        weighted_sum(frame + coefficients.offset, avatar.components.data() + i / kLanes * block, coefficients.width, last ? 0 : block, offsets + i);
    }
    double m[9];
    to_matrix(part(avatar, frame, "rotation"), m);
    const float* shift = part(avatar, frame, "translation");
    const float* root = avatar.root;
    for (std::size_t v = 0; v < avatar.vertices; ++v) {
        double p[3];
        for (std::size_t k = 0; k < 3; ++k) p[k] = static_cast<double>(mean[4 * v + k]) + offsets[3 * v + k] - root[k];
        for (std::size_t r = 0; r < 3; ++r)
            out[3 * v + r] = m[3 * r] * p[0] + m[3 * r + 1] * p[1] + m[3 * r + 2] * p[2] + root[r] + static_cast<double>(shift[r]);
    }
    std::copy_n(part(avatar, frame, "weights"), avatar.bases, pose.weights.data() + 1);
}

// Shepperd's method: divide by the largest component, so that no rotation is ill-conditioned. Columns e1, e2, n; w x y z.
inline void quaternion_of(const float* e1, const float* e2, const float* n, float* q) {
    const float trace = e1[0] + e2[1] + n[2];
    if (trace > e1[0] && trace > e2[1] && trace > n[2]) {
        const float s = std::sqrt(1 + trace) * 2;
        q[0] = 0.25f * s, q[1] = (e2[2] - n[1]) / s, q[2] = (n[0] - e1[2]) / s, q[3] = (e1[1] - e2[0]) / s;
    } else if (e1[0] > e2[1] && e1[0] > n[2]) {
        const float s = std::sqrt(1 + e1[0] - e2[1] - n[2]) * 2;
        q[0] = (e2[2] - n[1]) / s, q[1] = 0.25f * s, q[2] = (e2[0] + e1[1]) / s, q[3] = (n[0] + e1[2]) / s;
    } else if (e2[1] > n[2]) {
        const float s = std::sqrt(1 + e2[1] - e1[0] - n[2]) * 2;
        q[0] = (n[0] - e1[2]) / s, q[1] = (e2[0] + e1[1]) / s, q[2] = 0.25f * s, q[3] = (n[1] + e2[2]) / s;
    } else {
        const float s = std::sqrt(1 + n[2] - e1[0] - e2[1]) * 2;
        q[0] = (e1[1] - e2[0]) / s, q[1] = (n[0] + e1[2]) / s, q[2] = (n[1] + e2[2]) / s, q[3] = 0.25f * s;
    }
}

inline void triangle_frames(const Avatar& avatar, Pose& pose) {
    const double* A3D_RESTRICT vertices = pose.vertices.data();
    float* A3D_RESTRICT out = pose.frames.data();
    for (std::size_t f = 0; f < avatar.faces; ++f, out += Pose::kFrameSize) {
        const std::uint32_t* corner = avatar.face_vertex.data() + 3 * f;
        const double* a = vertices + 3 * std::size_t(corner[0]);
        const double* b = vertices + 3 * std::size_t(corner[1]);
        const double* c = vertices + 3 * std::size_t(corner[2]);
        float u[3], v[3];
        for (int k = 0; k < 3; ++k) u[k] = static_cast<float>(b[k] - a[k]), v[k] = static_cast<float>(c[k] - a[k]);
        const float m[3] = {u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]};
        const float length = std::sqrt(u[0] * u[0] + u[1] * u[1] + u[2] * u[2]);
        const float twice = std::sqrt(m[0] * m[0] + m[1] * m[1] + m[2] * m[2]);
        float e1[3] = {1, 0, 0}, e2[3] = {0, 1, 0}, n[3] = {0, 0, 1}, stretch = 0.5f;
        if (twice >= 1e-12f && length >= 1e-9f) {
            for (int k = 0; k < 3; ++k) e1[k] = u[k] / length, n[k] = m[k] / twice;
            e2[0] = n[1] * e1[2] - n[2] * e1[1];
            e2[1] = n[2] * e1[0] - n[0] * e1[2];
            e2[2] = n[0] * e1[1] - n[1] * e1[0];
            stretch = (std::min)((std::max)(std::sqrt(0.5f * twice / (std::max)(avatar.rest_area[f], 1e-12f)), 0.5f), 2.0f);
        }
        for (int k = 0; k < 3; ++k) {
            out[k] = static_cast<float>(a[k]);
            out[3 + k] = u[k];
            out[6 + k] = v[k];
            out[9 + k] = stretch * e1[k];
            out[12 + k] = stretch * e2[k];
            out[15 + k] = stretch * n[k];
        }
        quaternion_of(e1, e2, n, out + 18);
        out[22] = std::log(stretch);
    }
}

// A block of kLanes Gaussians: the bases are added, then each Gaussian goes into its triangle's frame.
inline void bind_block(const Avatar& avatar, std::size_t block, Pose& pose) {
    const std::size_t rows = avatar.bases + 1, size = 10 * rows * kLanes, first = block * kLanes;
    alignas(kAlignment) float local[10][kLanes];
    const float* from = avatar.local.data() + block * size;
    const std::size_t ahead = first + kLanes < avatar.padded ? size : 0;
    for (std::size_t c = 0; c < 10; ++c) weighted_sum(pose.weights.data(), from + c * rows * kLanes, rows, ahead, local[c]);
    for (std::size_t i = 0; i < kLanes; ++i) {
        const std::size_t g = first + i;
        const float* t = pose.frames.data() + Pose::kFrameSize * std::size_t(avatar.splat_face[g]);
        const float b1 = avatar.splat_bary[0][g], b2 = avatar.splat_bary[1][g];
        const float x = local[0][i], y = local[1][i], z = local[2][i];
        for (int k = 0; k < 3; ++k) {
            pose.position[k][g] = t[k] + (b1 * t[3 + k] + b2 * t[6 + k]) + (t[9 + k] * x + t[12 + k] * y + t[15 + k] * z);
            pose.log_scale[k][g] = avatar.splat_log_scale[k][g] + t[22];
            pose.colour[k][g] = local[7 + k][i];
        }
        const float w0 = t[18], x0 = t[19], y0 = t[20], z0 = t[21], w1 = local[3][i], x1 = local[4][i], y1 = local[5][i], z1 = local[6][i];
        pose.rotation[0][g] = w0 * w1 - x0 * x1 - y0 * y1 - z0 * z1;
        pose.rotation[1][g] = w0 * x1 + x0 * w1 + y0 * z1 - z0 * y1;
        pose.rotation[2][g] = w0 * y1 - x0 * z1 + y0 * w1 + z0 * x1;
        pose.rotation[3][g] = w0 * z1 + x0 * y1 - y0 * x1 + z0 * w1;
    }
}

}  // namespace detail

// Pose all Gaussians of an avatar for a frame [avatar.frame_size]. False where `pose` was not prepared for this avatar.
inline bool pose_frame(const Avatar& avatar, const float* frame, Pose& pose) {
    if (avatar.gaussians == 0 || pose.count != avatar.gaussians || pose.offsets.size() != avatar.offset_size ||
        pose.vertices.size() != avatar.vertices * 3 || pose.frames.size() != avatar.faces * Pose::kFrameSize ||
        pose.weights.size() != avatar.bases + 1 || pose.hidden[0].size() != avatar.widest)
        return false;
    pose.weights[0] = 1;
    if (avatar.tracks) {
        detail::pose_tracks(avatar, frame, pose);
    } else {
        detail::pose_rig(avatar, frame, pose);
        detail::basis_weights(avatar, frame, pose);
    }
    detail::triangle_frames(avatar, pose);
    for (std::size_t block = 0; block < avatar.padded / kLanes; ++block) detail::bind_block(avatar, block, pose);
    return true;
}

}  // namespace a3d
