// Frames as they come, in any order and with gaps, and the head at any moment between them.
#pragma once

#include <cstddef>
#include <cstdint>

#include "array.hpp"
#include "rotation.hpp"
#include "stream_packet.hpp"

namespace a3d {

enum class Flow : int {
    kWaiting,  // nothing has come yet
    kPlaying,  // between two frames
    kHeld,     // the newest frame: the next one is late
    kSilent,   // the last one that was shown: nothing has come for a second
};

struct FlowCounts {
    std::uint64_t taken = 0, duplicates = 0;
    std::uint64_t late = 0;      // came when their moment was over
    std::uint64_t lost = 0;      // never came, or came late
    std::uint64_t restarts = 0;  // the sender fell silent, or began anew
};

// Times are seconds: `time` on the sender's clock, `now` on the receiver's, any that never goes back. The quickest frame of the last seconds tells
// what the two clocks are apart; every frame is shown `delay` after that.
class JitterBuffer {
public:
    // Forget everything; whether there was room for frames of that width. With a delay of two frames and 20 ms one lost frame is bridged.
    [[nodiscard]] bool prepare(const Introduction& introduction) {
        width_ = introduction.width;
        set_delay(2 / introduction.fps() + 0.02);
        counts_ = FlowCounts();
        count_ = 0;
        shown_time_ = kLongAgo;
        time_ = 0;
        has_shown_ = started_ = false;
        if (!values_.allocate(kSlots * width_) || !shown_.allocate(width_) || !turning_.allocate(width_)) return false;
        for (std::size_t c = 0; c < introduction.channel_count; ++c) {
            const StreamChannel& channel = introduction.channel[c];
            for (std::size_t i = 0; i < channel.width; ++i) turning_[channel.offset + i] = channel.turning;
        }
        return true;
    }

    double delay() const { return delay_; }
    void set_delay(double seconds) { delay_ = seconds < 0 ? 0 : seconds > kMostDelay ? kMostDelay : seconds; }
    std::size_t width() const { return width_; }
    const FlowCounts& counts() const { return counts_; }
    // Seconds on the sender's clock at which the head was as `sample` gave it last; 0 while nothing has come.
    double time() const { return time_; }

    // Take a frame [width] of little-endian float32 that has passed read_packet. False where it is of no use any more.
    bool push(std::uint32_t number, double time, const std::uint8_t* values, double now) {
        if (started_ && (now - arrived_ > kSilence || time < newest_ - kBack)) restart();
        if (!started_) {
            started_ = true;
            newest_ = time;
            quickest_[0] = quickest_[1] = now - time;
            window_ = now;
            late_run_ = 0;
            has_counted_ = false;
        }
        arrived_ = now;
        follow_clock(now - time, now);
        // A network that has become slower for good: whatever comes is late, so the clock is read anew.
        late_run_ = time < moment(now) ? late_run_ + 1 : 0;
        if (late_run_ >= kLateRun) {
            quickest_[0] = quickest_[1] = now - time;
            window_ = now;
            late_run_ = 0;
        }
        std::size_t place = count_;
        while (place > 0 && times_[place - 1] > time) --place;
        if (place > 0 && (times_[place - 1] == time || numbers_[place - 1] == number)) {
            ++counts_.duplicates;
            return false;
        }
        if (time <= shown_time_) {
            ++(time == shown_time_ ? counts_.duplicates : counts_.late);
            return false;
        }
        if (count_ == kSlots) {
            // Nobody has looked for long: the oldest goes.
            if (place == 0) return false;
            count_lost(0);
            drop(1);
            --place;
        }
        const std::size_t slot = free_slot();
        for (std::size_t i = count_; i > place; --i) times_[i] = times_[i - 1], numbers_[i] = numbers_[i - 1], slots_[i] = slots_[i - 1];
        times_[place] = time;
        numbers_[place] = number;
        slots_[place] = slot;
        ++count_;
        for (std::size_t i = 0; i < width_; ++i) values_[slot * width_ + i] = read_f32(values + 4 * i);
        if (time > newest_) newest_ = time;
        ++counts_.taken;
        return true;
    }

