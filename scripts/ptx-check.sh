#!/usr/bin/env bash
# Assembles every wrapper of ptx.cuh and ptx_sm90.cuh with ptxas for each target that it claims, and checks
# that test/cuda/ptx_wrappers.cu names each of them with the target of its "// PTX sm_N" line.
# Prints "N passed, N failed". Skipped, in words, where there is no nvcc.
set -uo pipefail
cd "$(dirname "$0")/.."
nvcc=${NVCC:-$(command -v nvcc || echo /usr/local/cuda/bin/nvcc)}
if [ ! -x "$nvcc" ]; then
  echo "ptx check skipped: no nvcc"
  exit 0
fi
passed=0 failed=0
tally() {
  if [ "$1" = 0 ]; then passed=$((passed + 1)); else failed=$((failed + 1)) && echo "FAIL $2"; fi
}

while read -r target name; do
  grep -q "^KERNEL(${target%a}, $name," test/cuda/ptx_wrappers.cu
  tally $? "$name (sm_$target) has no kernel in test/cuda/ptx_wrappers.cu with that target"
done < <(awk '/^\/\/ PTX sm_/ { sub("sm_", "", $3); target = $3; want = 1; next }
              want && /^TILEGRAD_PTX/ { sub(/\(.*/, "", $3); print target, $3; want = 0 }' \
  native/core/cuda/ptx*.cuh)

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
for target in 75 80 86 89 90 90a 100a 120a; do
  log=$("$nvcc" -std=c++20 -Inative -arch="sm_$target" -cubin -o "$dir/$target.cubin" test/cuda/ptx_wrappers.cu 2>&1)
  code=$?
  [ $code = 0 ] || printf '%s\n' "$log" | head -20
  tally $code "ptx_wrappers.cu for sm_$target"
done
# The named kernels keep their sums in registers, and the Hopper ones their setmaxnreg.
for pair in test/cuda/kernel_tests:90a test/cuda/cluster_kernels:90a test/cuda/library_kernels:80 test/cuda/wgmma_kernels:90a \
  native/core/cuda/gemm_wgmma:90a native/core/cuda/int8_gemm_wgmma:90a native/ops/conv2d/conv2d_mma_cuda:80 \
  native/ops/conv2d/conv2d_mma_cuda:90a native/ops/conv2d/conv2d_tma_cuda:90a native/ops/int8_conv2d/int8_conv2d_wgmma_cuda:90a \
  native/ops/semi_structured/semi_structured_cuda:80 native/ops/semi_structured/semi_structured_cuda:90a; do
  name=${pair%:*} target=${pair#*:}
  log=$("$nvcc" -std=c++20 --expt-relaxed-constexpr -Inative -Itest/cuda -arch="sm_$target" -cubin -Xptxas -v \
    -o "$dir/tests.cubin" "$name.cu" 2>&1)
  tally $? "$name.cu for sm_$target"
  bad='[1-9][0-9]* bytes spill|C7508|C7510'
  case $name in native/*) bad+='|C7514|C7520' ;; esac # the test kernels may be serialised
  ! printf '%s\n' "$log" | grep -E "$bad"
  tally $? "$name.cu for sm_$target: spills, or setmaxnreg or wgmma was weakened"
done
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
