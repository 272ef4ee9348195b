// The accept thread: accepts clients, checks the identity of each against the policy and the quotas, closes a
// client that fails the check, and queues the others for the event loop. A flood of refused clients ends here and
// never reaches JavaScript. Must not know Node-API or frames.
//
// The states of the thread (Intake; Stop leads from any of them to kStopping):
//
//               the queue is full                accept fails
//             ┌────────────────── kAccepting ──────────────────┐
//             ▼                    ▲      ▲                    ▼
//           kFull ─────────────────┘      └─────────────── kExhausted
//                  Take, which wakes it      after a pause
//
// Whether the event loop has been notified of the queue (Notice):
//
//                Admit                     Take empties the queue
//     kSilent ──────────▶ kTold ──────────────────────────────────▶ kSilent
//                          │ ▲                                        ▲
//           no memory to   ▼ │ tried again after a pause              │
//           tell it       kOwed ──────────────────────────────────────┘

#ifndef SENTINEL_ACCEPTOR_H_
#define SENTINEL_ACCEPTOR_H_

#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <vector>

#include "admission/connection_rate.h"
#include "admission/peer_check.h"
#include "platform/platform.h"

namespace sentinel {

// Returns the user whose quota a peer's connections count towards. Only for a peer that the policy
// admits, which always has a user.
UserKey KeyOf(const PeerIdentity& peer);

struct AcceptorLimits {
  std::size_t max_connections = 4096;           // open at once
  std::size_t max_connections_per_user = 4096;  // the same for each user
  // New connections of one user in any one second; 0 for no limit.
  std::size_t max_new_per_second_per_user = 0;
  // Whether the thread pauses after it has turned away many at once, so that a flood does not take the processor
  // from a busy event loop.
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
  int code = 0;       // the system's error number, if that was the reason
};

struct RefusalReport {
  std::vector<Refusal> refusals;
  std::uint64_t omitted = 0;  // further refusals, for which the report had no room
};

struct AcceptorStats {
  std::uint64_t admitted = 0;
  std::uint64_t refused = 0;
  std::uint64_t exhausted = 0;  // pauses because descriptors or memory had run out
  std::size_t open = 0;         // admitted and not yet released
};

class Acceptor {
 public:
  // Starts the thread. It writes a byte to `notify_thread_end` when clients or refusals wait to be taken.
  static Result<std::unique_ptr<Acceptor>> Start(std::unique_ptr<ServerEndpoint> endpoint, PeerRules rules,
                                                 AcceptorLimits limits, OwnedDescriptor notify_thread_end);

  Acceptor(const Acceptor&) = delete;
  Acceptor& operator=(const Acceptor&) = delete;
  ~Acceptor();  // stops

  // Takes at most `most` admitted clients. If that empties the queue, the next client causes a
  // notification again.
  std::vector<AdmittedClient> Take(std::size_t most);
  // Takes the refusals since the last report. Empty until the next report is due, so that a flood
  // costs the event loop at most one report every 100 ms. The last report is due after Stop.
  RefusalReport TakeRefusals();
  // Releases the quota that an ended connection of this user held. May be called after Stop.
  void Release(const UserKey& user);
  AcceptorStats Stats();
  // See ServerEndpoint. Empty after Stop.
  std::optional<FileIdentity> BoundFile() const {
    return endpoint_ == nullptr ? std::nullopt : endpoint_->BoundFile();
  }

  // Ends the thread, and closes the address and all clients not yet taken. May be called again.
  void Stop();
  // After a Stop: accepts at another endpoint. Connections admitted before still count against the limits.
  Status Restart(std::unique_ptr<ServerEndpoint> endpoint, OwnedDescriptor notify_thread_end);

 private:
  using Clock = std::chrono::steady_clock;

  // See the drawings above.
  enum class Intake { kAccepting, kFull, kExhausted, kStopping };
  enum class Notice { kSilent, kTold, kOwed };

  Acceptor(PeerRules rules, AcceptorLimits limits);

  void Run();
  // Accepts until the kernel's queue is empty, `queue_` is full, or a batch is done. Returns how
  // many of the batch were refused.
  int AcceptBatch();
  // Returns true if the client was admitted.
  bool Consider(OwnedDescriptor client);
  // Queues the client, which is then moved from; or returns the quota that forbids it.
  Verdict Admit(OwnedDescriptor& client, PeerIdentity& peer);
  Verdict ApplyQuota(const UserKey& user) const;
  void Refuse(Verdict verdict, PeerIdentity peer, int code);
  // Checks the room in the queue and returns the next state.
  Intake UpdateIntake();
  // Stops accepting until EndPause.
  void Exhaust();
  void EndPause();
  void NotifyLoop();
  bool OwesNotice();
  // Notifies the loop of refusals, at a bounded rate. Returns for how many milliseconds the thread may wait until
  // it must look again, or a negative number if it need not.
  int ReportRefusals();
  void ReleaseLocked(const UserKey& user);

  std::unique_ptr<ServerEndpoint> endpoint_;  // reset by Stop, once the thread has ended
  const PeerRules rules_;
  const AcceptorLimits limits_;
  OwnedDescriptor notify_;  // likewise
  std::unique_ptr<Thread> thread_;

  // Used by the thread alone.
  ConnectionRate rate_;
  Clock::time_point last_report_{};

  std::mutex mutex_;  // guards all that follows
  Intake intake_ = Intake::kAccepting;
  Notice notice_ = Notice::kSilent;
  std::deque<AdmittedClient> queue_;
  RefusalReport report_;
  bool report_due_ = false;
  AcceptorStats stats_;
  std::unordered_map<UserKey, std::size_t> open_by_user_;
};

}  // namespace sentinel

#endif  // SENTINEL_ACCEPTOR_H_
