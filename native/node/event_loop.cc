#include "node/event_loop.h"

#if defined(_WIN32)

// Pipes have none: the event loop reads them.
void sentinel::DefineReadiness(Napi::Env /*env*/, Napi::Object /*exports*/) {}

#else

#include <uv.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <utility>

#include "node/convert.h"
#include "node/environment.h"
#include "node/ready_reader.h"
#include "readiness/poll_history.h"

namespace sentinel {
namespace {

using Clock = std::chrono::steady_clock;

// What JavaScript asks for and is told in place, as lib/wire/busy-poll.ts has it.
struct PollWord {
  static constexpr std::size_t kMicroseconds = 0;  // to wait in a loop for what comes next, in any case
  static constexpr std::size_t kIfItPays = 1;      // 1: for a moment, if that has been worth it lately
  static constexpr std::size_t kGained = 2;        // how often it was there in time, and how often it was not
  static constexpr std::size_t kLost = 3;
  static constexpr std::size_t kWords = 4;
};

// The most where a timer is due within the next millisecond.
constexpr std::int64_t kTimerMicroseconds = 100;

// Has the event loop wait for all connections of an environment with one handle, after it has waited for them in a
// loop of its own where it should. Belongs to the event loop until that has closed both handles.
class ReadinessHandles {
 public:
  static Status Start(Napi::Env env, Environment& environment, const Napi::Function& on_ready,
                      const Napi::Int32Array& words) {
    Result<Descriptor> watched = environment.connected.Open();
    if (!watched.ok()) return watched.failure();
    uv_loop_t* loop = nullptr;
    auto handles = std::make_unique<ReadinessHandles>(env, environment, on_ready, words);
    int error = napi_get_uv_event_loop(env, &loop) == napi_ok ? 0 : UV_EINVAL;
    if (error == 0) error = uv_poll_init(loop, &handles->ready_, static_cast<int>(watched.value()));
    if (error != 0) return Failure{FailureKind::kSystem, -error, "uv_poll_init", {}};
    uv_prepare_init(loop, &handles->before_sleep_);
    handles->ready_.data = handles.get();
    handles->before_sleep_.data = handles.get();
    // Neither can fail: the events are some, and the descriptor is this handle's alone.
    uv_poll_start(&handles->ready_, UV_READABLE, OnReady);
    uv_prepare_start(&handles->before_sleep_, BeforeSleep);
    uv_unref(ToHandle(handles->ready_));  // until somebody waits
    uv_unref(ToHandle(handles->before_sleep_));
    napi_add_async_cleanup_hook(env, Close, handles.get(), &handles->cleanup_);
    environment.readiness_wanted = [ready = ToHandle(handles->ready_)](bool wanted) {
      wanted ? uv_ref(ready) : uv_unref(ready);
    };
    handles.release();  // NOLINT(bugprone-unused-return-value): it is the event loop's now, see Close
    return Done{};
  }

  ReadinessHandles(Napi::Env env, Environment& environment, const Napi::Function& on_ready,
                   const Napi::Int32Array& words)
      : environment_(environment),
        reader_(env, environment, on_ready),
        words_(Napi::Int32Array(words).Data()),
        attached_(Napi::Persistent(words.As<Napi::Object>())) {}

 private:
  template <typename Handle>
  static uv_handle_t* ToHandle(Handle& handle) {
    return reinterpret_cast<uv_handle_t*>(&handle);
  }

  // When the environment ends.
  static void Close(napi_async_cleanup_hook_handle /*hook*/, void* data) {
    auto* const self = static_cast<ReadinessHandles*>(data);
    self->environment_.readiness_wanted = nullptr;
    uv_poll_stop(&self->ready_);
    uv_close(ToHandle(self->before_sleep_), [](uv_handle_t* before_sleep) {
      uv_close(ToHandle(static_cast<ReadinessHandles*>(before_sleep->data)->ready_), [](uv_handle_t* ready) {
        const std::unique_ptr<ReadinessHandles> closed(static_cast<ReadinessHandles*>(ready->data));
        napi_remove_async_cleanup_hook(closed->cleanup_);
      });
    });
  }

  static void OnReady(uv_poll_t* handle, int /*status*/, int /*events*/) {
    auto* const self = static_cast<ReadinessHandles*>(handle->data);
    if (self->became_ready_) self->NoteCame();
    self->became_ready_ = false;
    self->reader_.ReadReady();
  }

  static void BeforeSleep(uv_prepare_t* handle) { static_cast<ReadinessHandles*>(handle->data)->Poll(); }