    // The head [width] at `now`. Zeros while nothing has come.
    Flow sample(double now, float* out) {
        if (started_ && now - arrived_ > kSilence) restart();
        if (count_ == 0) {
            for (std::size_t i = 0; i < width_; ++i) out[i] = shown_[i];
            return has_shown_ ? Flow::kSilent : Flow::kWaiting;
        }
        double at = moment(now);
        // A clock that is read anew holds the picture, and never turns it back.
        if (at < shown_time_) at = shown_time_;
        std::size_t after = 0;
        while (after < count_ && times_[after] <= at) ++after;
        if (after > 1) {
            count_lost(after - 1);
            drop(after - 1);
            after = 1;
        }
        const Flow flow = after == count_ ? Flow::kHeld : Flow::kPlaying;
        const float* first = values_.data() + slots_[0] * width_;
        if (after == count_ || after == 0) {
            // Past the newest, or before the first.
            for (std::size_t i = 0; i < width_; ++i) shown_[i] = first[i];
            at = times_[0];
        } else {
            mix(first, values_.data() + slots_[1] * width_, (at - times_[0]) / (times_[1] - times_[0]));
        }
        time_ = at;
        if (after != 0) {
            shown_time_ = at;
            has_shown_ = true;
            count_lost(0);
        }
        for (std::size_t i = 0; i < width_; ++i) out[i] = shown_[i];
        return flow;
    }

private:
    static constexpr std::size_t kSlots = 64;
    static constexpr double kSilence = 1, kBack = 1, kWindow = 2, kMostDelay = 0.5, kLongAgo = -1e300;
    static constexpr int kLateRun = 8;

    void restart() {
        started_ = false;
        count_ = 0;
        has_counted_ = false;
        shown_time_ = kLongAgo;
        ++counts_.restarts;
    }

    // The least that an arrival lay behind its time, over the last two windows.
    void follow_clock(double apart, double now) {
        if (now - window_ > kWindow) {
            quickest_[1] = quickest_[0];
            quickest_[0] = apart;
            window_ = now;
        }
        if (apart < quickest_[0]) quickest_[0] = apart;
    }

    double moment(double now) const { return now - (quickest_[0] < quickest_[1] ? quickest_[0] : quickest_[1]) - delay_; }

    void mix(const float* a, const float* b, double u) {
        for (std::size_t i = 0; i < width_;) {
            if (turning_[i] != 0) {
                between(a + i, b + i, u, shown_.data() + i);
                i += 3;
            } else {
                shown_[i] = a[i] + static_cast<float>(u) * (b[i] - a[i]);
                ++i;
            }
        }
    }

    void count_lost(std::size_t upto) {
        if (!has_counted_) counted_ = numbers_[0], has_counted_ = true;
        for (std::size_t i = 0; i <= upto; ++i) {
            const std::uint32_t step = numbers_[i] - counted_;
            // A jump that no network makes is a sender's that counts otherwise.
            if (step > 1 && step < 0x10000) counts_.lost += step - 1;
            counted_ = numbers_[i];
        }
    }

    void drop(std::size_t frames) {
        count_ -= frames;
        for (std::size_t i = 0; i < count_; ++i) times_[i] = times_[i + frames], numbers_[i] = numbers_[i + frames], slots_[i] = slots_[i + frames];
    }

    std::size_t free_slot() const {
        bool used[kSlots] = {};
        for (std::size_t i = 0; i < count_; ++i) used[slots_[i]] = true;
        std::size_t slot = 0;
        while (used[slot]) ++slot;
        return slot;
    }

    std::size_t width_ = 0, count_ = 0;
    double delay_ = 0;
    Array<float> values_, shown_;  // [kSlots, width], [width]
    Array<unsigned char> turning_;
    double times_[kSlots] = {};  // of the frames that are held, rising
    std::uint32_t numbers_[kSlots] = {};
    std::size_t slots_[kSlots] = {};
    bool started_ = false, has_shown_ = false, has_counted_ = false;
    double arrived_ = 0, newest_ = 0, shown_time_ = kLongAgo, time_ = 0, window_ = 0, quickest_[2] = {};
    std::uint32_t counted_ = 0;
    int late_run_ = 0;
    FlowCounts counts_;
};

}  // namespace a3d
