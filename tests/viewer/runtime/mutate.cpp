// Spoils an .a3d file in memory again and again, and loads, poses and sorts whatever is still taken for one. Built with sanitizers, which end the
// program at the first read or write out of bounds; each spoiled file lies in memory of exactly its size.
//   mutate FILE.a3d COUNT SEED      prints how often each status came, as JSON
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#include "a3d.hpp"
#include "files.hpp"
#include "spoiling.hpp"
#include "using.hpp"

namespace {

void spoil(Bytes& data, Random& random) {
    const std::size_t sections = data.size() < 32 ? 0 : std::min<std::size_t>(a3d::read_u32(data.data() + 24), (data.size() - 32) / 64);
    switch (random.below(8)) {
        case 0:
            for (std::size_t i = random.below(8) + 1; i > 0 && !data.empty(); --i)
                data[random.below(data.size())] ^= static_cast<unsigned char>(1u << random.below(8));
            break;
        case 1:
            put_u32(data, random.below(data.size() / 4) * 4, curious(random));
            break;
        case 2:  // a word of the header
            put_u32(data, random.below(8) * 4, curious(random));
            break;
        case 3:  // type, rank, shape, offset or length of a section
        case 4: {
            const std::size_t at = 32 + 64 * random.below(sections) + 24 + 4 * random.below(10);
            if (at + 4 <= data.size() && random.chance(50)) {
                put_u32(data, at, a3d::read_u32(data.data() + at) + static_cast<std::uint32_t>(random.below(33)) - 16);
            } else {
                put_u32(data, at, curious(random));
            }
            break;
        }
        case 5:  // cut off, or longer
            data.resize(random.chance(70) ? random.below(data.size() + 1) : data.size() + random.below(200));
            break;
        case 6: {  // a piece in the place of another
            const std::size_t size = random.below(std::min<std::size_t>(data.size(), 128)), from = random.below(data.size() - size + 1);
            const Bytes piece(data.begin() + std::ptrdiff_t(from), data.begin() + std::ptrdiff_t(from + size));
            std::copy(piece.begin(), piece.end(), data.begin() + std::ptrdiff_t(random.below(data.size() - size + 1)));
            break;
        }
        case 7: {  // the table's entry of another section, under this one's name
            if (sections < 2) break;
            const std::size_t to = 32 + 64 * random.below(sections), from = 32 + 64 * random.below(sections), skip = random.chance(50) ? 24 : 0;
            const Bytes entry(data.begin() + std::ptrdiff_t(from + skip), data.begin() + std::ptrdiff_t(from + 64));
            std::copy(entry.begin(), entry.end(), data.begin() + std::ptrdiff_t(to + skip));
            break;
        }
    }
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 4) return 2;
    const Bytes whole = read_file(argv[1]);
    const long count = std::atol(argv[2]);
    Random random{std::strtoull(argv[3], nullptr, 10) * 0x9E3779B97F4A7C15ull + 1};
    long seen[11] = {};
    Bytes data;
    for (long i = 0; i < count; ++i) {
        data = whole;
        for (std::size_t times = random.below(3) + 1; times > 0; --times) spoil(data, random);
        if (data.size() >= a3d::kHeaderSize) {
            // Nearly always with the right length and sum, or nothing would come further than there.
            if (random.chance(95)) put_u32(data, 16, static_cast<std::uint32_t>(data.size())), put_u32(data, 20, 0);
            if (random.chance(95)) put_u32(data, 28, a3d::checksum(data.data(), data.size()));
        }
        const std::unique_ptr<unsigned char[]> exact(new unsigned char[data.size()]);
        if (!data.empty()) std::memcpy(exact.get(), data.data(), data.size());
        a3d::Avatar avatar;
        const a3d::Result result = avatar.load(exact.get(), data.size());
        ++seen[static_cast<int>(result.status)];
        if (result ? !use(avatar, random) : avatar.gaussians != 0) {
            std::fprintf(stderr, "mutation %ld: posing failed, or a refused avatar is not empty\n", i);
            return 1;
        }
    }
    static const char* const names[] = {"ok", "not_a_bundle", "newer", "size", "checksum", "table", "missing", "shape", "index", "number", "memory"};
    std::printf("{\"mutations\": %ld", count);
    for (int i = 0; i < 11; ++i) std::printf(", \"%s\": %ld", names[i], seen[i]);
    std::printf("}\n");
    return 0;
}
