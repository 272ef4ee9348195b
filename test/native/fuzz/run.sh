#!/usr/bin/env bash
# Fuzzes the frame reader, the fields, the escapes and the peer policy under AddressSanitizer and UBSan with libFuzzer.
# Usage: run.sh [seconds for each target, default 60] [target, default all]. Needs clang and its runtime (Debian: clang libclang-rt-14-dev).
# What it finds that is new goes to out/fuzz; keep in test/native/fuzz/corpus what is worth it. A crash is left in out/fuzz too.
set -euo pipefail
cd "$(dirname "$0")/../../.."
seconds=${1:-60}
only=${2:-}
place=out/fuzz
simdjson=$(dirname "$(node -p "require.resolve('@nozbe/simdjson/package.json')")")/src
flags=(-std=c++17 -O1 -g -fno-exceptions -Inative -DSIMDJSON_EXCEPTIONS=0 -isystem "$simdjson" -Wall -Wextra -Werror
  -fsanitize=address,undefined -fno-sanitize-recover=all)
command -v clang++ >/dev/null || { echo 'fuzzing needs clang++' >&2; exit 1; }
mkdir -p "$place"
[ -f "$place/simdjson.o" ] || clang++ "${flags[@]}" -w -fsanitize=fuzzer-no-link -c "$simdjson/simdjson.cpp" -o "$place/simdjson.o"

fuzz() {
  local name=$1
  shift
  [ -z "$only" ] || [ "$only" = "$name" ] || return 0
  clang++ "${flags[@]}" -fsanitize=fuzzer "test/native/fuzz/${name}_fuzz.cc" "$@" -o "$place/$name"
  mkdir -p "$place/corpus/$name"
  echo "== $name, $seconds s"
  "$place/$name" -max_total_time="$seconds" -max_len=8192 -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
    -artifact_prefix="$place/$name-" "$place/corpus/$name" "test/native/fuzz/corpus/$name" 2>&1 |
    grep -E '^(#[0-9]+.*(DONE|INITED)|stat::|==|violated|SUMMARY|artifact)' ; return "${PIPESTATUS[0]}"
}

lines=(native/frames/line_scanner.cc native/frames/line_checker.cc native/frames/own_form.cc native/frames/envelope_key.cc native/frames/field_set.cc
  native/frames/escapes.cc "$place/simdjson.o")
fuzz frame_reader native/frames/frame_reader.cc "${lines[@]}"
fuzz fields "${lines[@]}"
fuzz escapes native/frames/escapes.cc
fuzz escapes -U__SSE2__ native/frames/escapes.cc  # as on a processor without SSE2
fuzz peer_policy native/admission/peer_policy.cc
