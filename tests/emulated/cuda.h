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
struct Fiber { ucontext_t context; std::vector<char> stack; bool done = false; int block = 0, thread = 0; };
inline std::vector<Fiber> fibers;
inline ucontext_t scheduler;
inline std::function<void()> kernel;
inline Fiber* current;
inline void give_way() { swapcontext(&current->context, &scheduler); }
struct Barrier {
    int n, arrived = 0, turn = 0;
    void arrive_and_wait() {
        const int own = turn;
        if (++arrived == n) { arrived = 0; ++turn; }
        while (turn == own) give_way();
    }
};
// of the blocks that run at once: one, or all of a cooperative launch
struct Block { Barrier barrier; std::vector<Barrier> warps; int or_flag; };
inline std::vector<Block> blocks;
inline Block& own_block() { return blocks[current->block]; }
inline void __syncthreads() { own_block().barrier.arrive_and_wait(); }
inline void warp_sync() { own_block().warps[threadIdx.x / 32].arrive_and_wait(); }
inline int warp_number() { return current->block * (blockDim.x + 31) / 32 + threadIdx.x / 32; }
inline void __threadfence() {}
inline void __nanosleep(int) { give_way(); }
inline int atomicAdd(int* at, int value) { const int before = *at; *at += value; return before; }
template <class V> V __ldcg(const V* at) { return *at; }
inline double exchange[256][32];
template <class V> V shfl_from(V value, int lane) {
    const int w = warp_number(); std::memcpy(&exchange[w][threadIdx.x % 32], &value, sizeof(V)); warp_sync();
    V out; std::memcpy(&out, &exchange[w][lane], sizeof(V)); warp_sync(); return out;
}
template <class V> V __shfl_xor_sync(unsigned, V v, int o) { return shfl_from(v, (threadIdx.x % 32) ^ o); }
template <class V> V __shfl_sync(unsigned, V v, int l) { return shfl_from(v, l); }
template <class V> V __shfl_up_sync(unsigned, V v, int o) { int l = (int)(threadIdx.x % 32) - o; return shfl_from(v, l < 0 ? threadIdx.x % 32 : l); }
inline unsigned __ballot_sync(unsigned, bool p) {
    unsigned out = 0; const int w = warp_number(); exchange[w][threadIdx.x % 32] = p; warp_sync();
    for (int l = 0; l < 32; ++l) out |= (exchange[w][l] != 0.0) << l; warp_sync(); return out;
}
inline int __any_sync(unsigned mask, bool p) { return __ballot_sync(mask, p) != 0; }
inline int __ffs(unsigned v) { return __builtin_ffs(v); }
inline int __syncthreads_or(int v) {
    int& flag = own_block().or_flag;
    if (threadIdx.x == 0) flag = 0; __syncthreads(); if (v) flag = 1; __syncthreads(); int out = flag; __syncthreads(); return out;
}
inline double mma_a[256][32][8], mma_b[256][32][4];
inline void mma(double (&sums)[4], const double* a, const double* b, int depth) {
    const int w = warp_number(), lane = threadIdx.x % 32, g = lane / 4, t = lane % 4;
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
inline void mma(double (&sums)[2], double a, double b) {
    const int w = warp_number(), lane = threadIdx.x % 32, g = lane / 4, t = lane % 4;
    mma_a[w][lane][0] = a; mma_b[w][lane][0] = b;
    warp_sync();
    for (int c = 0; c < 2; ++c)
        for (int k = 0; k < 4; ++k) sums[c] += mma_a[w][g * 4 + k][0] * mma_b[w][(2 * t + c) * 4 + k][0];
    warp_sync();
}
inline double rsqrt(double value) { return 1 / std::sqrt(value); }
inline void run_fiber() { kernel(); current->done = true; }
template <class F> void launch(int grid, int threads, F f, int grid_y = 1, bool at_once = false) {
    gridDim = {grid, grid_y}; blockDim = {threads, 1}; kernel = f;
    const int n_blocks = at_once ? grid * grid_y : 1;
    for (int first = 0; first < grid * grid_y; first += n_blocks) {
        blocks.assign(n_blocks, Block{{threads}, std::vector<Barrier>((threads + 31) / 32, Barrier{32})});
        for (auto& block : blocks) block.warps.back().n = threads - 32 * ((threads - 1) / 32);
        fibers.resize(threads * n_blocks);
        for (int i = 0; i < threads * n_blocks; ++i) {
            Fiber& fiber = fibers[i];
            fiber.done = false; fiber.block = i / threads; fiber.thread = i % threads; fiber.stack.resize(1 << 16);
            getcontext(&fiber.context);
            fiber.context.uc_stack = {fiber.stack.data(), 0, fiber.stack.size()};
            fiber.context.uc_link = &scheduler;
            makecontext(&fiber.context, run_fiber, 0);
        }
        for (bool some = true; some;) {
            some = false;
            for (auto& fiber : fibers) {
                if (fiber.done) continue;
                some = true; current = &fiber; threadIdx.x = fiber.thread;
                const int b = first + fiber.block;
                blockIdx = {b % grid, b / grid};
                swapcontext(&scheduler, &fiber.context);
            }
        }
    }
}
