// From the sections of a file to an avatar. Every shape, index and number is checked here, so that posing checks nothing.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "avatar.hpp"

namespace a3d {

class Loader {
public:
    Loader(const Bundle& bundle, Avatar& avatar) : bundle_(bundle), avatar_(avatar) {}

    Result load() {
        gaussians();
        avatar_.tracks = bool(bundle_.find("track_mean"));
        if (avatar_.tracks) {
            tracks();
        } else {
            rig();
        }
        motion();
        if (ok()) local();
        texts();
        return result_;
    }

private:
    // Sides that several arrays share: the first one says how long they are.
    enum Side : int { kAny = -1, kGaussians = -2, kVertices = -3, kFaces = -4, kBases = -5, kFrames = -6, kSides = 7 };

    bool ok() const { return result_.status == Status::kOk; }
    void fail(Status status, const char* name) {
        if (ok()) result_ = failure(status, name);
    }

    // A section of that type and shape; every float in it is a number. Empty after a failure, or where it is optional and not there.
    Section section(const char* name, Type type, std::uint32_t rank, int a, int b = kAny, int c = kAny, bool optional = false) {
        if (!ok()) return Section();
        const Section found = bundle_.find(name);
        if (!found) {
            if (!optional) fail(Status::kMissing, name);
            return Section();
        }
        const int wanted[3] = {a, b, c};
        bool fits = found.type == static_cast<std::uint32_t>(type) && found.rank == rank;
        for (std::uint32_t k = 0; fits && k < rank; ++k) fits = side_fits(wanted[k], found.shape[k]);
        if (!fits) {
            fail(Status::kShape, name);
            return Section();
        }
        if (type == Type::kFloat) {
            for (std::size_t i = 0; i < found.count; ++i) {
                if (!is_finite(found.data + 4 * i)) {
                    fail(Status::kNumber, name);
                    return Section();
                }
            }
        }
        return found;
    }

    bool side_fits(int wanted, std::uint32_t side) {
        if (wanted >= 0) return side == static_cast<std::uint32_t>(wanted);
        if (wanted == kAny) return true;
        Known& known = sides_[-wanted];
        if (!known.is) {
            known.is = true;
            known.size = side;
        }
        return known.size == side;
    }
    std::size_t size_of(Side side) const { return sides_[-side].size; }

    template <typename T>
    bool room(Array<T>& array, std::size_t count, const char* name) {
        if (!ok()) return false;
        if (!array.allocate(count)) fail(Status::kMemory, name);
        return ok();
    }

    // Copies a section of floats as it is.
    void copy(const Section& from, Array<float>& to, const char* name) {
        if (!room(to, from.count, name)) return;
        for (std::size_t i = 0; i < from.count; ++i) to[i] = from.real(i);
    }

    // Copies x y z as x y z 0.
    void copy_points(const Section& from, Array<float>& to, const char* name) {
        if (!room(to, from.count / 3 * 4, name)) return;
        for (std::size_t i = 0; i < from.count; ++i) to[i / 3 * 4 + i % 3] = from.real(i);
    }

    // Copies indices, all below `limit`.
    void copy_indices(const Section& from, Array<std::uint32_t>& to, std::size_t limit, const char* name) {
        if (!room(to, from.count, name)) return;
        for (std::size_t i = 0; i < from.count; ++i) {
            to[i] = from.whole(i);
            if (to[i] >= limit) return fail(Status::kIndex, name);
        }
    }

    void gaussians() {
        const Section faces = section("faces", Type::kUint, 2, kFaces, 3), area = section("rest_area", Type::kFloat, 1, kFaces);
        const Section face = section("splat_face", Type::kUint, 1, kGaussians), bary = section("splat_bary", Type::kFloat, 2, kGaussians, 2);
        const Section log_scale = section("splat_log_scale", Type::kFloat, 2, kGaussians, 3);
        const Section logit = section("splat_opacity_logit", Type::kFloat, 2, kGaussians, 1);
        if (!ok()) return;
        const std::size_t count = face.count, padded = (count + kLanes - 1) / kLanes * kLanes;
        if (count == 0 || area.count == 0) return fail(Status::kShape, count == 0 ? "splat_face" : "faces");
        avatar_.gaussians = count;
        avatar_.padded = padded;
        avatar_.faces = area.count;
        copy(area, avatar_.rest_area, "rest_area");
        if (!room(avatar_.splat_face, padded, "splat_face")) return;
        for (std::size_t g = 0; g < count; ++g) {
            avatar_.splat_face[g] = face.whole(g);
            if (avatar_.splat_face[g] >= area.count) return fail(Status::kIndex, "splat_face");
        }
        for (std::size_t k = 0; k < 2; ++k) {
            if (!room(avatar_.splat_bary[k], padded, "splat_bary")) return;
            // The file has the first two; posing wants the last two.
            for (std::size_t g = 0; g < count; ++g) {
                const float first = bary.real(2 * g), second = bary.real(2 * g + 1);
                avatar_.splat_bary[k][g] = k == 0 ? second : 1 - (first + second);
            }
        }
        for (std::size_t k = 0; k < 3; ++k) {
            if (!room(avatar_.splat_log_scale[k], padded, "splat_log_scale")) return;
            for (std::size_t g = 0; g < count; ++g) avatar_.splat_log_scale[k][g] = log_scale.real(3 * g + k);
        }
        if (!room(avatar_.opacity, padded, "splat_opacity_logit")) return;
        for (std::size_t g = 0; g < count; ++g) avatar_.opacity[g] = 1 / (1 + std::exp(-logit.real(g)));
        faces_ = faces;
    }

