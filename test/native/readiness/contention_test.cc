// native/readiness/contention.h by itself, over a clock of its own. Ends with the line of the first expectation that fails.

#include "readiness/contention.h"

#include <cstdint>
#include <cstdio>
#include <cstdlib>

namespace {

using sentinel::Contention;

constexpr std::int64_t kMillisecond = 1000;

void Expect(bool holds, int line) {
  if (holds) return;
  std::printf("line %d\n", line);
  std::exit(1);
}
#define EXPECT(condition) Expect(condition, __LINE__)

}  // namespace

int main() {
  Contention contention;
  std::int64_t now = 1000 * kMillisecond;
  std::int64_t switches = 7;  // before it was asked for the first time
  contention.Checked(now, switches);
  EXPECT(contention.MayPoll(now));

  // Alone, a preemption says little, however many there are.
  for (int i = 0; i < 20; ++i) {
    now += Contention::kTogether + 1;
    contention.Checked(now, ++switches);
    EXPECT(contention.MayPoll(now));
  }
  // Slow polls without one say nothing.
  for (int i = 0; i < 20; ++i) contention.Checked(++now, switches);
  EXPECT(contention.MayPoll(now));

  // Two within a short time: no polling for a while, and each time for twice as long.
  std::int64_t ban = Contention::kFirstBan;
  for (int i = 0; i < 10; ++i) {
    now += 2 * Contention::kTogether;
    contention.Checked(now, ++switches);
    EXPECT(contention.MayPoll(now));
    contention.Checked(now += kMillisecond, ++switches);
    EXPECT(!contention.MayPoll(now));
    EXPECT(!contention.MayPoll(now + ban - 1));
    now += ban;
    EXPECT(contention.MayPoll(now));
    ban = ban * 2 < Contention::kLongestBan ? ban * 2 : Contention::kLongestBan;
  }

  // After a while without, the next one is short again.
  now += Contention::kForgiven + 1;
  contention.Checked(now, ++switches);
  contention.Checked(now += kMillisecond, ++switches);
  EXPECT(!contention.MayPoll(now + Contention::kFirstBan - 1));
  EXPECT(contention.MayPoll(now + Contention::kFirstBan));
  return 0;
}
