// The accept thread: takes clients off a listening address, checks each one's identity against the policy and
// the quotas, closes those that fail, and queues the others for the event loop. A flood of strangers is
// turned away here and never reaches JavaScript. Must not know Node-API or frames.

#ifndef SENTINEL_ACCEPTOR_H_
#define SENTINEL_ACCEPTOR_H_

#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "admission/connection_rate.h"
#include "admission/peer_policy.h"
#include "platform/platform.h"

namespace sentinel {

struct AcceptorLimits {
  std::size_t max_connections = 4096;           // open at once
  std::size_t max_connections_per_user = 4096;  // of them, by one user
  // New connections of one user in any one second; 0 for no limit.
  std::size_t max_new_per_second_per_user = 0;
  // Pauses when it has turned away many at once, so that a flood does not take the processor from a busy event
  // loop.
  bool throttle_refusals = true;
  std::size_t max_queued = 256;  // admitted and not yet taken; the kernel's backlog comes on top
};

struct AdmittedClient {
  OwnedDescriptor descriptor;
  PeerIdentity peer;
};

struct Refusal {
  Verdict verdict = Verdict::kNotListed;
  PeerIdentity peer;  // empty where the identity could not be read
  int code = 0;       // the system's error number, where that was the reason
};

struct RefusalReport {
  std::vector<Refusal> refusals;
  std::uint64_t omitted = 0;  // refused too, but beyond what a report holds
};

struct AcceptorStats {
  std::uint64_t admitted = 0;
  std::uint64_t refused = 0;
  std::uint64_t exhausted = 0;  // pauses because descriptors or memory had run out
  std::size_t open = 0;         // admitted and not yet released
};

class Acceptor {
 public:
  // Starts the thread. `loop_end` of the notify pair is the caller's: a byte arrives there when clients or
  // refusals wait to be taken.
  static Result<std::unique_ptr<Acceptor>> Start(std::unique_ptr<ServerEndpoint> endpoint, PeerPolicy policy,
                                                 AcceptorLimits limits, UnmappedIds unmapped,
                                                 OwnedDescriptor notify_thread_end);

  Acceptor(const Acceptor&) = delete;
  Acceptor& operator=(const Acceptor&) = delete;
  // Stops.
  ~Acceptor();

  // Takes at most `most` admitted clients. When none is left behind, the next one is notified again.
  std::vector<AdmittedClient> Take(std::size_t most);
  // The refusals since the last report. Empty until the next one is due, however often this is asked, so that a
  // flood costs whoever listens no more than a report every 100 ms; the last one is due when the acceptor has
  // stopped.
  RefusalReport TakeRefusals();
  // Gives back the place of a client of that user whose connection has ended, also after Stop.
  void Release(const UserKey& user);
  AcceptorStats Stats();

  // Ends the thread, closes the address and all clients not yet taken. May be called again.
  void Stop();

 private:
  using Clock = std::chrono::steady_clock;

  Acceptor(std::unique_ptr<ServerEndpoint> endpoint, PeerPolicy policy, AcceptorLimits limits, UnmappedIds unmapped,
           OwnedDescriptor notify_thread_end);

  void Run();
  // Accepts until the queue of the kernel is empty, ours is full, or a batch is done. Answers how many of the
  // batch were refused.
  int AcceptBatch();
  // True if the client was admitted.
  bool Consider(OwnedDescriptor client);
  // Queues the client, which is moved from then; or says which quota forbids it.
  Verdict Admit(OwnedDescriptor& client, PeerIdentity& peer);
  Verdict ApplyQuota(const UserKey& user) const;
  void Refuse(Verdict verdict, PeerIdentity peer, int code);
  bool HasRoom();
  bool stopping();
  // Tells the loop of refusals, at a bounded rate. Answers how long the thread may wait until the next turn,
  // or a negative number for as long as it likes.
  int ReportRefusals();
  void ReleaseLocked(const UserKey& user);

  std::unique_ptr<ServerEndpoint> endpoint_;  // reset by Stop, once the thread has ended
  const PeerPolicy policy_;
  const AcceptorLimits limits_;
  OwnedDescriptor notify_;  // likewise
  const UnmappedIds unmapped_;
  std::unique_ptr<Thread> thread_;

  // Of the thread alone.
  ConnectionRate rate_;
  bool exhausted_ = false;
  bool notify_again_ = false;  // the loop could not be told of a client for want of memory
  Clock::time_point last_report_{};

  std::mutex mutex_;  // guards all that follows
  bool stopping_ = false;
  bool notified_ = false;
  bool starved_ = false;  // the thread waits for room in the queue
  std::deque<AdmittedClient> queue_;
  RefusalReport report_;
  bool report_due_ = false;
  AcceptorStats stats_;
  std::unordered_map<UserKey, std::size_t> open_by_user_;
};

}  // namespace sentinel

#endif  // SENTINEL_ACCEPTOR_H_
