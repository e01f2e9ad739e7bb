// What a program does with an avatar, for those that give the runtime spoiled ones.
#pragma once

#include <cstring>
#include <limits>

#include "a3d.hpp"
#include "spoiling.hpp"

// Everything that a program would do with an avatar, with numbers of its own that are not kind either.
inline bool use(const a3d::Avatar& avatar, Random& random) {
    a3d::Pose pose;
    a3d::DepthSort sort;
    a3d::Array<float> frame;
    if (!pose.prepare(avatar) || !sort.prepare(avatar.gaussians) || !frame.allocate(avatar.frame_size)) return false;
    const float forward[3] = {0.1f, -0.2f, 1};
    const double times[] = {0, 0.013, -1, 1e9, 1e308, std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()};
    for (int round = 0; round < 3; ++round) {
        if (round == 0) {
            for (std::size_t i = 0; i < frame.size(); ++i) frame[i] = static_cast<float>(random.below(2001)) * 1e-3f - 1;
        } else if (round == 1) {
            const std::uint32_t bits = curious(random);
            std::memcpy(&frame[random.below(frame.size())], &bits, sizeof bits);
        } else if (!a3d::frame_at(avatar, times[random.below(sizeof times / sizeof *times)], frame.data())) {
            break;
        }
        if (!a3d::pose_frame(avatar, frame.data(), pose)) return false;
        const std::uint32_t* order =
            sort.sort(pose.position[0].data(), pose.position[1].data(), pose.position[2].data(), pose.count, forward, a3d::Order::kFarFirst);
        for (std::size_t i = 0; i < pose.count; ++i)
            if (order[i] >= pose.count) return false;
    }
    return true;
}
