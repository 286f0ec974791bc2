// Compiler differences in one place: the same headers are read by g++, nvcc's host pass and nvcc's device pass.
#pragma once

#if defined(__CUDACC__)
#define TG_HOST_DEVICE __host__ __device__ __forceinline__
#else
#define TG_HOST_DEVICE inline
#endif
