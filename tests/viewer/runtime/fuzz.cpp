// libFuzzer's way to spoil .a3d files: what it makes gets the right length and checksum, or it would come no further than there.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "a3d.hpp"
#include "spoiling.hpp"
#include "using.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* given, std::size_t size) {
    Bytes data(given, given + size);
    if (size >= a3d::kHeaderSize) {
        put_u32(data, 16, static_cast<std::uint32_t>(size));
        put_u32(data, 20, 0);
        put_u32(data, 28, a3d::checksum(data.data(), size));
    }
    const std::unique_ptr<unsigned char[]> exact(new unsigned char[size]);
    if (size > 0) std::memcpy(exact.get(), data.data(), size);
    a3d::Avatar avatar;
    Random random{size + 1};
    if (avatar.load(exact.get(), size) ? !use(avatar, random) : avatar.gaussians != 0) std::abort();
    return 0;
}
