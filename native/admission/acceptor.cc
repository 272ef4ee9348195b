#include "admission/acceptor.h"

#include <algorithm>
#include <utility>

namespace sentinel {
namespace {

constexpr int kBatch = 64;
// A batch with this many refusals is a flood. Without a pause the thread would take the processor from a busy event
// loop; with a pause of 1 ms it still turns away tens of thousands a second.
constexpr int kFloodRefusals = 48;
constexpr int kFloodPauseMs = 1;
// Pause when descriptors have run out. The kernel keeps the waiting clients, so none is lost, and the thread does
// not spin.
constexpr int kExhaustedPauseMs = 50;
constexpr std::size_t kReportedRefusals = 64;
constexpr std::chrono::milliseconds kReportInterval{100};

}  // namespace

UserKey KeyOf(const PeerIdentity& peer) {
  if (peer.user_id.has_value()) return *peer.user_id;
  return peer.security_id;
}

Acceptor::Acceptor(PeerRules rules, AcceptorLimits limits)
    : rules_(std::move(rules)), limits_(limits), rate_(limits.max_new_per_second_per_user) {}

Result<std::unique_ptr<Acceptor>> Acceptor::Start(std::unique_ptr<ServerEndpoint> endpoint, PeerRules rules,
                                                  AcceptorLimits limits, OwnedDescriptor notify_thread_end) {
  std::unique_ptr<Acceptor> acceptor(new Acceptor(std::move(rules), limits));
  Status started = acceptor->Restart(std::move(endpoint), std::move(notify_thread_end));
  if (!started.ok()) return started.failure();
  return acceptor;
}

Status Acceptor::Restart(std::unique_ptr<ServerEndpoint> endpoint, OwnedDescriptor notify_thread_end) {
  if (thread_ != nullptr) return Failure{FailureKind::kSystem, 0, "", "the acceptor has not been stopped"};
  endpoint_ = std::move(endpoint);
  notify_ = std::move(notify_thread_end);
  intake_ = Intake::kAccepting;  // without the lock: there is no thread
  notice_ = Notice::kSilent;
  Result<std::unique_ptr<Thread>> thread =
      StartThread([](void* self) { static_cast<Acceptor*>(self)->Run(); }, this);
  if (thread.ok()) {
    thread_ = std::move(thread.value());
    return Done{};
  }
  endpoint_->GiveBack();
  Stop();
  return thread.failure();
}

Acceptor::~Acceptor() { Stop(); }

void Acceptor::Stop() {
  if (thread_ != nullptr) {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      intake_ = Intake::kStopping;
    }
    endpoint_->Interrupt();
    thread_->Join();
    thread_.reset();
  }
  endpoint_.reset();
  notify_.Reset();  // now, as the object may be collected much later
  const std::lock_guard<std::mutex> lock(mutex_);
  for (const AdmittedClient& client : queue_) ReleaseLocked(KeyOf(client.peer));
  queue_.clear();
  report_due_ = true;
}

void Acceptor::Run() {
  for (;;) {
    const Intake intake = UpdateIntake();
    if (intake == Intake::kStopping) return;
    const int report_in_ms = ReportRefusals();
    if (OwesNotice()) NotifyLoop();
    const bool pausing = intake == Intake::kExhausted || OwesNotice();
    switch (endpoint_->Wait(pausing ? kExhaustedPauseMs : report_in_ms, intake == Intake::kAccepting)) {
      case ServerEndpoint::Event::kClient:
        if (AcceptBatch() >= kFloodRefusals && limits_.throttle_refusals) endpoint_->Wait(kFloodPauseMs, false);
        break;
      case ServerEndpoint::Event::kTimeout: EndPause(); break;
      case ServerEndpoint::Event::kInterrupted: break;
      case ServerEndpoint::Event::kFailed: Exhaust(); break;
    }
  }
}

int Acceptor::AcceptBatch() {
  int refused = 0;
  for (int taken = 0; taken < kBatch && UpdateIntake() == Intake::kAccepting; ++taken) {
    Result<OwnedDescriptor> client = endpoint_->Accept();
    if (client.ok()) {
      if (!Consider(std::move(client.value()))) ++refused;
      continue;
    }
    if (client.failure().kind == FailureKind::kWouldBlock) break;
    // All other errors lead to a pause: a listener that tries again twenty times a second is better
    // than one that gives up on an unforeseen error.
    Exhaust();
    const std::lock_guard<std::mutex> lock(mutex_);
    ++stats_.exhausted;
    break;
  }
  return refused;
}

