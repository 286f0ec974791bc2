#!/usr/bin/env bash
# Checks and times tilegrad on a machine with a GPU, nvcc and Node; needs no network.
#
#   scripts/gpu-check.sh [--emulated] [--only STEP,...] [--out DIR] [--pack FILE]
#
# Steps: build (for this GPU alone), suite (every test file with the GPU as default device), conformance (each wrapper of
# ptx.cuh against its emulated twin), kernels (the kernel tests), sanitizer (compute-sanitizer over them), bench (bench/gpu
# beside PyTorch, where python3 has it; writes DIR/<gpu>.json and .md, where DIR is bench/results; then the GPU against
# the CPU).
# --emulated runs every step on the emulated device with tiny shapes: it proves the script, its figures mean nothing.
# --pack FILE writes node_modules without the formatter, and Node itself, as an archive for a machine that has neither:
# unpacked in the checkout (tar xJf FILE), this script finds them. Environment: NODE, NVCC, GPU_CHECK_BUILD (build-gpu).
# Prints a line per step and "N passed, N failed, N skipped" at the end.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1

emulated=no only='' out=bench/results pack=''
while [ $# -gt 0 ]; do
  case $1 in
    --emulated) emulated=yes ;;
    --only) only=,$2, && shift ;;
    --out) out=$2 && shift ;;
    --pack) pack=$2 && shift ;;
    *) sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0" && exit 2 ;;
  esac
  shift
done
for step in ${only//,/ }; do
  case $step in
    build | suite | conformance | kernels | sanitizer | bench) ;;
    *) echo "gpu-check: there is no step '$step'; there are build, suite, conformance, kernels, sanitizer, bench" && exit 2 ;;
  esac
done

node=${NODE:-$([ -x node_modules/.bin/node-packed ] && echo "$PWD/node_modules/.bin/node-packed" || command -v node)}
[ -x "$node" ] || { echo "gpu-check: no Node.js; set NODE to its binary" && exit 1; }
# Children (vitest, the programs of the tests) are started by this Node, whatever PATH holds.
PATH=$(dirname "$node"):$PATH
export TILEGRAD_NO_INSTALL=1

if [ -n "$pack" ]; then
  cp "$("$node" -p process.execPath)" node_modules/.bin/node-packed &&
    { strip node_modules/.bin/node-packed 2>/dev/null || true; } &&
    tar cJf "$pack" --exclude='node_modules/@biomejs' node_modules
  code=$?
  rm -f node_modules/.bin/node-packed
  [ $code = 0 ] && ls -l "$pack"
  exit $code
fi

build=${GPU_CHECK_BUILD:-$([ $emulated = yes ] && echo build-emulated || echo build-gpu)}
addon=$PWD/$build/Release/tilegrad.node
cuda=${CUDA_HOME:-/usr/local/cuda}
nvcc=${NVCC:-$(command -v nvcc || echo "$cuda/bin/nvcc")}
jobs=${CMAKE_BUILD_PARALLEL_LEVEL:-$(nproc)}
passed=0 failed=0 skipped=0

if [ $emulated = no ]; then
  capability=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader 2>/dev/null | head -1 | tr -d .)
  [ -n "$capability" ] || { echo "gpu-check: nvidia-smi names no GPU; --emulated runs the steps without one" && exit 1; }
  [ -x "$nvcc" ] || { echo "gpu-check: no nvcc; set NVCC or CUDA_HOME" && exit 1; }
  # wgmma and setmaxnreg exist for sm_90a alone.
  arch=$capability$([ "$capability" = 90 ] && echo a)
  nvidia-smi --query-gpu=name,driver_version,memory.total,clocks.max.sm --format=csv,noheader
fi

skip() { echo "skipped: $*" && return 77; }
wanted() { [ -z "$only" ] || [[ $only == *,$1,* ]]; }
step() { # NAME: runs step_NAME, counts it and prints how long it took
  wanted "$1" || return 0
  local start=$SECONDS code
  printf '\n== %s\n' "$1"
  "step_$1"
  code=$?
  case $code in
    0) passed=$((passed + 1)) ;;
    77) skipped=$((skipped + 1)) ;;
    *) failed=$((failed + 1)) ;;
  esac
  printf '== %s: %s after %d s\n' "$1" \
    "$(case $code in 0) echo passed ;; 77) echo skipped ;; *) echo "FAILED ($code)" ;; esac)" $((SECONDS - start))
}

step_build() {
  if [ $emulated = yes ]; then
    "$node" scripts/setup.mjs --native --emulated || return 1
  else
    TILEGRAD_CUDA=ON TILEGRAD_CUDA_ARCHS=$arch-real CUDACXX=$nvcc "$node" scripts/setup.mjs --native --out "$build" || return 1
  fi
  "$node" scripts/setup.mjs --ts --programs
}

