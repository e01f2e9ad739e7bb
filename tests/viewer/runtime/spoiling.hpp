// Random numbers and values that break things, for the programs that spoil what they are given.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

// Xorshift: the same seed gives the same spoiled files on every machine.
struct Random {
    std::uint64_t state;

    std::uint64_t next() {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        return state * 0x2545F4914F6CDD1Dull >> 16;
    }
    std::size_t below(std::size_t limit) { return limit == 0 ? 0 : static_cast<std::size_t>(next() % limit); }
    bool chance(int percent) { return below(100) < static_cast<std::size_t>(percent); }
};

using Bytes = std::vector<unsigned char>;

inline void put_u32(Bytes& data, std::size_t at, std::uint32_t value) {
    for (std::size_t k = 0; k < 4; ++k)
        if (at + k < data.size()) data[at + k] = static_cast<unsigned char>(value >> (8 * k));
}

inline std::uint32_t curious(Random& random) {
    static const std::uint32_t values[] = {
        0, 1, 2, 3, 4, 5, 7, 15, 16, 36, 37, 255, 256, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFF0,
        0xFFFFFFFF, 0x40000000, 0x3FFFFFFF, 0x55555556, 0x7F800000, 0x7FC00000, 0xFF7FFFFF, 0x80000001, 0xFFFFFFFE};
    const std::size_t which = random.below(sizeof values / sizeof *values + 1);
    return which < sizeof values / sizeof *values ? values[which] : static_cast<std::uint32_t>(random.next());
}
