// Gaussians in the order of their depth: three passes of a radix sort over the depths' bits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "array.hpp"

namespace a3d {

enum class Order { kNearFirst, kFarFirst };

// Memory of a sort; one for each thread that sorts.
class DepthSort {
public:
    // Whether there was room for `count` Gaussians.
    [[nodiscard]] bool prepare(std::size_t count) {
        for (Array<std::uint32_t>& part : keys_)
            if (!part.allocate(count)) return false;
        for (Array<std::uint32_t>& part : indices_)
            if (!part.allocate(count)) return false;
        return true;
    }

    // Indices [count] of points by their depth along `forward` [3], the direction in which the camera looks; equal ones by index. `count` is at most
    // that of `prepare`. The memory is this object's.
    const std::uint32_t* sort(const float* A3D_RESTRICT x, const float* A3D_RESTRICT y, const float* A3D_RESTRICT z, std::size_t count,
                              const float* forward, Order order) {
        if (count > keys_[0].size()) return nullptr;
        std::uint32_t* A3D_RESTRICT keys = keys_[0].data();
        std::uint32_t* A3D_RESTRICT indices = indices_[0].data();
        const std::uint32_t flip = order == Order::kFarFirst ? 0xFFFFFFFFu : 0u;
        std::uint32_t buckets[3][kBuckets] = {};
        for (std::size_t i = 0; i < count; ++i) {
            const float depth = forward[0] * x[i] + forward[1] * y[i] + forward[2] * z[i];
            std::uint32_t bits;
            std::memcpy(&bits, &depth, sizeof bits);
            // As unsigned numbers these rise with the floats: negative ones are reversed and come first.
            bits ^= (0u - (bits >> 31)) | 0x80000000u;
            keys[i] = bits ^ flip;
        }
        for (std::size_t i = 0; i < count; ++i) {
            indices[i] = static_cast<std::uint32_t>(i);
            for (int pass = 0; pass < 3; ++pass) ++buckets[pass][(keys[i] >> (kBits * pass)) & (kBuckets - 1)];
        }
        int now = 0;
        for (int pass = 0; pass < 3; ++pass) {
            const int shift = kBits * pass;
            std::uint32_t* A3D_RESTRICT start = buckets[pass];
            std::uint32_t sum = 0;
            for (std::uint32_t b = 0; b < kBuckets; ++b) {
                const std::uint32_t size = start[b];
                start[b] = sum;
                sum += size;
            }
            const std::uint32_t* A3D_RESTRICT from_key = keys_[now].data();
            const std::uint32_t* A3D_RESTRICT from_index = indices_[now].data();
            std::uint32_t* A3D_RESTRICT to_key = keys_[1 - now].data();
            std::uint32_t* A3D_RESTRICT to_index = indices_[1 - now].data();
            for (std::size_t i = 0; i < count; ++i) {
                const std::uint32_t to = start[(from_key[i] >> shift) & (kBuckets - 1)]++;
                to_key[to] = from_key[i];
                to_index[to] = from_index[i];
            }
            now = 1 - now;
        }
        return indices_[now].data();
    }

private:
    static constexpr int kBits = 11;
    static constexpr std::uint32_t kBuckets = 1u << kBits;

    Array<std::uint32_t> keys_[2], indices_[2];
};

}  // namespace a3d
