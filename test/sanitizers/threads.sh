#!/usr/bin/env bash
# Runs the threads of the addon under ThreadSanitizer, without Node: see threads.cc. Needs g++ or, by CXX, another compiler.
set -euo pipefail
cd "$(dirname "$0")/../.."
place=out/threads
mkdir -p "$place"
"${CXX:-g++}" -std=c++17 -O1 -g -fno-exceptions -Wall -Wextra -Werror -fsanitize=thread \
  test/sanitizers/threads.cc native/acceptor.cc native/connection_rate.cc native/peer_policy.cc native/peer_watcher.cc \
  native/posix*.cc native/linux*.cc -o "$place/threads" -pthread
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1 "$place/threads" "$directory/threads.sock"
