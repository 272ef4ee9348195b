// Threads that receive no signals, by pthreads.

#include <pthread.h>
#include <signal.h>

#include "platform/platform.h"

namespace sentinel {
namespace {

struct StartedThread final : Thread {
  pthread_t handle{};
  void Join() override { pthread_join(handle, nullptr); }
};

struct ThreadStart {
  ThreadBody body;
  void* argument;
};

void* RunThread(void* raw) {
  const std::unique_ptr<ThreadStart> start(static_cast<ThreadStart*>(raw));
  start->body(start->argument);
  return nullptr;
}

}  // namespace

Result<std::unique_ptr<Thread>> StartThread(ThreadBody body, void* argument) {
  auto thread = std::make_unique<StartedThread>();
  auto start = std::make_unique<ThreadStart>(ThreadStart{body, argument});
  // The new thread inherits this mask: signals stay with the threads that expect them.
  sigset_t everything;
  sigset_t before;
  sigfillset(&everything);
  pthread_sigmask(SIG_SETMASK, &everything, &before);
  const int code = pthread_create(&thread->handle, nullptr, RunThread, start.get());
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (code != 0) return Failure{FailureKind::kExhausted, code, "pthread_create", {}};
  start.release();  // NOLINT(bugprone-unused-return-value): RunThread owns it now
  return std::unique_ptr<Thread>(std::move(thread));
}

}  // namespace sentinel
