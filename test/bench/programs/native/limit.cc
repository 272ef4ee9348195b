// What the machine itself can do over a Unix socket, without messages, checks or JavaScript: the most that any
// library could reach. Also the peers that must be faster than what they measure: floods and bursts of connections.
// Says `ready` when it can be reached, `measuring` when its warm-up is over, and its figures as one line of JSON.

#include <sched.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include "unix_socket.h"

namespace {

using bench::AcceptOne;
using bench::Connect;
using bench::Descriptor;
using Clock = std::chrono::steady_clock;

constexpr std::size_t kReadBytes = 64 * 1024;
// A round trip carries one line of the other benchmarks.
constexpr std::size_t kPingBytes = 287;
// The latencies that fit into memory set aside beforehand: enough for ten seconds of the fastest.
constexpr std::size_t kMaxSamples = 16'000'000;
constexpr std::size_t kOpenAtOnce = 128;

double SecondsSince(Clock::time_point then) { return std::chrono::duration<double>(Clock::now() - then).count(); }

std::chrono::milliseconds Milliseconds(const char* text) { return std::chrono::milliseconds(std::stol(text)); }

Descriptor ConnectOrDie(const std::string& path) {
  Descriptor made = Connect(bench::AddressOf(path));
  if (made.get() == -1) bench::Die("connect");
  return made;
}

void Say(const char* what) {
  std::puts(what);
  std::fflush(stdout);
}

// The figures are of use only while the processor time of this process can be read: ends when its starter does.
void AwaitEndOfInput() {
  std::fflush(stdout);
  while (std::getchar() != EOF) continue;
}

void Send(const std::string& path, std::size_t bytes_per_write) {
  const Descriptor peer = ConnectOrDie(path);
  const std::string bytes(bytes_per_write, 'x');
  while (bench::WriteAll(peer, bytes.data(), bytes.size())) continue;
}

// Counts bytes, and takes them for messages of `message_bytes`.
void Receive(const std::string& path, std::size_t message_bytes, std::chrono::milliseconds warm_up,
             std::chrono::milliseconds measure) {
  const Descriptor peer = AcceptOne(path);
  std::vector<char> buffer(kReadBytes);
  std::uint64_t bytes = 0;
  bool measuring = false;
  Clock::time_point since = Clock::now();
  for (;;) {
    const ssize_t got = read(peer.get(), buffer.data(), buffer.size());
    if (got == -1 && errno == EINTR) continue;
    if (got <= 0) bench::Die("read");
    bytes += static_cast<std::uint64_t>(got);
    const Clock::duration passed = Clock::now() - since;
    if (!measuring && passed >= warm_up) {
      Say("measuring");
      measuring = true;
      bytes = 0;
      since = Clock::now();
    } else if (measuring && passed >= measure) {
      break;
    }
  }
  std::printf("{\"messages\":%.1f,\"seconds\":%.9f}\n",
              static_cast<double>(bytes) / static_cast<double>(message_bytes), SecondsSince(since));
  AwaitEndOfInput();
}

void Echo(const std::string& path, bool polling) {
  const Descriptor peer = AcceptOne(path);
  if (polling) bench::DoNotBlock(peer);
  std::array<char, kPingBytes> message;
  while (bench::ReadAll(peer, message.data(), message.size()) &&
         bench::WriteAll(peer, message.data(), message.size())) {
    continue;
  }
}

double PercentileUs(const std::vector<std::uint32_t>& sorted, double share) {
  const auto rank = static_cast<std::size_t>(static_cast<double>(sorted.size()) * share);
  return sorted[std::min(rank, sorted.size() - 1)] / 1000.0;
}

void Ping(const std::string& path, bool polling, std::chrono::milliseconds warm_up,
          std::chrono::milliseconds measure) {
  const Descriptor peer = ConnectOrDie(path);
  if (polling) bench::DoNotBlock(peer);
  std::array<char, kPingBytes> message;
  message.fill('x');
  std::vector<std::uint32_t> samples;
  samples.reserve(kMaxSamples);
  const Clock::time_point measure_from = Clock::now() + warm_up;
  const Clock::time_point end = measure_from + measure;
  for (Clock::time_point begin = Clock::now(); begin < end && samples.size() < kMaxSamples;) {
    if (!bench::WriteAll(peer, message.data(), message.size()) ||
        !bench::ReadAll(peer, message.data(), message.size())) {
      std::fputs("the peer is gone\n", stderr);
      std::exit(1);
    }
    const Clock::time_point now = Clock::now();
    if (begin >= measure_from) samples.push_back(static_cast<std::uint32_t>((now - begin).count()));
    begin = now;
  }
  if (samples.empty()) {
    std::fputs("nothing was measured\n", stderr);
    std::exit(1);
  }
  std::sort(samples.begin(), samples.end());
  std::printf("{\"p50Us\":%.3f,\"p90Us\":%.3f,\"p99Us\":%.3f,\"p999Us\":%.3f,\"maxUs\":%.3f}\n",
              PercentileUs(samples, 0.5), PercentileUs(samples, 0.9), PercentileUs(samples, 0.99),
              PercentileUs(samples, 0.999), samples.back() / 1000.0);
  // The other side must not end before these figures have been read.
  AwaitEndOfInput();
}

// Connects again and again. Each connection stays until `kOpenAtOnce` others have been made, so that the listener
// has time to look at it; with `at_once`, it goes at once.
void ConnectAgainAndAgain(const std::string& path, bool at_once) {
  const sockaddr_un address = bench::AddressOf(path);
  std::array<Descriptor, kOpenAtOnce> open;
  for (std::size_t i = 0;; i = (i + 1) % open.size()) {
    Descriptor made = Connect(address);
    if (made.get() == -1) return;
    open.at(i) = at_once ? Descriptor() : std::move(made);
  }
}

// Keeps every processor that this process may use from going to sleep, at the lowest priority there is: anything
// else that wants to run does so at once. Waking a sleeping processor takes longer than most measured operations.
void KeepAwake() {
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof(allowed), &allowed) == -1) bench::Die("sched_getaffinity");
  std::vector<std::thread> spinners;
  for (unsigned cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (!CPU_ISSET(cpu, &allowed)) continue;
    spinners.emplace_back([cpu] {
      cpu_set_t one;
      CPU_ZERO(&one);
      CPU_SET(cpu, &one);
      const sched_param no_priority = {};
      if (sched_setaffinity(0, sizeof(one), &one) == -1) bench::Die("sched_setaffinity");
      if (sched_setscheduler(0, SCHED_IDLE, &no_priority) == -1) bench::Die("sched_setscheduler");
      for (volatile unsigned turns = 0;; turns = turns + 1) continue;
    });
  }
  Say("ready");
  AwaitEndOfInput();
  std::_Exit(0);  // the threads never end
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  const std::string command = arguments.empty() ? "" : arguments[0];
  if (command == "send" && argc == 4) {
    Send(arguments[1], std::stoul(arguments[2]));
  } else if (command == "receive" && argc == 6) {
    Receive(arguments[1], std::stoul(arguments[2]), Milliseconds(argv[4]), Milliseconds(argv[5]));
  } else if (command == "echo" && argc == 4) {
    Echo(arguments[1], arguments[2] == "polling");
  } else if (command == "ping" && argc == 6) {
    Ping(arguments[1], arguments[2] == "polling", Milliseconds(argv[4]), Milliseconds(argv[5]));
  } else if (command == "connect" && argc == 3) {
    ConnectAgainAndAgain(arguments[1], false);
  } else if (command == "flood" && argc == 3) {
    ConnectAgainAndAgain(arguments[1], true);
  } else if (command == "awake" && argc == 2) {
    KeepAwake();
  } else {
    std::fputs(
        "usage: limit send PATH BYTES_A_WRITE | receive PATH MESSAGE_BYTES WARM_UP_MS MEASURE_MS |\n"
        "  echo PATH blocking|polling | ping PATH blocking|polling WARM_UP_MS MEASURE_MS | connect PATH | flood "
        "PATH | awake\n",
        stderr);
    return 2;
  }
  return 0;
}
