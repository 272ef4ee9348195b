#include "node/event_loop.h"

#if defined(_WIN32)

// Pipes have no readiness: the event loop reads them.
bool sentinel::HasEventLoop(napi_env /*env*/) { return false; }
void sentinel::DefineReadiness(Value /*exports*/) {}

#else

#include <uv.h>

// libuv's functions are not part of Node-API, so a program that loads addons may lack them. Declared weak, they are
// then null; otherwise the addon would not load, or the first call would end the process.
#pragma weak uv_backend_fd
#pragma weak uv_backend_timeout
#pragma weak uv_close
#pragma weak uv_poll_init
#pragma weak uv_poll_start
#pragma weak uv_poll_stop
#pragma weak uv_prepare_init
#pragma weak uv_prepare_start
#pragma weak uv_ref
#pragma weak uv_unref
#pragma weak uv_update_time

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <utility>

#include "node/convert.h"
#include "node/environment.h"
#include "node/reading.h"
#include "node/ready_reader.h"
#include "readiness/contention.h"
#include "readiness/poll_history.h"

namespace sentinel {
namespace {

using Clock = std::chrono::steady_clock;

// The longest poll if a timer is due within the next millisecond.
constexpr std::int64_t kTimerMicroseconds = 100;
// A poll that takes longer than this may have been preempted: the thread's context switches show whether it was.
constexpr std::int64_t kSuspiciousMicroseconds = 20;

// Makes the event loop wait for all connections of an environment with one handle, after busy polling for them if
// requested. The event loop owns this object until it has closed both handles.
class ReadinessHandles {
 public:
  static Status Start(Environment& environment, Value on_ready, Value words) {
    Result<Descriptor> watched = environment.connected.Open();
    if (!watched.ok()) return watched.failure();
    const napi_env env = on_ready.env();
    uv_loop_t* loop = nullptr;
    auto handles = std::make_unique<ReadinessHandles>(environment, on_ready, words);
    int error = napi_get_uv_event_loop(env, &loop) == napi_ok ? 0 : UV_EINVAL;
    if (error == 0) error = uv_poll_init(loop, &handles->ready_, static_cast<int>(watched.value()));
    if (error != 0) return Failure{FailureKind::kSystem, -error, "uv_poll_init", {}};
    uv_prepare_init(loop, &handles->before_sleep_);
    handles->ready_.data = handles.get();
    handles->before_sleep_.data = handles.get();
    // Neither can fail: there are events, and the descriptor is watched by this handle alone.
    uv_poll_start(&handles->ready_, UV_READABLE, OnReady);
    uv_prepare_start(&handles->before_sleep_, BeforeSleep);
    uv_unref(ToHandle(handles->ready_));  // until a descriptor is waited for
    uv_unref(ToHandle(handles->before_sleep_));
    if (napi_add_async_cleanup_hook(env, Close, handles.get(), &handles->cleanup_) != napi_ok) {
      Close(nullptr, handles.release());  // the environment is ending
      return Failure{FailureKind::kSystem, 0, "napi_add_async_cleanup_hook", {}};
    }
    environment.keep_loop_alive = [ready = ToHandle(handles->ready_)](bool keep) {
      keep ? uv_ref(ready) : uv_unref(ready);
    };
    handles.release();  // NOLINT(bugprone-unused-return-value): the event loop owns it now, see Close
    return Done{};
  }

  ReadinessHandles(Environment& environment, Value on_ready, Value words)
      : environment_(environment),
        reader_(environment, on_ready),
        words_(words.ToView<std::int32_t>()->data),
        kept_words_(words) {}

 private:
  template <typename Handle>
  static uv_handle_t* ToHandle(Handle& handle) {
    return reinterpret_cast<uv_handle_t*>(&handle);
  }

