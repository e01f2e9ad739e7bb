// Packets of the parameter stream: docs/stream.md. Each is checked whole before anything of it is used, and nothing is allocated.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "bundle.hpp"

namespace a3d {

constexpr std::size_t kMaxDatagram = 1200;  // bytes; longer ones are refused unread
constexpr std::size_t kPacketHeader = 16;
constexpr std::size_t kFrameHeader = kPacketHeader + 8;
constexpr std::size_t kIntroductionHeader = kPacketHeader + 16;
constexpr std::size_t kMaxStreamChannels = 24;
constexpr std::size_t kMaxSubject = 256;  // bytes of UTF-8
constexpr std::size_t kMaxSubjectLetters = 64;
constexpr std::size_t kMaxValues = (kMaxDatagram - kFrameHeader - 2 - kMaxSubject) / 4;  // of a frame, behind which its subject follows
constexpr std::size_t kMaxHead = 64;      // characters of a fingerprint
constexpr std::uint8_t kStreamVersion = 1;

enum class PacketKind : std::uint8_t { kFrame = 2, kEnd = 4, kIntroduction = 5 };

enum class PacketStatus : int {
    kOk = 0,
    kOtherKind,   // whole as far as can be told, of a kind that only other readers know; to be passed over
    kNotOurs,     // the first bytes are of another protocol
    kNewer,       // of a version that this runtime does not know
    kSize,        // breaks off, or is too long
    kNumber,      // a value is not a number, or no frame rate
    kText,        // a name is not text
    kChannels,    // channels without a width, too many, or two of one name
    kUnknown,     // a frame of a stream that has not been introduced
    kOtherWidth,  // a frame that is not as wide as its introduction says
    kFull,        // one stream more than there is room for
    kOtherCase,   // of a subject whose name differs from that of one that is there by case alone
};

inline const char* text(PacketStatus status) {
    switch (status) {
        case PacketStatus::kOk: return "whole";
        case PacketStatus::kOtherKind: return "of a kind that is not read here";
        case PacketStatus::kNotOurs: return "of another protocol";
        case PacketStatus::kNewer: return "of a newer avatar3d than this runtime";
        case PacketStatus::kSize: return "broken off or too long";
        case PacketStatus::kNumber: return "with a value that is not a number";
        case PacketStatus::kText: return "with a name that is not text";
        case PacketStatus::kChannels: return "with channels that make no frame";
        case PacketStatus::kUnknown: return "of a stream that has not been introduced";
        case PacketStatus::kOtherWidth: return "not as wide as its introduction says";
        case PacketStatus::kFull: return "of one stream more than there is room for";
        case PacketStatus::kOtherCase: return "of a subject that is there in other capitals";
    }
    return "unknown";
}

struct StreamChannel {
    char name[kNameSize] = {};
    std::size_t offset = 0, width = 0;
    bool turning = false;  // rotation vectors, three numbers each
};

// What a sender says of a stream, twice a second.
struct Introduction {
    std::uint32_t fps_numerator = 0, fps_denominator = 0;
    char head[kMaxHead + 1] = {};        // fingerprint of the head that the rig's channels are of; empty where there are none
    char subject[kMaxSubject + 1] = {};  // UTF-8
    std::size_t width = 0;               // numbers of a frame
    std::size_t channel_count = 0;
    StreamChannel channel[kMaxStreamChannels];

    double fps() const { return static_cast<double>(fps_numerator) / fps_denominator; }

