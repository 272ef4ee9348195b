// native/readiness/read_rounds.h by itself.

#include "readiness/read_rounds.h"

#include "expect.h"

using sentinel::ReadRounds;

int main() {
  ReadRounds rounds;
  EXPECT(rounds.BeginTurn(false, 0) == 1);

  // Nothing is ready: each turn is a round.
  EXPECT(rounds.BeginTurn(false, 5) == 2);
  EXPECT(rounds.BeginTurn(false, 5) == 3);

  // A list that was not full, read in three turns.
  rounds.FoundReady();
  rounds.Took(3, false);
  EXPECT(rounds.BeginTurn(true, 5) == 3);
  rounds.FoundReady();
  EXPECT(rounds.BeginTurn(true, 5) == 3);
  rounds.FoundReady();
  EXPECT(rounds.BeginTurn(false, 200) == 4);

  // Turns for kept lines alone read nothing, and end nothing.
  rounds.FoundReady();
  EXPECT(rounds.BeginTurn(false, 200) == 4);

  // 200 that are always ready, of which the system lists 64 at once: four lists.
  for (int list = 0; list < 4; ++list) {
    rounds.FoundReady();
    rounds.Took(64, true);
    EXPECT(rounds.BeginTurn(true, 200) == 4);
    rounds.FoundReady();
    EXPECT(rounds.BeginTurn(false, 200) == (list < 3 ? 4 : 5));
  }

  // The descriptors watched when the round began count, not the ones that are left.
  rounds.FoundReady();
  rounds.Took(64, true);
  EXPECT(rounds.BeginTurn(false, 10) == 5);

  // What is left of a list is no longer ready.
  EXPECT(rounds.BeginTurn(true, 10) == 6);
  return 0;
}
