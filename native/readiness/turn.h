// How much reading one turn of the event loop may do, over all connections of an environment together, so that no
// peer keeps the loop from timers and from other work. Counts work in units of about a microsecond, with the
// costs in abi/abi.h. What is left of a read when a turn is over is kept for the next turn.

#ifndef SENTINEL_TURN_H_
#define SENTINEL_TURN_H_

#include <cstddef>

#include "abi/abi.h"

namespace sentinel {

class Turn {
 public:
  // Call once for each iteration of the event loop.
  void Begin() { spent_ = 0; }

  void ChargeRead() { spent_ += TurnCost::kRead; }
  void ChargeEnd() { spent_ += TurnCost::kEnd; }
  void ChargeLines(std::size_t lines, std::size_t refused) {
    spent_ += lines + refused * (TurnCost::kRefusedLine - 1);
  }
  void ChargeBytes(std::size_t bytes) { spent_ += bytes / TurnCost::kBytesPerUnit; }

  bool over() const { return spent_ >= TurnCost::kUnits; }
  // Lines that the next step may take. Not 0 even if the turn is over: a step that is made must make progress.
  std::size_t lines_left() const { return over() ? 1 : TurnCost::kUnits - spent_; }

 private:
  std::size_t spent_ = 0;
};

}  // namespace sentinel

#endif  // SENTINEL_TURN_H_
