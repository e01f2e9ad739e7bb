// What of the Unreal plugin needs no engine, for the tests: each mode reads and writes little-endian arrays.
//   outside place|turn|turn64|scale|colour FILE           float32 (turn64: float64) rows of 3, 4, 4, 3, 1 numbers in; 3, 4, 4, 3, 1 out
//   outside names FILE                                    an introduction; a name in each line
//   outside head FILE VALUES                              an introduction and frames; 3 + 4 float64 for each
//   outside curves FILE VALUES                            an introduction and frames; each as its curves have it
//   outside playback VALUES                               5 float32 a row: whether to play, to be driven, to loop, seconds that pass and of a round; two for
//                                                         each, the time and what the sound does (0 as it was, 1 begins, 2 ends)
//   outside sample VALUES                                 3 float32 a row: time, rate and count; the sample for each, float32
//   outside timecode VALUES                               3 float64 a row: seconds, numerator, denominator; 1 or 0 for each, float32
//   outside arkit FILE.a3d VALUES                         52 + 3 numbers a row; a frame for each, or nothing where the avatar takes none
#include <cstdio>
#include <cstring>
#include <vector>

#include "Avatar3DAxes.h"
#include "Avatar3DCurves.h"
#include "Avatar3DPlayback.h"
#include "Avatar3DTimecode.h"
#include "a3d.hpp"
#include "../runtime/files.hpp"

namespace {

template <typename T>
std::vector<T> numbers(const char* path) {
    const std::vector<unsigned char> bytes = read_file(path);
    std::vector<T> out(bytes.size() / sizeof(T));
    if (!out.empty()) std::memcpy(out.data(), bytes.data(), out.size() * sizeof(T));
    return out;
}

template <typename T>
void write(const T* values, std::size_t count) {
    std::fwrite(values, sizeof(T), count, stdout);
}

template <typename T, typename Convert>
int convert(const char* path, std::size_t width, Convert&& one) {
    const std::vector<T> in = numbers<T>(path);
    for (std::size_t row = 0; row + width <= in.size(); row += width) {
        T out[4];
        one(in.data() + row, out);
        write(out, width);
    }
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 3) return 2;
    const char* mode = argv[1];
    const auto is = [mode](const char* name) { return std::strcmp(mode, name) == 0; };
    const auto turn = [](const auto* in, auto* out) { Avatar3D::ToUnrealRotation(in[0], in[1], in[2], in[3], out); };
    if (is("place")) return convert<float>(argv[2], 3, [](const float* in, float* out) { Avatar3D::ToUnrealPosition(in[0], in[1], in[2], out); });
    if (is("turn")) return convert<float>(argv[2], 4, turn);
    if (is("turn64")) return convert<double>(argv[2], 4, turn);
    if (is("scale")) return convert<float>(argv[2], 3, [](const float* in, float* out) { Avatar3D::ToUnrealScale(in[0], in[1], in[2], out); });
    if (is("colour")) return convert<float>(argv[2], 1, [](const float* in, float* out) { *out = Avatar3D::ToLinear(*in); });
    if (is("playback")) {
        const std::vector<float> rows = numbers<float>(argv[2]);
        Avatar3D::FPlayback playback;
        float time = 0;
        for (std::size_t row = 0; row + 5 <= rows.size(); row += 5) {
            const float* in = rows.data() + row;
            if (in[0] > 0) playback.Play(), time = 0;
            if (in[0] < 0) playback.Stop();
            const float sound = static_cast<float>(playback.Step(in[1] != 0, in[3], in[4], in[2] != 0, time));
            write(&time, 1);
            write(&sound, 1);
        }
        return 0;
    }
    if (is("sample")) {
        const std::vector<float> rows = numbers<float>(argv[2]);
        for (std::size_t row = 0; row + 3 <= rows.size(); row += 3) {
            const float sample = static_cast<float>(Avatar3D::SampleAt(rows[row], rows[row + 1], static_cast<std::size_t>(rows[row + 2])));
            write(&sample, 1);
        }
        return 0;
    }
    if (is("timecode")) {
        const std::vector<double> rows = numbers<double>(argv[2]);
        for (std::size_t row = 0; row + 3 <= rows.size(); row += 3) {
            const auto part = [&rows, row](std::size_t at) { return static_cast<std::uint32_t>(rows[row + at]); };
            const float found = Avatar3D::IsTimecode(rows[row], part(1), part(2)) ? 1.0f : 0.0f;
            write(&found, 1);
        }
        return 0;
    }
    const std::vector<unsigned char> file = read_file(argv[2]);
    if (is("arkit") && argc == 4) {
        a3d::Avatar avatar;
        if (!avatar.load(file.data(), file.size())) return 2;
        const std::vector<float> rows = numbers<float>(argv[3]);
        std::vector<float> frame(avatar.frame_size, 9);
        for (std::size_t row = 0; row + 55 <= rows.size(); row += 55) {
            if (Avatar3D::FrameFromArkit(avatar, rows.data() + row, rows.data() + row + 52, frame.data())) {
                write(frame.data(), frame.size());
            } else if (frame[0] != 9) {
                return 3;
            }
        }
        return 0;
    }
    a3d::Packet packet;
    if (a3d::read_packet(file.data(), file.size(), packet) != a3d::PacketStatus::kOk) return 2;
    const a3d::Introduction& introduction = packet.introduction;
    if (is("names")) {
        for (std::size_t c = 0; c < introduction.channel_count; ++c) {
            for (std::size_t i = 0; i < introduction.channel[c].width; ++i) {
                char name[Avatar3D::CurveNameSize];
                Avatar3D::StreamCurveName(introduction.channel[c], i, name);
                std::printf("%s\n", name);
            }
        }
        return 0;
    }
    if (is("curves") && argc == 4) {
        std::vector<float> rows = numbers<float>(argv[3]);
        for (std::size_t row = 0; row + introduction.width <= rows.size(); row += introduction.width) {
            Avatar3D::ToCurveValues(introduction, rows.data() + row);
        }
        write(rows.data(), rows.size());
        return 0;
    }
    if (is("head") && argc == 4) {
        const std::vector<float> rows = numbers<float>(argv[3]);
        for (std::size_t row = 0; row + introduction.width <= rows.size(); row += introduction.width) {
            double out[7];
            Avatar3D::HeadTransform(introduction, rows.data() + row, out, out + 3);
            write(out, 7);
        }
        return 0;
    }
    return 2;
}
