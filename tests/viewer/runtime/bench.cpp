// Milliseconds a frame of an .a3d file, as JSON: loading, posing, sorting. Frames are the calm face with every number moved a little.
//   bench FILE.a3d FRAMES
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "a3d.hpp"
#include "files.hpp"

namespace {

double now() { return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

void print(const char* name, std::vector<double>& spans, const char* end) {
    std::sort(spans.begin(), spans.end());
    const double median = spans[spans.size() / 2], late = spans[spans.size() * 95 / 100];
    std::printf("\"%s\": {\"least\": %.4f, \"median\": %.4f, \"p95\": %.4f}%s", name, spans[0], median, late, end);
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 3) return 2;
    const std::vector<unsigned char> file = read_file(argv[1]);
    const std::size_t count = static_cast<std::size_t>(std::max(std::atoi(argv[2]), 1));
    a3d::Avatar avatar;
    const double start = now();
    if (!avatar.load(file.data(), file.size())) return 1;
    const double loaded = now() - start;
    a3d::Pose pose;
    a3d::DepthSort sort;
    a3d::Array<float> frame;
    if (!pose.prepare(avatar) || !sort.prepare(avatar.gaussians) || !frame.allocate(avatar.frame_size)) return 3;
    std::vector<double> posing, sorting;
    double sum = 0;
    for (std::size_t i = 0; i < count + 5; ++i) {
        if (!avatar.tracks || !a3d::frame_at(avatar, 0.04 * double(i), frame.data())) {
            for (std::size_t k = 0; k < frame.size(); ++k) frame[k] = avatar.calm[k] + 0.05f * std::sin(float(i) * 0.3f + float(k));
        }
        const double before = now();
        if (!a3d::pose_frame(avatar, frame.data(), pose)) return 4;
        const double between = now();
        const float forward[3] = {0, 0, -1};
        const std::uint32_t* order =
            sort.sort(pose.position[0].data(), pose.position[1].data(), pose.position[2].data(), pose.count, forward, a3d::Order::kFarFirst);
        const double after = now();
        sum += pose.position[0][order[0]];
        // The first ones touch the memory for the first time.
        if (i >= 5) posing.push_back(between - before), sorting.push_back(after - between);
    }
    std::printf("{\"gaussians\": %zu, \"bases\": %zu, \"faces\": %zu, \"load\": %.3f, ", avatar.gaussians, avatar.bases, avatar.faces, loaded);
    print("pose", posing, ", ");
    print("sort", sorting, ", ");
    std::printf("\"checksum\": %.6f}\n", sum);
    return 0;
}
