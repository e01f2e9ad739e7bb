// What a program does with streams, for those that give the receiver spoiled ones.
#pragma once

#include "a3d/stream_receiver.hpp"

// Whether every stream can be looked at, and says nothing that is not a number.
inline bool look(a3d::StreamReceiver& receiver, double now) {
    receiver.forget_silent(now);
    for (std::size_t place = 0; place < a3d::StreamReceiver::kMaxStreams; ++place) {
        a3d::Stream* stream = receiver.at(place);
        if (stream == nullptr) continue;
        a3d::Array<float> values;
        if (!values.allocate(stream->introduction.width)) return false;
        stream->buffer.sample(now, values.data());
        if (receiver.of(stream->introduction.subject) != stream) return false;
    }
    return receiver.at(a3d::StreamReceiver::kMaxStreams) == nullptr;
}
