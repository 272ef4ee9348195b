// Listens on a named pipe. Several instances wait for clients at any time, each in an overlapped ConnectNamedPipe
// of its own, so that a client finds a free one while others are being accepted.

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "platform/platform.h"
#include "platform/win32/pipe.h"
#include "platform/win32/system.h"

namespace sentinel {
namespace {

// As many as one thread can wait for, besides its waker.
constexpr int kMostWaiting = MAXIMUM_WAIT_OBJECTS - 1;
constexpr DWORD kFailurePauseMs = 50;
constexpr DWORD kProbeMs = 1;

// One instance that waits for its client. It must not move in memory, because the system writes into it.
class WaitingInstance {
 public:
  static Result<std::unique_ptr<WaitingInstance>> Create(const PipeRequest& request, PipeSecurity& security) {
    Result<OwnedDescriptor> event = CreateManualEvent();
    if (!event.ok()) return event.failure();
    OwnedDescriptor pipe = CreateInstance(request, security);
    if (!pipe.valid()) return WindowsFailure("CreateNamedPipe", GetLastError());
    std::unique_ptr<WaitingInstance> instance(new WaitingInstance(std::move(pipe), std::move(event.value())));
    if (Status status = instance->Begin(); !status.ok()) return status.failure();
    return instance;
  }

  WaitingInstance(const WaitingInstance&) = delete;
  WaitingInstance& operator=(const WaitingInstance&) = delete;
  ~WaitingInstance() {
    if (!pending_) return;
    CancelIoEx(Handle(pipe_.get()), &overlapped_);
    DWORD bytes = 0;
    GetOverlappedResult(Handle(pipe_.get()), &overlapped_, &bytes, TRUE);
  }

  HANDLE event() const { return Handle(event_.get()); }
  bool Ready() const { return WaitForSingleObject(event(), 0) == WAIT_OBJECT_0; }

  // For an instance that is ready: returns its pipe if a client has connected.
  OwnedDescriptor Take() {
    if (pending_) {
      pending_ = false;
      DWORD bytes = 0;
      if (GetOverlappedResult(Handle(pipe_.get()), &overlapped_, &bytes, FALSE) == 0) return {};
    }
    return std::move(pipe_);
  }

 private:
  WaitingInstance(OwnedDescriptor pipe, OwnedDescriptor event) : pipe_(std::move(pipe)), event_(std::move(event)) {
    overlapped_.hEvent = this->event();
  }

  Status Begin() {
    if (ConnectNamedPipe(Handle(pipe_.get()), &overlapped_) != 0) {
      SetEvent(event());
      return Done{};
    }
    switch (const DWORD code = GetLastError()) {
      case ERROR_IO_PENDING: pending_ = true; return Done{};
      case ERROR_PIPE_CONNECTED:  // a client has connected already
      case ERROR_NO_DATA:         // and has gone again, which its first read shows
        SetEvent(event());
        return Done{};
      default: return WindowsFailure("ConnectNamedPipe", code);
    }
  }

  OwnedDescriptor pipe_;
  OwnedDescriptor event_;
  OVERLAPPED overlapped_{};
  bool pending_ = false;
};

class PipeServer final : public ServerEndpoint {
 public:
  PipeServer(PipeRequest request, PipeSecurity security, OwnedDescriptor waker)
      : request_(std::move(request)), security_(std::move(security)), waker_(std::move(waker)) {}

  // Makes the first instance, which claims the name, and the others that wait beside it.
  Status Open(int waiting) {
    request_.first = true;
    for (int i = 0; i < std::clamp(waiting, 1, kMostWaiting); ++i) {
      Result<std::unique_ptr<WaitingInstance>> instance = WaitingInstance::Create(request_, security_);
      if (!instance.ok()) return instance.failure();
      waiting_.push_back(std::move(instance.value()));
      request_.first = false;
    }
    return Done{};
  }

