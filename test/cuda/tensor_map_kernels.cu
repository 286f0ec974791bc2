// Boxes of tensor maps of two to five dimensions, hanging over the edges, and columns of pixels by im2col, against the same
// walk on the host.
#include "cases.h"
#include "core/cuda/ptx_tensor.cuh"
#include "harness.h"

namespace tilegrad::kernel_tests {
namespace {

struct Place {
  int at[5] = {};
  int tap_w = 0, tap_h = 0;
};

// One box into shared memory, then out as it lies there, without the swizzle.
template <int Rank, bool Im2col, Bug bug>
__global__ void __launch_bounds__(128)
    copy_box(const __grid_constant__ CUtensorMap map, const Place p, int bytes, bool swizzle,
             uint16_t* out) {
  DYNAMIC_SHARED(unsigned char, shared);
  SHARED_ARRAY(barrier, uint64_t[1]);
  if (threadIdx.x == 0) {
    ptx::mbarrier_init(barrier, 1);
    ptx::fence_mbarrier_init();
    ptx::mbarrier_expect_bytes(barrier, bug == Bug::box_bytes ? bytes - 16 : bytes);
    if constexpr (Im2col)
      ptx::tma_load_im2col_4d(shared, &map, barrier, p.at[0], p.at[1], p.at[2], p.at[3],
                              static_cast<uint16_t>(p.tap_w), static_cast<uint16_t>(p.tap_h));
    else if constexpr (Rank == 2 || bug == Bug::map_rank)
      ptx::tma_load_2d(shared, &map, barrier, p.at[0], p.at[1]);
    else if constexpr (Rank == 3)
      ptx::tma_load_3d(shared, &map, barrier, p.at[0], p.at[1], p.at[2]);
    else if constexpr (Rank == 4)
      ptx::tma_load_4d(shared, &map, barrier, p.at[0], p.at[1], p.at[2], p.at[3]);
    else
      ptx::tma_load_5d(shared, &map, barrier, p.at[0], p.at[1], p.at[2], p.at[3], p.at[4]);
  }
  __syncthreads();
  ptx::mbarrier_wait(barrier, 0);
  for (int i = threadIdx.x; i < bytes / 2; i += 128) {
    const int at = i * 2, place = swizzle ? at ^ (at >> 7 & 7) << 4 : at;
    out[i] = *reinterpret_cast<const uint16_t*>(shared + place);
  }
}

template <int Rank, bool Im2col, Bug bug>
Vector<uint16_t> copied(const CUtensorMap& map, const Place& place, int bytes, bool swizzle) {
  Device<uint16_t> out{size_t(bytes / 2)};
  check(launch(copy_box<Rank, Im2col, bug>, dim3(1), dim3(128), size_t(bytes), stream(), map, place,
               bytes, swizzle, out.p));
  Vector<uint16_t> values;
  out.read(values);
  return values;
}

// A box of a tensor whose sizes are 8 or 64, 3, 4, 5, 6, from before its first element to behind its last.
template <int Rank, Bug bug = Bug::none>
void test_tiled(bool swizzle, int step) {
  const int size[5] = {swizzle ? 64 : 24, 3, 4, 5, 6};
  Vector<cuuint64_t> sizes(size, size + Rank);
  Vector<cuuint32_t> box, steps;
  int count[5], elements = 1, total = 1;
  Place place;
  for (int d = 0; d < Rank; d++) {
    count[d] = d == 0 ? (swizzle ? 64 : 16) : 3;
    steps.push_back(cuuint32_t(d == 0 ? 1 : step));
    box.push_back(count[d] * steps[d]);
    place.at[d] = d == 0 ? 8 : d % 2 ? -1 : 2;
    elements *= size[d], total *= count[d];
  }
  const Vector<uint16_t> x = random_bf16(elements);
  Device<uint16_t> dx(x);
  const CUtensorMap map = tiled_map_bf16(dx.p, sizes, box, steps, swizzle);
  const Vector<uint16_t> out = copied<Rank, false, bug>(map, place, total * 2, swizzle);
  for (int i = 0; i < total; i++) {
    int rest = i, from = 0, pitch = 1;
    bool inside = true;
    for (int d = 0; d < Rank; d++) {
      const int at = place.at[d] + rest % count[d] * int(steps[d]);
      rest /= count[d];
      inside = inside && at >= 0 && at < size[d];
      from += at * pitch, pitch *= size[d];
    }
    expect_close(out[i], inside ? x[from] : 0, 0);
  }
}

struct Images {
  int n, h, w, c, r, s, stride, pad, dilation;
  int p() const { return (h + 2 * pad - (r - 1) * dilation - 1) / stride + 1; }
  int q() const { return (w + 2 * pad - (s - 1) * dilation - 1) / stride + 1; }
};

// 40 pixels by 64 channels, from pixel `first` of the output on, under every tap.
template <Bug bug = Bug::none>
void test_im2col(const Images& z, int first) {
  constexpr int kPixels = 40, kChannels = 64;
  const Vector<uint16_t> x = random_bf16(size_t(z.n) * z.h * z.w * z.c);
  Device<uint16_t> dx(x);
  const CUtensorMap map = im2col_map_bf16(
      dx.p, {cuuint64_t(z.c), cuuint64_t(z.w), cuuint64_t(z.h), cuuint64_t(z.n)}, {-z.pad, -z.pad},
      {z.pad - (z.s - 1) * z.dilation, z.pad - (z.r - 1) * z.dilation}, kPixels, z.stride);
  const int area = z.p() * z.q();
  for (int tap = 0; tap < z.r * z.s; tap++) {
    const int corner = bug == Bug::im2col_corner ? 0 : z.pad;
    const Place place{{0, first % z.q() * z.stride - corner,
                       first % area / z.q() * z.stride - corner, first / area},
                      tap % z.s * z.dilation,
                      tap / z.s * z.dilation};
    const auto out = copied<4, true, bug>(map, place, kPixels * kChannels * 2, true);
    for (int i = 0; i < kPixels * kChannels; i++) {
      const int pixel = first + i / kChannels, c = i % kChannels, image = pixel / area;
      const int h = pixel % area / z.q() * z.stride - z.pad + place.tap_h;
      const int w = pixel % z.q() * z.stride - z.pad + place.tap_w;
      const bool inside = image < z.n && h >= 0 && h < z.h && w >= 0 && w < z.w && c < z.c;
      expect_close(out[i], inside ? x[((image * z.h + h) * z.w + w) * z.c + c] : 0, 0);
    }
  }
}

// Maps that the driver refuses: a corner beyond 8 bits, an empty bounding box, a step beyond 8.
void test_refused_maps() {
  Device<uint16_t> x(64 * 64);
  const auto refused = [&](const Vector<int>& lower, const Vector<int>& upper, int stride) {
    CUtensorMap map;
    return encode_im2col(&map, x.p, {64, 8, 8, 1}, lower, upper, 8, stride) != CUDA_SUCCESS;
  };
  counts().current_ok = !refused({0, 0}, {0, 0}, 1) && refused({-129, 0}, {0, 0}, 1) &&
                        refused({0, 0}, {-8, 0}, 1) && refused({0, 0}, {0, 0}, 9);
}

constexpr Images kPadded{2, 5, 7, 64, 3, 3, 1, 1, 1};

}  // namespace

#define PLANTED(bug, call) \
  case Bug::bug:           \
    return run_case(kBugNames[int(Bug::bug)], [] { call; });

void run_planted_tensor_map(Bug bug) {
  switch (bug) {
    PLANTED(box_bytes, (test_tiled<4, Bug::box_bytes>(true, 1)))
    PLANTED(map_rank, (test_tiled<4, Bug::map_rank>(true, 1)))
    PLANTED(im2col_corner, test_im2col<Bug::im2col_corner>(kPadded, 69))
    default:
      return run_planted_cooperative(bug);
  }
}

void run_tensor_maps(bool small) {
  if (!on_hopper()) return;
  run_case("tensor map 2d", [] { test_tiled<2>(false, 1); });
  run_case("tensor map 3d", [] { test_tiled<3>(true, 1); });
  run_case("tensor map 4d", [] { test_tiled<4>(false, 2); });
  run_case("tensor map 5d", [] { test_tiled<5>(true, 1); });
  run_case("im2col, padded", [] { test_im2col(kPadded, 11); });
  run_case("im2col, behind the last image", [] { test_im2col(kPadded, 60); });
  run_case("maps that are refused", [] { test_refused_maps(); });
  if (small) return;
  run_case("tensor map 5d, every third", [] { test_tiled<5>(true, 3); });
  run_case("im2col, stride 2", [] { test_im2col({3, 9, 8, 96, 3, 2, 2, 1, 1}, 13); });
  run_case("im2col, dilation 3", [] { test_im2col({2, 9, 12, 40, 2, 3, 1, 2, 3}, 0); });
}

}  // namespace tilegrad::kernel_tests
