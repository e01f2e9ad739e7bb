// Spoils datagrams of parameter streams again and again, mixes them with whole ones, and looks at every stream that comes of it. Built with sanitizers,
// which end the program at the first read or write out of bounds; each datagram lies in memory of exactly its size.
//   mutate_stream FILE COUNT SEED      FILE: uint32 n and n bytes, again and again. Prints how often each status came, as JSON
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#include "a3d/stream_receiver.hpp"
#include "files.hpp"
#include "looking.hpp"
#include "spoiling.hpp"

namespace {

void spoil(Bytes& data, const std::vector<Bytes>& all, Random& random) {
    switch (random.below(7)) {
        case 0:
            for (std::size_t i = random.below(8) + 1; i > 0 && !data.empty(); --i)
                data[random.below(data.size())] ^= static_cast<unsigned char>(1u << random.below(8));
            break;
        case 1:
            put_u32(data, random.below(data.size() + 1), curious(random));
            break;
        case 2:  // a half-word where the sizes are
            if (data.size() > 34) data[16 + random.below(18)] = static_cast<unsigned char>(curious(random));
            break;
        case 3:
            data.resize(random.chance(70) ? random.below(data.size() + 1) : data.size() + random.below(1300));
            break;
        case 4: {  // another time or number
            const double times[] = {0, -1, 1e300, 1e12, -1e12, 1e-300, 0.5, 3600, 4e9};
            const double time = times[random.below(sizeof times / sizeof *times)];
            if (data.size() >= 16) std::memcpy(data.data() + 8, &time, sizeof time);
            break;
        }
        case 5: {  // the end of another datagram
            const Bytes& other = all[random.below(all.size())];
            const std::size_t from = random.below(other.size() + 1);
            data.resize(random.below(data.size() + 1));
            data.insert(data.end(), other.begin() + std::ptrdiff_t(from), other.end());
            break;
        }
        case 6:  // of one stream among many
            put_u32(data, 4, static_cast<std::uint32_t>(random.below(40)));
            break;
    }
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 4) return 2;
    const Bytes file = read_file(argv[1]);
    std::vector<Bytes> whole;
    for (std::size_t at = 0; at + 4 <= file.size();) {
        const std::size_t size = a3d::read_u32(file.data() + at);
        whole.emplace_back(file.begin() + std::ptrdiff_t(at + 4), file.begin() + std::ptrdiff_t(at + 4 + size));
        at += 4 + size;
    }
    const long count = std::atol(argv[2]);
    Random random{std::strtoull(argv[3], nullptr, 10) * 0x9E3779B97F4A7C15ull + 1};
    const auto receiver = std::make_unique<a3d::StreamReceiver>();
    long seen[12] = {};
    double now = 0;
    for (long i = 0; i < count; ++i) {
        Bytes data = whole[random.below(whole.size())];
        if (random.chance(70))
            for (std::size_t times = random.below(3) + 1; times > 0; --times) spoil(data, whole, random);
        const std::unique_ptr<unsigned char[]> exact(new unsigned char[data.size()]);
        if (!data.empty()) std::memcpy(exact.get(), data.data(), data.size());
        ++seen[static_cast<int>(receiver->accept(exact.get(), data.size(), now))];
        // Now and then nothing comes for long.
        now += random.below(10000) == 0 ? 20 : random.below(300) == 0 ? 1.5 : 1e-4 * static_cast<double>(random.below(200));
        if (random.chance(20) && !look(*receiver, now)) {
            std::fprintf(stderr, "mutation %ld: a stream cannot be looked at\n", i);
            return 1;
        }
    }
    static const char* const names[] = {"ok", "other_kind", "not_ours", "newer", "size", "number", "text", "channels", "unknown", "other_width", "full", "other_case"};
    std::printf("{\"mutations\": %ld", count);
    for (int i = 0; i < 12; ++i) std::printf(", \"%s\": %ld", names[i], seen[i]);
    std::printf("}\n");
    return 0;
}
