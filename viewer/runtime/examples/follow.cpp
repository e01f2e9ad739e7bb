// Prints how heads that `avatar3d stream --to ue://127.0.0.1:11120` sends move, sixty times a second: what comes late or twice or not at all is
// made good. docs/stream.md describes the packets.
//   g++ -std=c++17 -O2 -I.. follow.cpp -o follow && ./follow [PORT] [FRAMES]
#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <vector>

#include "a3d/stream_receiver.hpp"

static double seconds() {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

int main(int argc, char** argv) {
    long left = argc > 2 ? std::atol(argv[2]) : -1;
    const int line = socket(AF_INET, SOCK_DGRAM, 0);
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(argc > 1 ? std::atoi(argv[1]) : 11120));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (line < 0 || bind(line, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
        std::perror("follow: cannot listen");
        return 1;
    }
    const auto receiver = std::make_unique<a3d::StreamReceiver>();
    std::vector<float> values;
    for (double next = seconds(); left != 0; next += 1.0 / 60) {
        for (double now = seconds(); now < next; now = seconds()) {
            pollfd ready = {line, POLLIN, 0};
            if (poll(&ready, 1, static_cast<int>(1000 * (next - now)) + 1) <= 0) continue;
            unsigned char data[a3d::kMaxDatagram + 1];
            const ssize_t size = recv(line, data, sizeof data, 0);
            if (size > 0) receiver->accept(data, static_cast<std::size_t>(size), seconds());
        }
        receiver->forget_silent(next);
        for (std::size_t place = 0; place < a3d::StreamReceiver::kMaxStreams; ++place) {
            a3d::Stream* stream = receiver->at(place);
            if (stream == nullptr) continue;
            values.resize(stream->buffer.width());
            const a3d::Flow flow = stream->buffer.sample(seconds(), values.data());
            const a3d::StreamChannel* arkit = stream->introduction.find("arkit");
            const a3d::StreamChannel* head = stream->introduction.find("head");
            if (flow == a3d::Flow::kWaiting || arkit == nullptr || arkit->width != 52 || head == nullptr) continue;
            static const char* const flows[] = {"waiting", "playing", "held", "silent"};
            std::printf("%s %s jawOpen %.3f yaw %+.3f, %llu lost\n", stream->introduction.subject, flows[static_cast<int>(flow)],
                        double(values[arkit->offset + 24]), double(values[head->offset]), static_cast<unsigned long long>(stream->buffer.counts().lost));
            if (left > 0) --left;
        }
        std::fflush(stdout);
    }
    close(line);
}