    // The channel of that name, null where the frames have none.
    const StreamChannel* find(const char* name) const {
        for (std::size_t i = 0; i < channel_count; ++i)
            if (std::strcmp(name, channel[i].name) == 0) return &channel[i];
        return nullptr;
    }
};

struct Packet {
    PacketKind kind = PacketKind::kEnd;
    std::uint32_t stream = 0;
    double time = 0;  // seconds on the stream's clock
    // Of a frame. The values lie in the datagram's memory, which must outlive them.
    std::uint32_t number = 0;
    std::size_t count = 0;
    const std::uint8_t* values = nullptr;  // [count] float32, little-endian
    // Of an introduction.
    Introduction introduction;
};

namespace detail {

inline std::uint16_t read_u16(const std::uint8_t* at) { return static_cast<std::uint16_t>(at[0] | at[1] << 8); }
inline double read_f64(const std::uint8_t* at) {
    const std::uint64_t bits = read_u64(at);
    double value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
}

// Whether bytes are UTF-8 without control characters: no zeros, no line ends, nothing overlong, no surrogates.
inline bool is_text(const std::uint8_t* at, std::size_t size) {
    for (std::size_t i = 0; i < size;) {
        const std::uint8_t first = at[i++];
        if (first < 0x80) {
            if (first < 0x20 || first == 0x7F) return false;
            continue;
        }
        const std::size_t more = first >= 0xF0 ? 3 : first >= 0xE0 ? 2 : 1;
        if (first < 0xC2 || first > 0xF4 || more > size - i) return false;
        std::uint32_t code = first & (0x3Fu >> more);
        for (std::size_t k = 0; k < more; ++k) {
            if ((at[i] & 0xC0) != 0x80) return false;
            code = code << 6 | (at[i++] & 0x3Fu);
        }
        if (code < (more == 1 ? 0xA0u : more == 2 ? 0x800u : 0x10000u) || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) return false;
    }
    return true;
}

// How many characters are in bytes that are UTF-8.
inline std::size_t letters(const std::uint8_t* at, std::size_t size) {
    std::size_t count = 0;
    for (std::size_t i = 0; i < size; ++i) count += (at[i] & 0xC0) != 0x80;
    return count;
}

inline bool is_printable_ascii(const std::uint8_t* at, std::size_t size) {
    for (std::size_t i = 0; i < size; ++i)
        if (at[i] <= 0x20 || at[i] >= 0x7F) return false;
    return true;
}

inline bool is_turning(const char* name) {
    static const char* const names[] = {"rotation", "neck_pose", "jaw_pose", "eyes_pose"};
    for (const char* each : names)
        if (std::strcmp(name, each) == 0) return true;
    return false;
}

inline PacketStatus read_introduction(const std::uint8_t* data, std::size_t size, Introduction& out) {
    if (size < kIntroductionHeader) return PacketStatus::kSize;
    out.fps_numerator = read_u32(data + 16);
    out.fps_denominator = read_u32(data + 20);
    if (out.fps_numerator == 0 || out.fps_denominator == 0 || out.fps_numerator > std::uint64_t(1000) * out.fps_denominator ||
        out.fps_denominator > std::uint64_t(1000) * out.fps_numerator)
        return PacketStatus::kNumber;
    const std::size_t head = read_u16(data + 24), subject = read_u16(data + 26), channels = read_u16(data + 28);
    if (head > kMaxHead || subject == 0 || subject > kMaxSubject) return PacketStatus::kText;
    if (channels == 0 || channels > kMaxStreamChannels) return PacketStatus::kChannels;
    std::size_t at = kIntroductionHeader;
    if (head + subject > size - at) return PacketStatus::kSize;
    if (!is_printable_ascii(data + at, head) || !is_text(data + at + head, subject)) return PacketStatus::kText;
    if (letters(data + at + head, subject) > kMaxSubjectLetters) return PacketStatus::kText;
    std::memcpy(out.head, data + at, head);
    std::memcpy(out.subject, data + at + head, subject);
    at += head + subject;
    for (std::size_t c = 0; c < channels; ++c) {
        if (size - at < 3) return PacketStatus::kSize;
        StreamChannel& channel = out.channel[c];
        const std::size_t width = read_u16(data + at), length = data[at + 2];
        at += 3;
        if (length == 0 || length >= kNameSize) return PacketStatus::kText;
        if (length > size - at) return PacketStatus::kSize;
        if (!is_printable_ascii(data + at, length)) return PacketStatus::kText;
        std::memcpy(channel.name, data + at, length);
        at += length;
        if (width == 0 || width > kMaxValues - out.width || out.find(channel.name) != nullptr) return PacketStatus::kChannels;
        channel.offset = out.width;
        channel.width = width;
        channel.turning = width % 3 == 0 && is_turning(channel.name);
        out.width += width;
        out.channel_count = c + 1;
    }
    return PacketStatus::kOk;
}

inline PacketStatus read_frame(const std::uint8_t* data, std::size_t size, Packet& out) {
    if (size < kFrameHeader) return PacketStatus::kSize;
    out.number = read_u32(data + 16);
    out.count = read_u16(data + 20);
    out.values = data + kFrameHeader;
    if (out.count > (size - kFrameHeader) / 4) return PacketStatus::kSize;
    for (std::size_t i = 0; i < out.count; ++i)
        if (!is_finite(out.values + 4 * i)) return PacketStatus::kNumber;
    return PacketStatus::kOk;
}

}  // namespace detail

// What a datagram says. Bytes behind what is known are passed over: newer senders may add some.
inline PacketStatus read_packet(const void* memory, std::size_t size, Packet& out) {
    const std::uint8_t* data = static_cast<const std::uint8_t*>(memory);
    out = Packet();
    if (data == nullptr || size < 4 || data[0] != 'A' || data[1] != '3') return PacketStatus::kNotOurs;
    if (data[2] != kStreamVersion) return data[2] > kStreamVersion ? PacketStatus::kNewer : PacketStatus::kNotOurs;
    if (size < kPacketHeader || size > kMaxDatagram) return PacketStatus::kSize;
    out.stream = read_u32(data + 4);
    if ((read_u32(data + 12) & 0x7FF00000u) == 0x7FF00000u) return PacketStatus::kNumber;
    out.time = detail::read_f64(data + 8);
    out.kind = static_cast<PacketKind>(data[3]);
    if (out.kind != PacketKind::kFrame && out.kind != PacketKind::kIntroduction && out.kind != PacketKind::kEnd) return PacketStatus::kOtherKind;
    // Beyond this a double tells moments no better than a frame apart.
    if (out.time > 1e12 || out.time < -1e12) return PacketStatus::kNumber;
    switch (out.kind) {
        case PacketKind::kFrame: return detail::read_frame(data, size, out);
        case PacketKind::kIntroduction: return detail::read_introduction(data, size, out.introduction);
        case PacketKind::kEnd: break;
    }
    return PacketStatus::kOk;
}

}  // namespace a3d
