// native/readiness/contention.h by itself, over a clock of its own.

#include "readiness/contention.h"

#include <cstdint>

#include "expect.h"

using sentinel::Contention;

int main() {
  constexpr std::int64_t kPreemption = 500;
  Contention contention;
  std::int64_t now = 1'000'000;
  std::int64_t switches = 7;  // before the first poll

  // Slow polls without a preemption say nothing.
  contention.Checked(now, 0, switches);
  for (int i = 0; i < 100; ++i) contention.Checked(++now, kPreemption, switches);
  EXPECT(contention.MayPoll(now));

  // A few preempted ones have no effect, and as many have none again when the debt is paid off.
  for (int round = 0; round < 10; ++round) {
    for (std::int64_t debt = 0; debt < Contention::kMostDebt; debt += kPreemption) {
      contention.Checked(now, kPreemption, ++switches);
      EXPECT(contention.MayPoll(now));
    }
    now += Contention::kMostDebt * Contention::kPaidOffEvery;
  }

  // More of them stop polling until the whole debt is paid off.
  std::int64_t debt = 0;
  for (; debt <= Contention::kMostDebt; debt += kPreemption) contention.Checked(now, kPreemption, ++switches);
  EXPECT(!contention.MayPoll(now));
  EXPECT(!contention.MayPoll(now + debt * Contention::kPaidOffEvery - 1));
  now += debt * Contention::kPaidOffEvery;
  EXPECT(contention.MayPoll(now));

  // However long a poll was preempted, polling begins again after about two seconds.
  contention.Checked(now, 3'600'000'000, ++switches);
  EXPECT(!contention.MayPoll(now + Contention::kLimit * Contention::kPaidOffEvery - 1));
  EXPECT(contention.MayPoll(now + Contention::kLimit * Contention::kPaidOffEvery));
  return 0;
}
