// Drives the accept thread and the peer watcher without Node, for
// ThreadSanitizer: clients connect from several threads while this one takes,
// releases, asks and stops, as the event loop would. Every client must end up
// counted once.

#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "admission/acceptor.h"
#include "admission/peer_watcher.h"
#include "platform/platform.h"

namespace {

using namespace sentinel;

constexpr int kClientThreads = 4;
constexpr int kConnectionsOfEach = 300;
constexpr int kLives = 5;
constexpr std::uint64_t kWatches = 400;

void Require(bool condition, const char *what) {
  if (condition) return;
  std::fprintf(stderr, "violated: %s\n", what);
  std::abort();
}

template <typename T>
T Expect(Result<T> result, const char *what) {
  if (!result.ok()) std::fprintf(stderr, "%s: %s %d\n", what, result.failure().operation, result.failure().code);
  Require(result.ok(), what);
  return std::move(result.value());
}

std::size_t ReadAll(Descriptor descriptor) {
  std::uint8_t bytes[4096];
  std::size_t total = 0;
  for (;;) {
    const ssize_t size = read(static_cast<int>(descriptor), bytes, sizeof(bytes));
    if (size <= 0) return total;
    total += static_cast<std::size_t>(size);
  }
}

void Pause() { std::this_thread::sleep_for(std::chrono::milliseconds(1)); }

// One listener from its start to its end, which comes while clients are still
// connecting in every other life.
void ServeClients(const std::string &path, bool stop_early) {
  ListenRequest request;
  request.path = path;
  AcceptorLimits limits;
  limits.max_connections = 8;  // so that some are refused
  limits.max_new_per_second_per_user = 500;
  limits.max_queued = 4;  // so that the thread has to wait for room
  PeerPolicy policy;
  policy.users.push_back(*OwnUserId());
  NotifyPair notify = Expect(CreateNotifyPair(), "a notify pair");
  const std::unique_ptr<Acceptor> acceptor =
      Expect(Acceptor::Start(Expect(Listen(request), "to listen"), {policy, ReadUnmappedIds()}, limits,
                             std::move(notify.thread)),
             "an acceptor");

  std::atomic<std::uint64_t> connected{0};
  std::atomic<int> running{kClientThreads};
  std::vector<std::thread> clients;
  for (int i = 0; i < kClientThreads; ++i) {
    clients.emplace_back([&] {
      for (int n = 0; n < kConnectionsOfEach; ++n) {
        Result<OwnedDescriptor> client = Connect(path);
        if (client.ok()) {
          ++connected;
        } else if (client.failure().kind == FailureKind::kWouldBlock) {
          Pause();
        }
      }
      --running;
    });
  }
  std::vector<AdmittedClient> open;
  const auto serve = [&] {
    ReadAll(notify.loop.get());
    for (AdmittedClient &client : acceptor->Take(2)) open.push_back(std::move(client));
    acceptor->TakeRefusals();
    acceptor->Stats();
    std::vector<Descriptor> descriptors;
    for (const AdmittedClient &client : open) descriptors.push_back(client.descriptor.get());
    FindGone(descriptors);
    if (open.size() > 3) {
      acceptor->Release(*open.back().peer.user_id);
      open.pop_back();
    }
  };
  while (running > 0 && !(stop_early && connected > 100)) serve();
  for (;;) {
    const AcceptorStats stats = acceptor->Stats();
    if (stop_early || stats.admitted + stats.refused == connected) break;
    serve();
  }
  acceptor->Stop();
  for (const AdmittedClient &client : open) acceptor->Release(*client.peer.user_id);
  Require(acceptor->Stats().open == 0, "nothing is open in the end");
  for (std::thread &client : clients) client.join();
}

// Watches many descriptors, of which every other one is forgotten and the rest
// become readable.
void WatchPeers() {
  NotifyPair notify = Expect(CreateNotifyPair(), "a notify pair");
  const std::unique_ptr<PeerWatcher> watcher = Expect(PeerWatcher::Start(std::move(notify.thread)), "a watcher");
  std::vector<OwnedDescriptor> ends;
  for (std::uint64_t number = 0; number < kWatches; ++number) {
    NotifyPair pair = Expect(CreateNotifyPair(), "a pair to watch");
    watcher->Watch(number, std::move(pair.thread));
    if (number % 2 == 0) watcher->Forget(number);
    ends.push_back(std::move(pair.loop));
  }
  ends.clear();
  std::size_t told = 0;
  while (told < kWatches / 2 * sizeof(std::uint64_t)) {
    told += ReadAll(notify.loop.get());
    Pause();
  }
  Require(told == kWatches / 2 * sizeof(std::uint64_t), "each end is told once");
}

}  // namespace

int main(int count, char **arguments) {
  Require(count == 2, "usage: threads PATH");
  for (int life = 0; life < kLives; ++life) {
    ServeClients(arguments[1], life % 2 == 1);
    WatchPeers();
  }
  std::puts("threads: nothing found");
  return 0;
}
