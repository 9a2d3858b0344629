// what kernels take from CUDA, done by the processor; blocks run one after another, and the threads of a block take
// turns, each until it waits for others
#include <ucontext.h>
#include <functional>
#include <vector>
#include <cmath>
#include <cstring>
#include <algorithm>
using std::min; using std::max; using std::isfinite; using std::isnan;
#define __global__
#define __device__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __restrict__
struct double2 { double x, y; };
struct Dim { int x, y = 0; };
inline Dim threadIdx, blockIdx, blockDim, gridDim;
struct Fiber { ucontext_t context; std::vector<char> stack; bool done = false; };
inline std::vector<Fiber> fibers;
inline ucontext_t scheduler;
inline std::function<void()> kernel;
struct Barrier {
    int n, arrived = 0, turn = 0;
    void arrive_and_wait() {
        const int own = turn;
        if (++arrived == n) { arrived = 0; ++turn; }
        while (turn == own) swapcontext(&fibers[threadIdx.x].context, &scheduler);
    }
};
inline Barrier block_barrier;
inline std::vector<Barrier> warp_barriers;
inline void __syncthreads() { block_barrier.arrive_and_wait(); }
inline int or_flag;
inline void warp_sync() { warp_barriers[threadIdx.x / 32].arrive_and_wait(); }
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
inline int __any_sync(unsigned mask, bool p) { return __ballot_sync(mask, p) != 0; }
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
inline void run_fiber() { kernel(); fibers[threadIdx.x].done = true; }
template <class F> void launch(int grid, int threads, F f, int grid_y = 1) {
    gridDim = {grid, grid_y}; blockDim = {threads, 1}; kernel = f;
    for (int b = 0; b < grid * grid_y; ++b) {
        blockIdx = {b % grid, b / grid};
        block_barrier = {threads};
        warp_barriers.assign((threads + 31) / 32, {32});
        warp_barriers.back().n = threads - 32 * ((threads - 1) / 32);
        fibers.resize(threads);
        for (auto& fiber : fibers) {
            fiber.done = false; fiber.stack.resize(1 << 16);
            getcontext(&fiber.context);
            fiber.context.uc_stack = {fiber.stack.data(), 0, fiber.stack.size()};
            fiber.context.uc_link = &scheduler;
            makecontext(&fiber.context, run_fiber, 0);
        }
        for (bool some = true; some;) {
            some = false;
            for (int t = 0; t < threads; ++t) {
                if (fibers[t].done) continue;
                some = true; threadIdx.x = t;
                swapcontext(&scheduler, &fibers[t].context);
            }
        }
    }
}
