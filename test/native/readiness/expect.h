// For programs that test one header by itself: ends with the line of the first expectation that fails.

#ifndef SENTINEL_TEST_EXPECT_H_
#define SENTINEL_TEST_EXPECT_H_

#include <cstdio>
#include <cstdlib>

inline void Expect(bool holds, int line) {
  if (holds) return;
  std::printf("line %d\n", line);
  std::exit(1);
}
#define EXPECT(condition) Expect(condition, __LINE__)

#endif  // SENTINEL_TEST_EXPECT_H_