  Event Wait(int timeout_ms, bool for_clients) override {
    std::vector<HANDLE> events = {Handle(waker_.get())};
    if (for_clients) {
      for (const auto& instance : waiting_) events.push_back(instance->event());
    }
    const DWORD ready = WaitForMultipleObjects(static_cast<DWORD>(events.size()), events.data(), FALSE,
                                               timeout_ms < 0 ? INFINITE : static_cast<DWORD>(timeout_ms));
    if (ready == WAIT_OBJECT_0) {
      DrainWaker(waker_.get());
      return Event::kInterrupted;
    }
    if (ready == WAIT_TIMEOUT) return Event::kTimeout;
    if (ready == WAIT_FAILED) {
      Sleep(kFailurePauseMs);
      return Event::kFailed;
    }
    return Event::kClient;
  }

  Result<OwnedDescriptor> Accept() override {
    for (std::size_t tried = 0; tried < waiting_.size(); ++tried) {
      // In turn, so that no instance is always served last.
      std::unique_ptr<WaitingInstance>& instance = waiting_[next_];
      next_ = (next_ + 1) % waiting_.size();
      if (!instance->Ready()) continue;
      // The next instance waits before this client is handled. If that fails, the client keeps its place.
      Result<std::unique_ptr<WaitingInstance>> successor = WaitingInstance::Create(request_, security_);
      if (!successor.ok()) return successor.failure();
      OwnedDescriptor client = instance->Take();
      instance = std::move(successor.value());
      if (client.valid()) return client;
    }
    return Failure{FailureKind::kWouldBlock, 0, "ConnectNamedPipe", {}};
  }

  void Interrupt() override { Wake(waker_.get()); }

 private:
  PipeRequest request_;
  PipeSecurity security_;
  OwnedDescriptor waker_;
  std::vector<std::unique_ptr<WaitingInstance>> waiting_;
  std::size_t next_ = 0;
};

// FILE_FLAG_FIRST_PIPE_INSTANCE decides. This check before it, which does not connect, is for systems where the
// flag has no effect (Wine).
bool Exists(const std::wstring& name) {
  return WaitNamedPipeW(name.c_str(), kProbeMs) != 0 || GetLastError() == ERROR_SEM_TIMEOUT;
}

}  // namespace

Result<std::unique_ptr<ServerEndpoint>> Listen(const ListenRequest& request) {
  PipeRequest pipe;
  pipe.name = ToWide(request.path);
  Result<PipeSecurity> security = PipeSecurity::For(request.security_ids);
  if (!security.ok()) return security.failure();
  Result<OwnedDescriptor> waker = CreateWaker();
  if (!waker.ok()) return waker.failure();
  if (Exists(pipe.name)) {
    return WindowsFailure(
        FailureKind::kAddressInUse, "CreateNamedPipe", ERROR_PIPE_BUSY,
        request.path + " exists: it has a listener, or a connection of a former listener is open");
  }
  auto server =
      std::make_unique<PipeServer>(std::move(pipe), std::move(security.value()), std::move(waker.value()));
  if (Status status = server->Open(request.backlog); !status.ok()) {
    Failure failure = status.failure();
    // Denied or busy: a pipe of that name exists, and we may not add instances to it.
    const Failure denied = WindowsFailure("", ERROR_ACCESS_DENIED);
    const Failure busy = WindowsFailure("", ERROR_PIPE_BUSY);
    if (failure.code == denied.code || failure.code == busy.code) failure.kind = FailureKind::kAddressInUse;
    if (failure.detail.empty()) failure.detail = request.path;
    return failure;
  }
  return std::unique_ptr<ServerEndpoint>(std::move(server));
}

Result<std::unique_ptr<ServerEndpoint>> Adopt(Descriptor /*listening*/) {
  return Failure{FailureKind::kNotSupported, 0, "", "pipes are not passed on while they listen"};
}

std::string AddressOf(Descriptor /*listening*/) { return {}; }

// The name of a pipe is not a file, and cannot be lost.
Result<FileIdentity> IdentifyFile(const std::string& /*path*/) {
  return Failure{FailureKind::kNotSupported, 0, "", {}};
}

}  // namespace sentinel