    // Once the number of vertices is known.
    void triangles() {
        if (!ok()) return;
        avatar_.vertices = size_of(kVertices);
        copy_indices(faces_, avatar_.face_vertex, avatar_.vertices, "faces");
    }

    void rig() {
        copy_points(section("rest", Type::kFloat, 2, kVertices, 3), avatar_.rest, "rest");
        avatar_.offset_size = avatar_.rest.size();
        triangles();
        copy(section("joints", Type::kFloat, 2, kJoints, 3), avatar_.joints, "joints");
        columns("expr_start", "expr_vertex", "expr_offset", kAny, avatar_.expr);
        columns("pose_start", "pose_vertex", "pose_offset", kFeatures + 1, avatar_.pose);
        if (bundle_.find("eyelids_start")) columns("eyelids_start", "eyelids_vertex", "eyelids_offset", 3, avatar_.eyelids);
        skin();
        const Section angle = section("jaw_open_angle", Type::kFloat, 1, 1);
        if (!ok()) return;
        avatar_.jaw_open_angle = angle.real(0);
        const std::size_t expressions = avatar_.expr.start.size() - 1;
        add("expr", expressions);
        add("jaw_pose", 3, true);
        add("neck_pose", 3, true);
        add("eyes_pose", 6, true);
        add("rotation", 3, true);
        add("translation", 3);
        add("neck_translation", 3);
        add("eyelids", 2);
        network(expressions + 15);
    }

    void columns(const char* starts, const char* vertices, const char* offsets, int count, Columns& out) {
        const Section start = section(starts, Type::kUint, 1, count), vertex = section(vertices, Type::kUint, 1, kAny);
        const Section offset = section(offsets, Type::kFloat, 2, kAny, 3);
        if (!ok()) return;
        if (start.count == 0 || vertex.count != offset.shape[0]) return fail(Status::kShape, starts);
        copy_indices(start, out.start, vertex.count + 1, starts);
        copy_indices(vertex, out.vertex, avatar_.vertices, vertices);
        copy_points(offset, out.offset, offsets);
        if (!ok()) return;
        for (std::size_t i = 1; i < start.count; ++i)
            if (out.start[i] < out.start[i - 1]) return fail(Status::kIndex, starts);
        if (out.start[0] != 0 || out.start[start.count - 1] != vertex.count) fail(Status::kIndex, starts);
    }

    // Most vertices follow one joint or two: zeros are left out.
    void skin() {
        const Section weights = section("skin_weights", Type::kFloat, 2, kVertices, kJoints);
        std::size_t used = 0;
        for (std::size_t i = 0; i < weights.count; ++i) used += weights.real(i) != 0;
        if (!room(avatar_.skin_start, avatar_.vertices + 1, "skin_weights") || !room(avatar_.skin_joint, used, "skin_weights") ||
            !room(avatar_.skin_weight, used, "skin_weights"))
            return;
        std::uint32_t at = 0;
        for (std::size_t v = 0; v < avatar_.vertices; ++v) {
            for (std::size_t j = 0; j < kJoints; ++j) {
                const float weight = weights.real(kJoints * v + j);
                if (weight == 0) continue;
                avatar_.skin_joint[at] = static_cast<std::uint32_t>(j);
                avatar_.skin_weight[at++] = weight;
            }
            avatar_.skin_start[v + 1] = at;
        }
    }