  // Waits without going to sleep, where a receiver that somebody waits for has asked for it: to be woken takes
  // longer than all the rest of a round trip. What the event loop has to do besides ends it, and is looked for
  // before each read and while nothing comes.
  void Poll() {
    became_ready_ = false;
    const auto loop = static_cast<Descriptor>(uv_backend_fd(ready_.loop));
    for (;;) {
      const int timer_ms = uv_backend_timeout(ready_.loop);
      if (timer_ms == 0) return;  // there is something to do without any waiting
      const std::int64_t microseconds = TakeRequest();
      // What is there already is for the event loop, which gives each its turn, and says nothing about waiting.
      if (microseconds == 0 || ReadableNow(loop)) return;
      switch (WaitFor(loop, timer_ms == 1 ? std::min(microseconds, kTimerMicroseconds) : microseconds)) {
        case Wait::kRead:
          // Who has been called may have answered, and waits again. Timers may be due by now.
          NoteCame();
          uv_update_time(ready_.loop);
          break;
        case Wait::kReady:
          // The event loop finds out what it is.
          became_ready_ = true;
          return;
        case Wait::kNothing: NoteLost(); return;
      }
    }
  }

  // How long to wait; 0: not at all.
  std::int64_t TakeRequest() {
    const std::int32_t microseconds = words_[PollWord::kMicroseconds];
    const bool if_it_pays = words_[PollWord::kIfItPays] != 0;
    words_[PollWord::kMicroseconds] = 0;
    words_[PollWord::kIfItPays] = 0;
    by_history_ = microseconds == 0;
    if (!by_history_) return microseconds;
    return if_it_pays && history_.WorthTrying() ? PollHistory::kMostMicroseconds : 0;
  }

  enum class Wait { kRead, kReady, kNothing };

  Wait WaitFor(Descriptor loop, std::int64_t microseconds) {
    const Clock::time_point begin = Clock::now();
    waited_ = {};
    for (;;) {
      if (reader_.ReadAlone()) return Wait::kRead;
      const bool ready = ReadableNow(loop);
      waited_ = std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - begin);
      // Ready too late: another process has had the processor.
      if (waited_.count() >= microseconds) return Wait::kNothing;
      if (ready) return Wait::kReady;
      RestProcessor();
    }
  }

  void NoteCame() {
    if (by_history_) history_.Came(waited_.count());
    Count(PollWord::kGained);
  }

  void NoteLost() {
    if (by_history_) history_.Lost();
    Count(PollWord::kLost);
  }

  // Unsigned, as it may go round.
  void Count(std::size_t word) {
    words_[word] = static_cast<std::int32_t>(static_cast<std::uint32_t>(words_[word]) + 1);
  }

  Environment& environment_;
  ReadyReader reader_;
  std::int32_t* const words_;
  const Napi::ObjectReference attached_;  // keeps them alive
  PollHistory history_;
  bool by_history_ = false;  // the last wait was decided by it
  std::chrono::microseconds waited_{};
  bool became_ready_ = false;  // in time, and the event loop was left to find out what
  uv_poll_t ready_{};
  uv_prepare_t before_sleep_{};
  napi_async_cleanup_hook_handle cleanup_ = nullptr;
};

Descriptor ToDescriptor(const Napi::Value& number) {
  return FromLoopNumber(number.As<Napi::Number>().Int32Value());
}

// readiness.start(onReady: (descriptor, records) => void, pollWords: Int32Array): once, before the first `want`.
// `records` as readRecords answers, or that it is writable.
Napi::Value Start(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (info.Length() < 2 || !info[0].IsFunction() || !info[1].IsTypedArray() ||
      info[1].As<Napi::Int32Array>().ElementLength() < PollWord::kWords) {
    ThrowMisuse(env, "readiness.start: wrong arguments");
    return {};
  }
  const Status started = ReadinessHandles::Start(env, Environment::Of(env), info[0].As<Napi::Function>(),
                                                 info[1].As<Napi::Int32Array>());
  if (!started.ok()) Throw(env, started.failure());
  return env.Undefined();
}

// readiness.want(descriptor, reading, writing)
Napi::Value Want(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (info.Length() < 3 || !info[0].IsNumber() || !info[1].IsBoolean() || !info[2].IsBoolean()) {
    ThrowMisuse(env, "readiness.want: wrong arguments");
    return {};
  }
  const Status wanted =
      Environment::Of(env).Want(ToDescriptor(info[0]), info[1].As<Napi::Boolean>(), info[2].As<Napi::Boolean>());
  if (!wanted.ok()) Throw(env, wanted.failure());
  return env.Undefined();
}

// readiness.close(descriptor)
Napi::Value CloseOne(const Napi::CallbackInfo& info) {
  if (info.Length() > 0 && info[0].IsNumber()) Environment::Of(info.Env()).Close(ToDescriptor(info[0]));
  return info.Env().Undefined();
}

}  // namespace

void DefineReadiness(Napi::Env env, Napi::Object exports) {
  Napi::Object readiness = Napi::Object::New(env);
  readiness.Set("start", Napi::Function::New<Start>(env, "start"));
  readiness.Set("want", Napi::Function::New<Want>(env, "want"));
  readiness.Set("close", Napi::Function::New<CloseOne>(env, "close"));
  exports.Set("readiness", readiness);
}

}  // namespace sentinel

#endif