  // Called when the environment ends.
  static void Close(napi_async_cleanup_hook_handle /*hook*/, void* data) {
    auto* const self = static_cast<ReadinessHandles*>(data);
    self->environment_.keep_loop_alive = nullptr;
    uv_poll_stop(&self->ready_);
    uv_close(ToHandle(self->before_sleep_), [](uv_handle_t* before_sleep) {
      uv_close(ToHandle(static_cast<ReadinessHandles*>(before_sleep->data)->ready_), [](uv_handle_t* ready) {
        const std::unique_ptr<ReadinessHandles> closed(static_cast<ReadinessHandles*>(ready->data));
        if (closed->cleanup_ != nullptr) napi_remove_async_cleanup_hook(closed->cleanup_);
      });
    });
  }

  static void OnReady(uv_poll_t* handle, int /*status*/, int /*events*/) {
    auto* const self = static_cast<ReadinessHandles*>(handle->data);
    if (self->found_ready_) self->NoteCame();
    self->found_ready_ = false;
    self->reader_.ReadReady();
  }

  // Called once in each iteration of the event loop, before it looks for what is ready.
  static void BeforeSleep(uv_prepare_t* handle) {
    auto* const self = static_cast<ReadinessHandles*>(handle->data);
    BeginTurn(self->environment_);
    self->reader_.BeginTurn();
    self->Poll();
  }

  // Busy polling: waits without going to sleep if a receiver has requested it, because waking up takes longer than
  // the rest of a round trip. It ends when the event loop has other work, which is checked before each read and
  // while nothing arrives.
  void Poll() {
    found_ready_ = false;
    const auto loop = static_cast<Descriptor>(uv_backend_fd(ready_.loop));
    while (!MustWait(environment_)) {
      const int timer_ms = uv_backend_timeout(ready_.loop);
      if (timer_ms == 0) return;  // the event loop has work now
      const std::int64_t microseconds = TakeRequest();
      // Leave descriptors that are ready already to the event loop, which gives each its turn. They
      // do not show whether polling pays off.
      if (microseconds == 0 || ReadableNow(loop) || !contention_.MayPoll(MicrosecondsAt(Clock::now()))) return;
      switch (WaitFor(loop, timer_ms == 1 ? std::min(microseconds, kTimerMicroseconds) : microseconds)) {
        case Wait::kRead:
          // The callback may have replied and may be waiting again. Timers may be due by now.
          NoteCame();
          uv_update_time(ready_.loop);
          break;
        case Wait::kReady:
          // The event loop finds out which descriptor is ready.
          found_ready_ = true;
          return;
        case Wait::kNothing: NoteLost(); return;
      }
    }
  }

  // Returns how long to poll in microseconds; 0 means not at all.
  std::int64_t TakeRequest() {
    const std::int32_t microseconds = words_[PollWord::kMicroseconds];
    const bool if_it_pays = words_[PollWord::kIfItPays] != 0;
    words_[PollWord::kMicroseconds] = 0;
    words_[PollWord::kIfItPays] = 0;
    history_ = microseconds == 0 ? &unrequested_ : &on_request_;
    if (microseconds == 0 && !if_it_pays) return 0;
    if (!history_->WorthTrying()) return 0;
    return microseconds == 0 ? PollHistory::kMostMicroseconds : microseconds;
  }

  static std::int64_t MicrosecondsAt(Clock::time_point time) {
    return std::chrono::duration_cast<std::chrono::microseconds>(time.time_since_epoch()).count();
  }

  enum class Wait { kRead, kReady, kNothing };

  Wait WaitFor(Descriptor loop, std::int64_t microseconds) {
    const Clock::time_point begin = Clock::now();
    waited_ = {};
    for (;;) {
      if (reader_.ReadAlone()) return Wait::kRead;
      const bool ready = ReadableNow(loop);
      waited_ = std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - begin);
      // Ready, but too late: another process had the processor.
      if (waited_.count() >= microseconds) return Wait::kNothing;
      if (ready) return Wait::kReady;
      RestProcessor();
    }
  }

  void CheckContention() {
    if (waited_.count() > kSuspiciousMicroseconds)
      contention_.Checked(MicrosecondsAt(Clock::now()), waited_.count(), InvoluntarySwitches());
  }