    // The network of `inputs` inputs, or of two more: the lids.
    void network(std::size_t inputs) {
        const Section mean = section("input_mean", Type::kFloat, 1, kAny), std = section("input_std", Type::kFloat, 1, kAny);
        if (!ok()) return;
        if ((mean.count != inputs && mean.count != inputs + 2) || std.count != mean.count) return fail(Status::kShape, "input_mean");
        copy(mean, avatar_.input_mean, "input_mean");
        copy(std, avatar_.input_std, "input_std");
        if (!ok()) return;
        for (std::size_t i = 0; i < std.count; ++i)
            if (!(std::fabs(avatar_.input_std[i]) > 0)) return fail(Status::kNumber, "input_std");
        std::size_t width = mean.count;
        for (std::size_t i = 0; ok() && i < kMaxLayers; ++i) {
            char weight_name[kNameSize] = "network.0.weight", bias_name[kNameSize] = "network.0.bias";
            weight_name[8] = bias_name[8] = static_cast<char>('0' + i);
            if (i > 0 && !bundle_.find(weight_name)) break;
            const Section weight = section(weight_name, Type::kFloat, 2, kAny, kAny), bias = section(bias_name, Type::kFloat, 1, kAny);
            if (!ok()) return;
            if (weight.shape[1] != width || weight.shape[0] != bias.count) return fail(Status::kShape, weight_name);
            Layer& layer = avatar_.layer[i];
            layer.inputs = width;
            layer.outputs = width = bias.count;
            copy(weight, layer.weight, weight_name);
            copy(bias, layer.bias, bias_name);
            avatar_.layer_count = i + 1;
            avatar_.widest = (std::max)({avatar_.widest, layer.inputs, layer.outputs});
        }
        if (!ok()) return;
        if (bundle_.find("network.8.weight")) return fail(Status::kShape, "network.8.weight");
        side_fits(kBases, static_cast<std::uint32_t>(width));
    }

    void tracks() {
        const Section mean = section("track_mean", Type::kFloat, 2, kVertices, 3), root = section("root", Type::kFloat, 1, 3);
        copy_points(mean, avatar_.rest, "track_mean");
        triangles();
        if (!ok()) return;
        const Section components = section("track_components", Type::kFloat, 2, kAny, kAny);
        if (!ok()) return;
        if (components.shape[1] != mean.count) return fail(Status::kShape, "track_components");
        const std::size_t count = components.shape[0], numbers = components.shape[1], blocks = (numbers + kLanes - 1) / kLanes;
        avatar_.offset_size = blocks * kLanes;
        if (!room(avatar_.components, avatar_.offset_size * count, "track_components")) return;
        for (std::size_t i = 0; i < components.count; ++i) {
            const std::size_t c = i / numbers, at = i % numbers;
            avatar_.components[(at / kLanes * count + c) * kLanes + at % kLanes] = components.real(i);
        }
        for (std::size_t k = 0; k < 3; ++k) avatar_.root[k] = root.real(k);
        // Without a frame its width would be bounded by nothing.
        if (section("motion.weights", Type::kFloat, 2, kFrames, kBases).shape[0] == 0) fail(Status::kShape, "motion.weights");
        if (!ok()) return;
        add("coefficients", components.shape[0]);
        add("weights", size_of(kBases));
        add("rotation", 3, true);
        add("translation", 3);
    }

    void add(const char* name, std::size_t width, bool turning = false) {
        Channel& channel = avatar_.channel[avatar_.channel_count++];
        channel.name = name;
        channel.offset = avatar_.frame_size;
        channel.width = width;
        channel.turning = turning;
        avatar_.frame_size += width;
    }

    // The section PREFIX.CHANNEL.
    Section of_channel(const char* prefix, const Channel& channel, std::uint32_t rank, bool optional) {
        char name[kNameSize];
        std::size_t at = 0;
        for (; prefix[at] != '\0'; ++at) name[at] = prefix[at];
        for (std::size_t i = 0; channel.name[i] != '\0' && at + 1 < kNameSize; ++i) name[at++] = channel.name[i];
        name[at] = '\0';
        const int width = static_cast<int>(channel.width);
        return rank == 1 ? section(name, Type::kFloat, 1, width, kAny, kAny, optional)
                         : section(name, Type::kFloat, 2, kFrames, width, kAny, optional);
    }

    void motion() {
        if (!room(avatar_.calm, avatar_.frame_size, "calm")) return;
        for (std::size_t c = 0; !avatar_.tracks && c < avatar_.channel_count; ++c) {
            const Channel& channel = avatar_.channel[c];
            const Section calm = of_channel("calm.", channel, 1, true);
            for (std::size_t i = 0; i < calm.count; ++i) avatar_.calm[channel.offset + i] = calm.real(i);
        }
        if (avatar_.tracks || bundle_.find("motion.fps")) frames();
        if (bundle_.find("sound.rate")) sound();
    }