step_suite() {
  TILEGRAD_DEVICE=cuda TILEGRAD_TEST_DEVICES=cuda TILEGRAD_ADDON=$addon "$node" node_modules/vitest/vitest.mjs run
}

native() { # NAME SOURCE...: a program of test/cuda for this GPU
  local name=$1
  shift
  "$nvcc" -std=c++20 -O3 --expt-relaxed-constexpr -lineinfo -arch="sm_$arch" -Inative -Itest/cuda \
    -o "$build/$name" "${@/#/test/cuda/}"
}

# The wrappers without a case, by name.
unasked_wrappers() {
  local name
  while read -r name; do
    grep -Eqh "ptx::$name\b|_CASE\($name[,)]" test/cuda/ptx_case*.cuh || echo "$name"
  done < <(awk '/^\/\/ PTX sm_/ { want = 1; next } want && /^TILEGRAD_PTX/ { sub(/\(.*/, "", $3); print $3; want = 0 }' \
    native/core/cuda/ptx*.cuh)
}

step_conformance() {
  local unasked
  unasked=$(unasked_wrappers)
  [ -z "$unasked" ] || { echo "wrappers without a case in test/cuda/ptx_case*.cuh:" $unasked && return 1; }
  mkdir -p "$build"
  local generator=()
  command -v ninja >/dev/null && generator=(-G Ninja)
  cmake "${generator[@]}" -S test/cuda -B build-kernel-tests -DCMAKE_BUILD_TYPE= >"$build/conformance.log" 2>&1 &&
    cmake --build build-kernel-tests -j "$jobs" --target ptx_conformance >>"$build/conformance.log" 2>&1 ||
    { tail -30 "$build/conformance.log" && return 1; }
  if [ $emulated = yes ]; then
    TILEGRAD_EMULATOR_SCHEDULE=priority build-kernel-tests/ptx_conformance >"$build/conformance-gpu.txt" || return 1
  else
    native ptx_conformance ptx_conformance.cu && "$build/ptx_conformance" >"$build/conformance-gpu.txt" || return 1
  fi
  build-kernel-tests/ptx_conformance >"$build/conformance-twins.txt" || return 1
  "$node" scripts/compare-conformance.mjs "$build/conformance-gpu.txt" "$build/conformance-twins.txt" \
    $([ "${arch:-90a}" = 90a ] || echo --partial)
}

kernel_sources=(kernel_tests.cu library_kernels.cu op_kernels.cu wgmma_kernels.cu cluster_kernels.cu tensor_map_kernels.cu
  cooperative_kernels.cu conv_kernels.cu)

step_kernels() {
  if [ $emulated = yes ]; then scripts/kernel-tests.sh; return; fi
  native kernel_tests "${kernel_sources[@]}" && "$build/kernel_tests"
}

step_sanitizer() {
  [ $emulated = no ] || { skip "the emulated kernels have run under AddressSanitizer and ThreadSanitizer"; return; }
  local sanitizer tool log code
  sanitizer=$(command -v compute-sanitizer || echo "$cuda/bin/compute-sanitizer")
  [ -x "$sanitizer" ] || { skip "compute-sanitizer is not installed"; return; }
  [ -x "$build/kernel_tests" ] || native kernel_tests "${kernel_sources[@]}" || return 1
  for tool in memcheck racecheck initcheck synccheck; do
    log=$build/sanitizer-$tool.log
    "$sanitizer" --tool $tool --error-exitcode 9 "$build/kernel_tests" --small >"$log" 2>&1
    code=$?
    if grep -q 'Device not supported' "$log"; then skip "compute-sanitizer refuses this device"; return; fi
    grep -E '^[0-9]+ passed|ERROR SUMMARY' "$log" | sed "s/^/$tool: /"
    [ $code = 0 ] || { head -60 "$log" && return 1; }
  done
}

step_bench() {
  local options=(--out "$out")
  [ $emulated = no ] || options=(--out "$build/results" --tiny --seconds 0.002)
  TILEGRAD_ADDON=$addon "$node" build/ts/bench/gpu/index.js "${options[@]}" &&
    TILEGRAD_ADDON=$addon "$node" build/ts/bench/index.js devices --seconds $([ $emulated = no ] && echo 0.02 || echo 0.002)
}

for name in build suite conformance kernels sanitizer bench; do step $name; done
printf '\n%d passed, %d failed, %d skipped\n' $passed $failed $skipped
[ $failed = 0 ]
