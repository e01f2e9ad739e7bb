// An avatar as posing wants it: checked, copied out of the file, its numbers laid out in the order in which they are used.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "array.hpp"
#include "bundle.hpp"

namespace a3d {

// Gaussians that are posed together, so that compilers make vectors of them.
constexpr std::size_t kLanes = 16;
constexpr std::size_t kJoints = 5;
constexpr std::size_t kFeatures = 36;  // of the joints' rotations, for the pose correctives
constexpr std::size_t kMaxLayers = 8;
constexpr std::size_t kMaxChannels = 8;

// Which numbers of a frame mean what.
struct Channel {
    const char* name = "";
    std::size_t offset = 0, width = 0;
    bool turning = false;  // rotation vectors, three numbers each
};

// A basis column by column, without the vertices that a column leaves where they are.
struct Columns {
    Array<std::uint32_t> start;   // [columns + 1]
    Array<std::uint32_t> vertex;  // [entries]
    Array<float> offset;          // [entries, 4]: x y z 0, metres
};

struct Layer {
    std::size_t inputs = 0, outputs = 0;
    Array<float> weight, bias;  // [outputs, inputs], [outputs]
};

// Names and shapes are those of docs/a3d.md. Nothing of it changes after `load`, so that any number of threads may pose it.
struct Avatar {
    std::size_t gaussians = 0, bases = 0, vertices = 0, faces = 0;
    bool tracks = false;  // vertex tracks instead of a rig: it plays its motion, and can be given no other

    std::size_t frame_size = 0;  // numbers of a frame
    std::size_t channel_count = 0;
    Channel channel[kMaxChannels];
    Array<float> calm;  // [frame_size] the calm face of a rig, zeros for tracks

    std::size_t motion_frames = 0;  // 0 where the file has no motion
    double fps = 0;
    bool loops = false;
    Array<float> motion;  // [motion_frames, frame_size]
    Array<std::int16_t> sound;
    std::uint32_t sound_rate = 0;  // Hz; 0 where there is none

    Array<char> about;       // JSON, ends with a zero: who this is, and with what consent
    Array<char> expr_names;  // a name of an expression in each line, ends with a zero
    float jaw_open_angle = 0;

    Array<std::uint32_t> face_vertex;  // [faces, 3]
    Array<float> rest_area;            // [faces]
    Array<float> rest;                 // [vertices, 4] neutral vertices, or the mean of the tracks: x y z 0
    std::size_t offset_size = 0;       // numbers of what posing adds to these: x y z 0 of a rig's vertices, x y z of tracks' in whole blocks of kLanes
    // A rig's.
    Array<float> joints;  // [5, 3]
    Columns expr, pose, eyelids;
    Array<std::uint32_t> skin_start;  // [vertices + 1]
    Array<std::uint32_t> skin_joint;
    Array<float> skin_weight;
    Array<float> input_mean, input_std;
    std::size_t layer_count = 0;
    Layer layer[kMaxLayers];
    std::size_t widest = 1;  // inputs or outputs of a layer
    // Of tracks.
    Array<float> components;  // [offset_size / kLanes, components, kLanes]: x y z of one vertex after the other
    float root[3] = {};

    // The Gaussians, filled up to whole blocks of kLanes with ones that lie on the first triangle.
    std::size_t padded = 0;
    Array<std::uint32_t> splat_face;       // [padded]
    Array<float> splat_bary[2];            // [padded] of the second and the third corner
    Array<float> splat_log_scale[3];       // [padded]
    Array<float> opacity;                  // [padded] 0..1
    Array<float> local;                    // [padded / kLanes, 10, bases + 1, kLanes]: position, rotation, colour, then what each basis adds

    // Read a file. The memory may go away afterwards; on failure the avatar is empty.
    Result load(const void* memory, std::size_t size);

    // The channel of that name, null where the frames have none.
    const Channel* find(const char* name) const {
        for (std::size_t i = 0; i < channel_count; ++i)
            if (std::strcmp(name, channel[i].name) == 0) return &channel[i];
        return nullptr;
    }
};

}  // namespace a3d

#include "loading.hpp"
