#!/usr/bin/env bash
# Builds the addon with AddressSanitizer and UndefinedBehaviorSanitizer, apart from the usual build, and runs the
# tests that use it most. Arguments go to vitest. Leaks are not looked for: Node itself frees little when it ends.
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
  npx --no-install node-gyp build --loglevel=error >/dev/null
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
exec node node_modules/vitest/vitest.mjs run --config test/vitest.config.ts test/unit test/property test/security \
  test/integration/resources.test.ts test/integration/starting.test.ts \
  --exclude 'test/unit/swarm/**' --exclude 'test/unit/delivery/**' --testTimeout 120000 "$@"
