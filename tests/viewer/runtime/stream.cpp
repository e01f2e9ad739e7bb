// Follows a parameter stream that is given as a script, so that tests need no clock of their own.
//   stream FILE      events, little-endian: uint8 kind, float64 now, uint32 n, n bytes. Kind 0 is a datagram, which lies in memory of exactly its
//                    size; kind 1 asks where everybody is. Written to stdout, for each datagram an int32 status; for each question uint32 streams, and
//                    for each uint32 id, flow, revision, ended, width, then five uint64 counts, float64 delay and time, float32 [width].
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>
#include <vector>

#include "a3d/stream_receiver.hpp"
#include "files.hpp"

namespace {

template <typename T>
void write(const T& value) {
    std::fwrite(&value, sizeof value, 1, stdout);
}

void tell(a3d::StreamReceiver& receiver, double now) {
    receiver.forget_silent(now);
    std::uint32_t count = 0;
    for (std::size_t place = 0; place < a3d::StreamReceiver::kMaxStreams; ++place) count += receiver.at(place) != nullptr;
    write(count);
    for (std::size_t place = 0; place < a3d::StreamReceiver::kMaxStreams; ++place) {
        a3d::Stream* stream = receiver.at(place);
        if (stream == nullptr) continue;
        std::vector<float> values(stream->buffer.width());
        const std::uint32_t flow = static_cast<std::uint32_t>(stream->buffer.sample(now, values.data()));
        const a3d::FlowCounts& counts = stream->buffer.counts();
        for (std::uint32_t value : {stream->id, flow, stream->revision, std::uint32_t(stream->ended), std::uint32_t(values.size())}) write(value);
        for (std::uint64_t value : {counts.taken, counts.duplicates, counts.late, counts.lost, counts.restarts}) write(value);
        write(stream->buffer.delay());
        write(stream->buffer.time());
        std::fwrite(values.data(), sizeof(float), values.size(), stdout);
    }
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2) return 2;
    const std::vector<unsigned char> script = read_file(argv[1]);
    const auto receiver = std::make_unique<a3d::StreamReceiver>();
    for (std::size_t at = 0; at + 13 <= script.size();) {
        const unsigned char kind = script[at];
        double now;
        std::memcpy(&now, script.data() + at + 1, sizeof now);
        const std::size_t size = a3d::read_u32(script.data() + at + 9);
        at += 13;
        if (size > script.size() - at) return 2;
        if (kind == 1) {
            tell(*receiver, now);
        } else {
            const std::unique_ptr<unsigned char[]> exact(new unsigned char[size]);
            if (size > 0) std::memcpy(exact.get(), script.data() + at, size);
            write(static_cast<std::int32_t>(receiver->accept(exact.get(), size, now)));
        }
        at += size;
    }
    return 0;
}
