// native/readiness/poll_history.h by itself.

#include "readiness/poll_history.h"

#include "expect.h"

using sentinel::PollHistory;

namespace {

// How many of `waits` poll if each poll ends as `end` says.
template <typename End>
int PollsOf(PollHistory& history, int waits, End end) {
  int polls = 0;
  for (int i = 0; i < waits; ++i) {
    if (!history.WorthTrying()) continue;
    end(history, ++polls);
  }
  return polls;
}

void Soon(PollHistory& history, int /*poll*/) { history.Came(5); }
void Late(PollHistory& history, int /*poll*/) { history.Came(45); }
void Lost(PollHistory& history, int /*poll*/) { history.Lost(); }
void SoonOrLost(PollHistory& history, int poll) { poll % 2 == 0 ? history.Lost() : history.Came(45); }
void LostOfThree(PollHistory& history, int poll) { poll % 3 == 0 ? history.Came(45) : history.Lost(); }

}  // namespace

int main() {
  // Every wait polls while messages come in time.
  PollHistory own = PollHistory::Unrequested();
  PollHistory requested = PollHistory::OnRequest();
  EXPECT(PollsOf(own, 1000, Soon) == 1000);
  EXPECT(PollsOf(requested, 1000, Soon) == 1000);

  // Messages that come within the requested time are in time, however late; without a request a thread gives up.
  EXPECT(PollsOf(requested, 1000, Late) == 1000);
  EXPECT(PollsOf(own, 100'000, Late) < 2000);

  // On request it goes on as long as half of the polls pay.
  EXPECT(PollsOf(requested, 1000, SoonOrLost) == 1000);
  EXPECT(PollsOf(requested, 10'000, LostOfThree) < 5000);

  // Where all polls are in vain, one wait in 1025 polls.
  EXPECT(PollsOf(own, 1'025'000, Lost) <= 1010);
  EXPECT(PollsOf(requested, 1'025'000, Lost) <= 1010);

  // Once they pay again, every wait polls soon.
  PollsOf(own, 1100, Soon);
  PollsOf(requested, 1100, Soon);
  EXPECT(PollsOf(own, 100, Soon) == 100);
  EXPECT(PollsOf(requested, 100, Soon) == 100);
  return 0;
}