  void NoteCame() {
    CheckContention();
    history_->Came(waited_.count());
    Count(PollWord::kGained);
  }

  void NoteLost() {
    CheckContention();
    history_->Lost();
    Count(PollWord::kLost);
  }

  // Unsigned, as it may wrap around.
  void Count(std::size_t word) {
    words_[word] = static_cast<std::int32_t>(static_cast<std::uint32_t>(words_[word]) + 1);
  }

  Environment& environment_;
  ReadyReader reader_;
  std::int32_t* const words_;
  const Reference kept_words_;
  PollHistory unrequested_ = PollHistory::Unrequested();
  PollHistory on_request_ = PollHistory::OnRequest();
  PollHistory* history_ = &unrequested_;  // of the last poll
  Contention contention_;
  std::chrono::microseconds waited_{};
  bool found_ready_ = false;  // by the last poll, in time; OnReady finds out which descriptor
  uv_poll_t ready_{};
  uv_prepare_t before_sleep_{};
  napi_async_cleanup_hook_handle cleanup_ = nullptr;
};

Descriptor ToDescriptor(Value number) { return FromLoopNumber(number.ToInt32()); }

// readiness.start(onReady: (descriptor, records) => void, pollWords: Int32Array): once, before the first `want`.
// `records` is what readRecords returns, or RecordCount::kWritable.
Value Start(const Invocation& call) {
  Environment& environment = Environment::Of(call.env());
  const std::optional<View<std::int32_t>> words = call[1].ToView<std::int32_t>();
  if (!call[0].IsFunction() || !words.has_value() || words->size < PollWord::kWords ||
      environment.keep_loop_alive != nullptr) {
    ThrowMisuse(call.env(), "readiness.start: wrong arguments, or started already");
    return {};
  }
  const Status started = ReadinessHandles::Start(environment, call[0], call[1]);
  if (!started.ok()) Throw(call.env(), started.failure());
  return {};
}

// readiness.want(descriptor, reading, writing)
Value Want(const Invocation& call) {
  if (!call[0].IsNumber() || !call[1].IsBoolean() || !call[2].IsBoolean()) {
    ThrowMisuse(call.env(), "readiness.want: wrong arguments");
    return {};
  }
  const unsigned reading = call[1].ToBoolean() ? static_cast<unsigned>(Interest::kReading) : 0U;
  const unsigned writing = call[2].ToBoolean() ? static_cast<unsigned>(Interest::kWriting) : 0U;
  const Status wanted =
      Environment::Of(call.env()).Want(ToDescriptor(call[0]), static_cast<Interest>(reading | writing));
  if (!wanted.ok()) Throw(call.env(), wanted.failure());
  return {};
}

// readiness.keepAlive(descriptor, keep)
Value KeepAlive(const Invocation& call) {
  if (call[0].IsNumber()) Environment::Of(call.env()).KeepAlive(ToDescriptor(call[0]), call[1].ToBoolean());
  return {};
}

// readiness.close(descriptor)
Value CloseOne(const Invocation& call) {
  if (call[0].IsNumber()) Environment::Of(call.env()).Close(ToDescriptor(call[0]));
  return {};
}

}  // namespace

bool HasEventLoop(napi_env env) {
  uv_loop_t* loop = nullptr;
  return uv_backend_fd != nullptr && uv_backend_timeout != nullptr && uv_close != nullptr &&
         uv_poll_init != nullptr && uv_poll_start != nullptr && uv_poll_stop != nullptr &&
         uv_prepare_init != nullptr && uv_prepare_start != nullptr && uv_ref != nullptr && uv_unref != nullptr &&
         uv_update_time != nullptr && napi_get_uv_event_loop(env, &loop) == napi_ok && loop != nullptr;
}

void DefineReadiness(Value exports) {
  const Value readiness = Value::Object(exports.env());
  Export<Start>(readiness, "start");
  Export<Want>(readiness, "want");
  Export<KeepAlive>(readiness, "keepAlive");
  Export<CloseOne>(readiness, "close");
  exports.Set("readiness", readiness);
}

}  // namespace sentinel

#endif