bool Acceptor::Consider(OwnedDescriptor client) {
  Result<CheckedPeer> checked = CheckPeer(client.get(), rules_, [this](const PeerIdentity& peer) {
    return rate_.Allow(KeyOf(peer), Clock::now()) ? Verdict::kAdmitted : Verdict::kTooFast;
  });
  if (!checked.ok()) {
    Refuse(Verdict::kIdentityUnreadable, {}, checked.failure().code);
    return false;
  }
  auto& [peer, verdict] = checked.value();
  if (verdict == Verdict::kAdmitted) verdict = Admit(client, peer);
  if (verdict == Verdict::kAdmitted) return true;
  Refuse(verdict, std::move(peer), 0);
  return false;
}

Verdict Acceptor::Admit(OwnedDescriptor& client, PeerIdentity& peer) {
  bool notify = false;
  const UserKey user = KeyOf(peer);
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (const Verdict verdict = ApplyQuota(user); verdict != Verdict::kAdmitted) return verdict;
    ++stats_.admitted;
    ++stats_.open;
    ++open_by_user_[user];
    queue_.push_back({std::move(client), std::move(peer)});
    notify = notice_ == Notice::kSilent;
    if (notify) notice_ = Notice::kTold;
  }
  if (notify) NotifyLoop();
  return Verdict::kAdmitted;
}

Verdict Acceptor::ApplyQuota(const UserKey& user) const {
  if (stats_.open >= limits_.max_connections) return Verdict::kTooManyConnections;
  const auto of_user = open_by_user_.find(user);
  if (of_user != open_by_user_.end() && of_user->second >= limits_.max_connections_per_user) {
    return Verdict::kTooManyOfUser;
  }
  return Verdict::kAdmitted;
}

void Acceptor::Refuse(Verdict verdict, PeerIdentity peer, int code) {
  const std::lock_guard<std::mutex> lock(mutex_);
  ++stats_.refused;
  if (report_.refusals.size() < kReportedRefusals) {
    report_.refusals.push_back({verdict, std::move(peer), code});
  } else {
    ++report_.omitted;
  }
}

int Acceptor::ReportRefusals() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (report_.refusals.empty()) return -1;
  }
  const Clock::time_point now = Clock::now();
  const auto since = std::chrono::duration_cast<std::chrono::milliseconds>(now - last_report_);
  if (since < kReportInterval) return static_cast<int>((kReportInterval - since).count()) + 1;
  last_report_ = now;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    report_due_ = true;
  }
  Notify(notify_.get());
  // Not taken yet: look again after the interval, in case more have arrived by then.
  return static_cast<int>(kReportInterval.count());
}

Acceptor::Intake Acceptor::UpdateIntake() {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (intake_ == Intake::kAccepting && queue_.size() >= limits_.max_queued) intake_ = Intake::kFull;
  return intake_;
}

void Acceptor::Exhaust() {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (intake_ != Intake::kStopping) intake_ = Intake::kExhausted;
}

void Acceptor::EndPause() {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (intake_ == Intake::kExhausted) intake_ = Intake::kAccepting;
}

void Acceptor::NotifyLoop() {
  const bool told = Notify(notify_.get());
  const std::lock_guard<std::mutex> lock(mutex_);
  // If the loop has emptied the queue meanwhile, no notification is needed.
  if (notice_ != Notice::kSilent) notice_ = told ? Notice::kTold : Notice::kOwed;
}

bool Acceptor::OwesNotice() {
  const std::lock_guard<std::mutex> lock(mutex_);
  return notice_ == Notice::kOwed;
}

std::vector<AdmittedClient> Acceptor::Take(std::size_t most) {
  std::vector<AdmittedClient> taken;
  bool interrupt = false;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    const std::size_t count = std::min(most, queue_.size());
    taken.reserve(count);
    for (std::size_t i = 0; i < count; ++i) {
      taken.push_back(std::move(queue_.front()));
      queue_.pop_front();
    }
    if (queue_.empty()) notice_ = Notice::kSilent;
    interrupt = count > 0 && intake_ == Intake::kFull;
    if (interrupt) intake_ = Intake::kAccepting;
  }
  if (interrupt && endpoint_ != nullptr) endpoint_->Interrupt();
  return taken;
}

RefusalReport Acceptor::TakeRefusals() {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (!std::exchange(report_due_, false)) return {};
  return std::exchange(report_, {});
}

void Acceptor::Release(const UserKey& user) {
  const std::lock_guard<std::mutex> lock(mutex_);
  ReleaseLocked(user);
}

void Acceptor::ReleaseLocked(const UserKey& user) {
  const auto of_user = open_by_user_.find(user);
  if (of_user == open_by_user_.end()) return;
  --stats_.open;
  if (--of_user->second == 0) open_by_user_.erase(of_user);
}

AcceptorStats Acceptor::Stats() {
  const std::lock_guard<std::mutex> lock(mutex_);
  return stats_;
}

}  // namespace sentinel
