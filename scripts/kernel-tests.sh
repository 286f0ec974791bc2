#!/usr/bin/env bash
# Kernel tests without a GPU: builds test/cuda against the emulator and runs it under every schedule, stream
# mode and sanitizer, then checks that each planted bug is caught by the modes that must catch it.
# Needs g++ and the CUDA toolkit's headers. Prints "N passed, N failed" per mode and at the end.
set -uo pipefail
cd "$(dirname "$0")/.."
build=build-kernel-tests
if ! { [ -e /usr/local/cuda/include/cuda_runtime_api.h ] || [ -e "${CUDA_HOME:-/nowhere}/include/cuda_runtime_api.h" ]; }; then
  echo "kernel tests skipped: the CUDA toolkit's headers are not installed"
  exit 0
fi
generator=()
command -v ninja >/dev/null && generator=(-G Ninja)
cmake -S test/cuda -B "$build" "${generator[@]}" -DCMAKE_BUILD_TYPE= >"/tmp/kernel-tests-$$.log" 2>&1 &&
  cmake --build "$build" -j "$(nproc)" >>"/tmp/kernel-tests-$$.log" 2>&1 || {
  tail -40 "/tmp/kernel-tests-$$.log"
  echo "0 passed, 1 failed (build)"
  exit 1
}
rm -f "/tmp/kernel-tests-$$.log"

export ASAN_OPTIONS=detect_leaks=0:detect_stack_use_after_return=0
export TSAN_OPTIONS="report_thread_leaks=0 halt_on_error=1"
unset "${!TILEGRAD_EMULATOR_@}" TILEGRAD_LINT
passed=0 failed=0

# with MODE COMMAND...: the mode's settings round a command
with() {
  local mode=$1 program=plain settings=()
  shift
  case $mode in
    fifo) settings=(TILEGRAD_EMULATOR_STREAMS=eager) ;;
    lazy) settings=(TILEGRAD_EMULATOR_STREAMS=lazy) ;;
    background) settings=(TILEGRAD_EMULATOR_STREAMS=background) ;;
    random[0-9]*) settings=(TILEGRAD_EMULATOR_SCHEDULE=random TILEGRAD_EMULATOR_SEED="${mode#random}" TILEGRAD_EMULATOR_STREAMS=random) ;;
    priority[0-9]*) settings=(TILEGRAD_EMULATOR_SCHEDULE=priority TILEGRAD_EMULATOR_SEED="${mode#priority}" TILEGRAD_EMULATOR_STREAMS=random) ;;
    asan | tsan | lint) program=$mode settings=(TILEGRAD_EMULATOR_STREAMS=eager) ;;
  esac
  env "${settings[@]}" timeout 120 "$build/kernel_tests_$program" "$@"
}

tally() { if [ "$1" = 0 ]; then passed=$((passed + 1)); else failed=$((failed + 1)); fi; }

for mode in fifo lazy background random1 random2 random3 priority1 priority2 priority3 asan tsan lint; do
  small=()
  case $mode in tsan | asan | lint) small=(--small) ;; esac
  out=$(with "$mode" "${small[@]}" 2>&1)
  code=$?
  tally $code
  [ $code = 0 ] || printf '%s\n' "$out" | head -60
  echo "$mode: $(printf '%s\n' "$out" | grep -E '^[0-9]+ passed' || echo "0 passed, 1 failed (exit code $code)")"
done

# caught BUG MODE...: each of the modes must end with another code than 0
caught() {
  local bug=$1 mode
  shift
  for mode in "$@"; do
    with "$mode" --bug "$bug" >/dev/null 2>&1
    local code=$?
    if [ $code = 0 ] || [ $code = 2 ]; then
      echo "planted bug $bug is not caught under $mode (exit code $code)"
      tally 1
    else
      tally 0
    fi
  done
}
plain="fifo lazy random1 random2 random3 priority1 priority2 priority3"
priorities="priority1 priority2 priority3"
caught barrier_before_reads $plain asan tsan
caught barrier_after_reads $plain asan tsan
caught barrier_before_reuse $priorities tsan
caught store_out_of_bounds $plain asan tsan
caught load_out_of_bounds asan
caught barrier_in_branch $plain asan tsan
caught shuffle_in_branch $plain asan tsan
caught threadfence tsan
caught cp_async_wait $plain asan tsan
caught tile_not_written $plain asan tsan
caught dynamic_shared_too_small asan
caught stream_sync lazy
caught empty_slot_wait $plain asan tsan
caught wgmma_wait $plain asan tsan
caught registers_sum $plain asan tsan
caught multicast_empty_wait $plain asan tsan
caught store_wait_read random1 random2 random3 priority1 priority2 priority3 tsan
caught proxy_fence $plain asan tsan
caught cluster_exit random1 random2 random3 priority1 priority2 priority3 asan
caught box_bytes $plain asan tsan
caught map_rank $plain asan tsan
caught im2col_corner $plain asan tsan
caught grid_barrier_in_branch $plain asan tsan
caught grid_barrier_before_reads $plain asan tsan
caught grid_barrier_before_reuse $priorities tsan
echo "planted bugs: checked"

# The lint names the store with bank conflicts, and is silent about the spread one.
conflicts() { TILEGRAD_LINT=1 with lint --filter "$1" | grep -c 'shared store.*<- look'; }
[ "$(conflicts 'gemm_tiled conflicting rows')" = 1 ]
tally $?
[ "$(conflicts 'gemm_tiled spread rows')" = 0 ]
tally $?
echo "lint: checked"
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
