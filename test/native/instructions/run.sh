#!/usr/bin/env bash
# Counts the instructions that the frame reader takes for a line, with callgrind, and compares them with baseline.json:
# more than the tolerance above it fails. Counts do not depend on the machine: simdjson is built with one instruction set.
# Usage: run.sh [--update]. Needs g++ and valgrind. --update writes the counts as the new baseline.
set -euo pipefail
cd "$(dirname "$0")/../../.."
place=out/instructions
here=test/native/instructions
for tool in g++ valgrind; do
  command -v "$tool" >/dev/null || { echo "counting instructions needs $tool" >&2; exit 1; }
done
simdjson=$(dirname "$(node -p "require.resolve('@nozbe/simdjson/package.json')")")/src
mkdir -p "$place"
# valgrind knows AVX2 only where the processor does, and AVX-512 nowhere; every x64 processor of today has SSE4.2.
flags=(-std=c++17 -O3 -g -fno-exceptions -Inative -DSIMDJSON_EXCEPTIONS=0 -DSIMDJSON_IMPLEMENTATION_ICELAKE=0
  -DSIMDJSON_IMPLEMENTATION_HASWELL=0 -isystem "$simdjson")
if [ ! "$place/simdjson.o" -nt "$simdjson/simdjson.cpp" ]; then
  g++ "${flags[@]}" -w -c "$simdjson/simdjson.cpp" -o "$place/simdjson.o"
fi
g++ "${flags[@]}" -Wall -Wextra -Werror "$here/frame_reader_driver.cc" native/frames/frame_reader.cc native/frames/line_scanner.cc \
  native/frames/line_checker.cc native/frames/own_form.cc native/frames/envelope_key.cc native/frames/field_set.cc native/frames/escapes.cc "$place/simdjson.o" -o "$place/frame_reader_driver"

counts=()
for input in logon event fields foreign invalid torn; do
  log=$place/$input.log
  # The C library too picks its routines by the processor: those without AVX are everywhere.
  lines=$(GLIBC_TUNABLES=glibc.cpu.hwcaps=-AVX2_Usable,-AVX2,-ERMS,-AVX_Fast_Unaligned_Load \
    valgrind --tool=callgrind --callgrind-out-file="$place/$input.callgrind" --collect-atstart=no \
    --toggle-collect='*MeasuredPass*' "$place/frame_reader_driver" "$input" 2>"$log") || { cat "$log" >&2; exit 1; }
  collected=$(sed -n 's/.*Collected *: *\([0-9]*\).*/\1/p' "$log")
  counts+=("$input" "$collected" "$lines")
done
node out/test/native/instructions/compare.js "$here/baseline.json" "g++ $(g++ -dumpversion)" "${1:-}" "${counts[@]}"
