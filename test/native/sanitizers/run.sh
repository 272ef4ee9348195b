#!/usr/bin/env bash
# Builds the addon with AddressSanitizer and UndefinedBehaviorSanitizer, apart from the usual build, and runs the
# tests that use it. Leaks are not looked for: Node itself frees little when it ends.
#   run.sh                  all of them, with few rounds of termination
#   run.sh --rounds N       workers terminated N times in each function of the addon, and nothing else
#   run.sh ARGUMENT...      arguments of vitest; the tests that they name, instead of all
set -euo pipefail
cd "$(dirname "$0")/../../.."
root=$PWD
place=out/sanitized
npm run --silent compile
mkdir -p "$place"
for entry in native node_modules binding.gyp package.json; do ln -sfn "$root/$entry" "$place/$entry"; done
(
  cd "$place"
  npx --no-install node-gyp configure --loglevel=error -- -Dsanitize=address,undefined
  npx --no-install node-gyp build --jobs=max --loglevel=error >/dev/null
)
export SENTINEL_IPC_PREBUILD=$root/$place
export LD_PRELOAD=$(gcc -print-file-name=libasan.so):$(gcc -print-file-name=libubsan.so)
export ASAN_OPTIONS=detect_leaks=0:abort_on_error=1:strict_string_checks=1:detect_stack_use_after_return=1
export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
export SANITIZED=1
# Proof that the sanitized addon is the one that is used.
node -e "
  require('node-gyp-build')('$root')
  const loaded = process.report.getReport().sharedObjects.find((name) => name.endsWith('sentinel_ipc.node'))
  if (!loaded.includes('/$place/')) throw new Error('loaded ' + loaded)
  console.log('sanitized addon: ' + loaded)"
export TERMINATION_ROUNDS=8
tests=(
  test/unit test/property test/security
  test/integration/{delivery,evaluations,peer-end,readiness,resources,services,starting,swarm,termination,waiting}
)
if [ "${1:-}" = --rounds ]; then
  TERMINATION_ROUNDS=$2
  tests=(test/integration/termination --reporter=verbose)
  shift 2
fi
for argument; do
  case $argument in test/*) tests=() ;; esac
done
exec node node_modules/vitest/vitest.mjs run --config test/vitest.config.ts "${tests[@]}" --testTimeout 120000 "$@"
