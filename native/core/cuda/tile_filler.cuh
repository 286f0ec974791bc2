// How the threads of a block, or of a warpgroup, bring an operand of a tile product into shared memory: chunks of 16 bytes,
// each thread the same chunk of every line (or K) that it takes.
#pragma once

#include "core/cuda/launch.cuh"

namespace tilegrad::cuda {

// The operand has kAlongK; line(index), what is kept of a line or, along lines, of a chunk of them; step(k, end), what is
// kept of a K or a chunk of K's; and copy(to, line, step), which enqueues 16 bytes, zero outside. The tile has kThreads,
// kPer elements of a chunk, kChunks of a line (or of a K), kCount chunks of a thread, and at(outer, chunk), where in the
// tile chunk `chunk` of line (or K) `outer` lies.
template <class Operand, class Tile>
struct TileFiller {
  static constexpr bool kAlongK = Operand::kAlongK;
  static constexpr int kCount = Tile::kCount, kApart = Tile::kThreads / Tile::kChunks;
  static_assert(Tile::kThreads % Tile::kChunks == 0 && kCount > 0);

  const Operand& operand;
  int outer, chunk;
  typename Operand::Line lines[kAlongK ? kCount : 1];

  __device__ TileFiller(const Operand& from, int64_t line0)
      : operand(from),
        outer(static_cast<int>(threadIdx.x) / Tile::kChunks),
        chunk(static_cast<int>(threadIdx.x) % Tile::kChunks) {
    if constexpr (kAlongK) {
#pragma unroll
      for (int i = 0; i < kCount; i++) lines[i] = from.line(line0 + outer + i * kApart);
    } else {
      lines[0] = from.line(line0 + chunk * Tile::kPer);
    }
  }

  __device__ void fill(unsigned char* tile, int k0, int end) const {
    if constexpr (kAlongK) {
      const auto step = operand.step(k0 + chunk * Tile::kPer, end);
#pragma unroll
      for (int i = 0; i < kCount; i++)
        operand.copy(tile + Tile::at(outer + i * kApart, chunk), lines[i], step);
    } else {
#pragma unroll
      for (int i = 0; i < kCount; i++) {
        const int k = outer + i * kApart;
        operand.copy(tile + Tile::at(k, chunk), lines[0], operand.step(k0 + k, end));
      }
    }
  }
};

}  // namespace tilegrad::cuda
