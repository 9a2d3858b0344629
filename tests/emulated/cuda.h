// what kernels take from CUDA, done by threads of the processor; blocks run one after another
#include <thread>
#include <barrier>
#include <vector>
#include <memory>
#include <cmath>
#include <cstring>
#include <algorithm>
using std::min; using std::max; using std::isfinite; using std::isnan;
#define __global__
#define __device__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __restrict__
struct Dim { int x, y = 0; };
inline thread_local Dim threadIdx, blockIdx;
inline Dim blockDim_, gridDim_;
#define blockDim blockDim_
#define gridDim gridDim_
inline std::unique_ptr<std::barrier<>> block_barrier;
inline std::vector<std::unique_ptr<std::barrier<>>> warp_barriers;
inline void __syncthreads() { block_barrier->arrive_and_wait(); }
inline int or_flag;
inline void warp_sync() { warp_barriers[threadIdx.x / 32]->arrive_and_wait(); }
inline double exchange[64][32];
template <class V> V shfl_from(V value, int lane) {
    const int w = threadIdx.x / 32; std::memcpy(&exchange[w][threadIdx.x % 32], &value, sizeof(V)); warp_sync();
    V out; std::memcpy(&out, &exchange[w][lane], sizeof(V)); warp_sync(); return out;
}
template <class V> V __shfl_xor_sync(unsigned, V v, int o) { return shfl_from(v, (threadIdx.x % 32) ^ o); }
template <class V> V __shfl_sync(unsigned, V v, int l) { return shfl_from(v, l); }
template <class V> V __shfl_up_sync(unsigned, V v, int o) { int l = (int)(threadIdx.x % 32) - o; return shfl_from(v, l < 0 ? threadIdx.x % 32 : l); }
inline unsigned __ballot_sync(unsigned, bool p) {
    unsigned out = 0; const int w = threadIdx.x / 32; exchange[w][threadIdx.x % 32] = p; warp_sync();
    for (int l = 0; l < 32; ++l) out |= (exchange[w][l] != 0.0) << l; warp_sync(); return out;
}
inline int __ffs(unsigned v) { return __builtin_ffs(v); }
inline int __syncthreads_or(int v) {
    if (threadIdx.x == 0) or_flag = 0; __syncthreads(); if (v) or_flag = 1; __syncthreads(); int out = or_flag; __syncthreads(); return out;
}
inline double mma_a[64][32][8], mma_b[64][32][4];
inline void mma(double (&sums)[4], const double* a, const double* b, int depth) {
    const int w = threadIdx.x / 32, lane = threadIdx.x % 32, g = lane / 4, t = lane % 4;
    for (int i = 0; i < depth / 2; ++i) mma_a[w][lane][i] = a[i];
    for (int i = 0; i < depth / 4; ++i) mma_b[w][lane][i] = b[i];
    warp_sync();
    for (int c = 0; c < 4; ++c) {
        const int m = g + c / 2 * 8, n = 2 * t + c % 2;
        for (int k = 0; k < depth; ++k)
            sums[c] += mma_a[w][(m % 8) * 4 + k % 4][2 * (k / 4) + m / 8] * mma_b[w][n * 4 + k % 4][k / 4];
    }
    warp_sync();
}
template <class F> void launch(int grid, int threads, F f) {
    gridDim_.x = grid; blockDim_.x = threads;
    for (int b = 0; b < grid; ++b) {
        block_barrier = std::make_unique<std::barrier<>>(threads);
        warp_barriers.clear();
        for (int w = 0; w < threads / 32; ++w) warp_barriers.push_back(std::make_unique<std::barrier<>>(32));
        std::vector<std::thread> all;
        for (int t = 0; t < threads; ++t) all.emplace_back([=] { threadIdx.x = t; blockIdx.x = b; f(); });
        for (auto& th : all) th.join();
    }
}
