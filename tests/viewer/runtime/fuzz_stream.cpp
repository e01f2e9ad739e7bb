// libFuzzer's way to spoil parameter streams: its input is datagrams, each with two bytes of length and one of 1/64 s since the last.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "a3d/stream_receiver.hpp"
#include "looking.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* given, std::size_t size) {
    const auto receiver = std::make_unique<a3d::StreamReceiver>();
    double now = 0;
    for (std::size_t at = 0; at + 3 <= size;) {
        const std::size_t said = given[at] + 256u * given[at + 1], length = said < size - at - 3 ? said : size - at - 3;
        now += given[at + 2] / 64.0;
        at += 3;
        const std::unique_ptr<unsigned char[]> exact(new unsigned char[length]);
        if (length > 0) std::memcpy(exact.get(), given + at, length);
        at += length;
        (void)receiver->accept(exact.get(), length, now);
        if (!look(*receiver, now)) std::abort();
    }
    return 0;
}