    void frames() {
        const Section fps = section("motion.fps", Type::kUint, 1, 2), rotation = section("motion.rotation", Type::kFloat, 2, kFrames, 3);
        Section tracks[kMaxChannels];
        for (std::size_t c = 0; c < avatar_.channel_count; ++c) {
            // These two are zero where they are left out.
            const char* name = avatar_.channel[c].name;
            tracks[c] = of_channel("motion.", avatar_.channel[c], 2, std::strcmp(name, "neck_translation") == 0 || std::strcmp(name, "eyelids") == 0);
        }
        if (!ok()) return;
        if (rotation.count == 0 || fps.whole(0) == 0 || fps.whole(1) == 0) return fail(Status::kNumber, "motion.fps");
        avatar_.motion_frames = size_of(kFrames);
        avatar_.fps = static_cast<double>(fps.whole(0)) / fps.whole(1);
        avatar_.loops = (bundle_.flags() & kLoops) != 0;
        // Since every track is whole, this is little more than what they take in the file.
        if (!room(avatar_.motion, avatar_.motion_frames * avatar_.frame_size, "motion.rotation")) return;
        for (std::size_t c = 0; c < avatar_.channel_count; ++c) {
            const Channel& channel = avatar_.channel[c];
            for (std::size_t i = 0; i < tracks[c].count; ++i)
                avatar_.motion[i / channel.width * avatar_.frame_size + channel.offset + i % channel.width] = tracks[c].real(i);
        }
    }

    void sound() {
        const Section rate = section("sound.rate", Type::kUint, 1, 1), sound = section("sound", Type::kShort, 1, kAny);
        if (!ok() || !room(avatar_.sound, sound.count, "sound")) return;
        avatar_.sound_rate = rate.whole(0);
        for (std::size_t i = 0; i < sound.count; ++i) {
            const std::uint32_t bits = sound.data[2 * i] | std::uint32_t(sound.data[2 * i + 1]) << 8;
            avatar_.sound[i] = static_cast<std::int16_t>(static_cast<std::int32_t>(bits ^ 0x8000u) - 0x8000);
        }
    }

    // Position, rotation and colour, and what the bases add, so that posing reads from front to back.
    void local() {
        const Section position = section("splat_position", Type::kFloat, 2, kGaussians, 3);
        const Section rotation = section("splat_rotation", Type::kFloat, 2, kGaussians, 4);
        const Section colour = section("splat_colour", Type::kFloat, 2, kGaussians, 3);
        const Section basis = section("basis", Type::kFloat, 3, kBases, kGaussians, 10);
        if (!ok()) return;
        const std::size_t bases = size_of(kBases), rows = bases + 1, count = avatar_.gaussians;
        avatar_.bases = bases;
        if (rows > SIZE_MAX / 80 / avatar_.padded) return fail(Status::kMemory, "basis");
        if (!room(avatar_.local, avatar_.padded * 10 * rows, "basis")) return;
        for (std::size_t g = 0; g < count; ++g) {
            float* to = avatar_.local.data() + g / kLanes * (10 * rows * kLanes) + g % kLanes;
            for (std::size_t c = 0; c < 10; ++c) {
                to[c * rows * kLanes] = c < 3 ? position.real(3 * g + c) : c < 7 ? rotation.real(4 * g + c - 3) : colour.real(3 * g + c - 7);
                for (std::size_t k = 0; k < bases; ++k) to[(c * rows + k + 1) * kLanes] = basis.real((k * count + g) * 10 + c);
            }
        }
    }

    void texts() {
        text_of("about", false, avatar_.about);
        text_of("expr_names", avatar_.tracks, avatar_.expr_names);
    }

    void text_of(const char* name, bool optional, Array<char>& to) {
        const Section from = section(name, Type::kByte, 1, kAny, kAny, kAny, optional);
        if (!room(to, from.count + 1, name)) return;
        for (std::size_t i = 0; i < from.count; ++i) to[i] = static_cast<char>(from.data[i]);
    }

    struct Known {
        bool is = false;
        std::uint32_t size = 0;
    };

    const Bundle& bundle_;
    Avatar& avatar_;
    Result result_;
    Known sides_[kSides];
    Section faces_;
};

inline Result Avatar::load(const void* memory, std::size_t size) {
    *this = Avatar();
    Bundle bundle;
    Result result = bundle.open(memory, size);
    if (result) result = Loader(bundle, *this).load();
    if (!result) *this = Avatar();
    return result;
}

}  // namespace a3d
