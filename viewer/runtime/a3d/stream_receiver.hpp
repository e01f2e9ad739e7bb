// All streams that come to one port: who is introduced, whose frames are whose, and who has gone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "jitter_buffer.hpp"
#include "stream_packet.hpp"

namespace a3d {

// One sender's performance.
struct Stream {
    std::uint32_t id = 0;
    Introduction introduction;
    std::uint32_t revision = 0;  // another number whenever the introduction is another one
    bool ended = false;          // its sender has said so
    JitterBuffer buffer;

    std::uint64_t order = 0;  // of the first introduction; 0 where this place is free
    double arrived = 0;
};

// Takes datagrams, and has the newest stream of every subject. Names that differ by case alone are one subject, which is that of the first.
// One thread at a time.
class StreamReceiver {
public:
    static constexpr std::size_t kMaxStreams = 16;
    static constexpr double kForget = 10;  // seconds after which a silent stream is forgotten

    // Take a datagram. `now` is in seconds on any clock that never goes back.
    PacketStatus accept(const void* memory, std::size_t size, double now) {
        const PacketStatus status = read_packet(memory, size, packet_);
        if (status != PacketStatus::kOk) return status;
        forget_silent(now);
        Stream* stream = find(packet_.stream);
        if (packet_.kind == PacketKind::kIntroduction) return introduce(stream, now);
        if (stream == nullptr) return PacketStatus::kUnknown;
        if (packet_.kind == PacketKind::kEnd) {
            stream->ended = true;
            return PacketStatus::kOk;
        }
        if (packet_.count != stream->introduction.width) return PacketStatus::kOtherWidth;
        stream->arrived = now;
        stream->ended = false;
        stream->buffer.push(packet_.number, packet_.time, packet_.values, now);
        return PacketStatus::kOk;
    }

    // Free the places of streams from which nothing has come for long; accept does the same.
    void forget_silent(double now) {
        for (Stream& stream : streams_)
            if (stream.order != 0 && now - stream.arrived > kForget) stream.order = 0;
    }

    // The stream at a place below kMaxStreams; null where there is none, or where a newer one has the same subject.
    Stream* at(std::size_t place) {
        if (place >= kMaxStreams || streams_[place].order == 0) return nullptr;
        for (const Stream& other : streams_)
            if (other.order > streams_[place].order && std::strcmp(other.introduction.subject, streams_[place].introduction.subject) == 0) return nullptr;
        return &streams_[place];
    }

    // The newest stream of a subject, null where there is none.
    Stream* of(const char* subject) {
        for (std::size_t place = 0; place < kMaxStreams; ++place) {
            Stream* stream = at(place);
            if (stream != nullptr && std::strcmp(subject, stream->introduction.subject) == 0) return stream;
        }
        return nullptr;
    }

private:
    Stream* find(std::uint32_t id) {
        for (Stream& stream : streams_)
            if (stream.order != 0 && stream.id == id) return &stream;
        return nullptr;
    }

    PacketStatus introduce(Stream* stream, double now) {
        if (stream == nullptr) {
            for (Stream& free : streams_)
                if (free.order == 0) stream = &free;
            if (stream == nullptr) return PacketStatus::kFull;
        } else if (same(stream->introduction, packet_.introduction)) {
            stream->arrived = now;
            return PacketStatus::kOk;
        }
        for (const Stream& other : streams_)
            if (&other != stream && other.order != 0 && differ_by_case(other.introduction.subject, packet_.introduction.subject))
                return PacketStatus::kOtherCase;
        // Without memory the place stays free.
        stream->order = 0;
        if (!stream->buffer.prepare(packet_.introduction)) return PacketStatus::kFull;
        stream->id = packet_.stream;
        stream->introduction = packet_.introduction;
        stream->ended = false;
        stream->arrived = now;
        stream->revision = ++revisions_;
        stream->order = ++orders_;
        return PacketStatus::kOk;
    }

    // Whether names are the same but for the case of ASCII's letters: engines have one subject for both, and two streams would fight for it.
    static bool differ_by_case(const char* a, const char* b) {
        if (std::strcmp(a, b) == 0) return false;
        const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
        for (; *a != 0 && lower(*a) == lower(*b); ++a, ++b) {
        }
        return *a == *b;
    }

    static bool same(const Introduction& a, const Introduction& b) {
        bool equal = a.fps_numerator == b.fps_numerator && a.fps_denominator == b.fps_denominator && a.channel_count == b.channel_count &&
                     std::strcmp(a.head, b.head) == 0 && std::strcmp(a.subject, b.subject) == 0;
        for (std::size_t c = 0; equal && c < a.channel_count; ++c)
            equal = a.channel[c].width == b.channel[c].width && std::strcmp(a.channel[c].name, b.channel[c].name) == 0;
        return equal;
    }

    Stream streams_[kMaxStreams];
    Packet packet_;
    std::uint64_t orders_ = 0;
    std::uint32_t revisions_ = 0;
};

}  // namespace a3d
