// Poses an .a3d file for tests. Frames or times come from a file of floats or doubles; planes of floats go to the standard output.
//   pose frames FILE.a3d FRAMES     numbers of frames, one after the other
//   pose times FILE.a3d TIMES       seconds of the file's own motion
//   pose order FILE.a3d TIMES       indices, nearest first, then farthest first, of a camera that looks along -z
#include <cstdio>
#include <cstring>

#include "a3d.hpp"
#include "files.hpp"

namespace {

bool put(const void* data, std::size_t bytes) { return std::fwrite(data, 1, bytes, stdout) == bytes; }

template <std::size_t n>
bool put_planes(const a3d::Array<float> (&planes)[n], std::size_t count) {
    for (const a3d::Array<float>& plane : planes)
        if (!put(plane.data(), count * sizeof(float))) return false;
    return true;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 4) return 2;
    const std::vector<unsigned char> file = read_file(argv[2]), input = read_file(argv[3]);
    a3d::Avatar avatar;
    const a3d::Result result = avatar.load(file.data(), file.size());
    if (!result) {
        std::fprintf(stderr, "%s: %s (%s)\n", argv[2], a3d::text(result.status), result.section);
        return 1;
    }
    a3d::Pose pose;
    a3d::DepthSort sort;
    a3d::Array<float> frame;
    if (!pose.prepare(avatar) || !sort.prepare(avatar.gaussians) || !frame.allocate(avatar.frame_size)) return 3;
    const bool given = std::strcmp(argv[1], "frames") == 0, order = std::strcmp(argv[1], "order") == 0;
    const std::size_t step = given ? avatar.frame_size * sizeof(float) : sizeof(double), n = avatar.gaussians;
    for (std::size_t at = 0; at + step <= input.size(); at += step) {
        if (given) {
            std::memcpy(frame.data(), input.data() + at, step);
        } else {
            double seconds;
            std::memcpy(&seconds, input.data() + at, step);
            if (!a3d::frame_at(avatar, seconds, frame.data())) return 4;
        }
        if (!a3d::pose_frame(avatar, frame.data(), pose)) return 5;
        if (order) {
            const float forward[3] = {0, 0, -1};
            for (const a3d::Order each : {a3d::Order::kNearFirst, a3d::Order::kFarFirst}) {
                const std::uint32_t* indices =
                    sort.sort(pose.position[0].data(), pose.position[1].data(), pose.position[2].data(), n, forward, each);
                if (indices == nullptr || !put(indices, n * sizeof *indices)) return 6;
            }
        } else if (!put_planes(pose.position, n) || !put_planes(pose.rotation, n) || !put_planes(pose.log_scale, n) || !put_planes(pose.colour, n) ||
                   !put(pose.opacity, n * sizeof(float))) {
            return 6;
        }
    }
    return 0;
}
