// The motion in the file at any time: docs/posing.md, 1.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "avatar.hpp"
#include "rotation.hpp"

namespace a3d {

// The frame [avatar.frame_size] at `seconds`, held at the ends or going round, as the file says. False where the file has no motion.
inline bool frame_at(const Avatar& avatar, double seconds, float* A3D_RESTRICT out) {
    const std::size_t frames = avatar.motion_frames, size = avatar.frame_size;
    if (frames == 0) return false;
    const double count = static_cast<double>(frames);
    double place = seconds * avatar.fps;
    // By the bits, since compilers may be told that there are no such numbers: what is none is the beginning, what is infinite an end.
    std::uint64_t bits;
    std::memcpy(&bits, &place, sizeof bits);
    if ((bits >> 52 & 0x7FF) == 0x7FF) place = (bits << 12) != 0 || avatar.loops || (bits >> 63) != 0 ? 0 : count;
    if (avatar.loops) {
        place = std::fmod(place, count);
        if (place < 0) place += count;
    } else {
        place = place < 0 ? 0 : (place > count - 1 ? count - 1 : place);
    }
    std::size_t first = static_cast<std::size_t>(place);
    // What is a hair before the beginning of a loop rounds to its end.
    if (first >= frames) place = 0, first = 0;
    if (!avatar.loops && first + 2 > frames) first = frames > 1 ? frames - 2 : 0;
    const std::size_t second = first + 1 < frames ? first + 1 : 0;
    const double u = place - static_cast<double>(first);
    const float* a = avatar.motion.data() + first * size;
    const float* b = avatar.motion.data() + second * size;
    for (std::size_t c = 0; c < avatar.channel_count; ++c) {
        const Channel& channel = avatar.channel[c];
        const std::size_t end = channel.offset + channel.width;
        for (std::size_t i = channel.offset; i < end; i += channel.turning ? 3 : 1) {
            if (u <= 0) {
                for (std::size_t k = 0; k < (channel.turning ? 3u : 1u); ++k) out[i + k] = a[i + k];
            } else if (channel.turning) {
                between(a + i, b + i, u, out + i);
            } else {
                out[i] = a[i] + static_cast<float>(u) * (b[i] - a[i]);
            }
        }
    }
    return true;
}

}  // namespace a3d
