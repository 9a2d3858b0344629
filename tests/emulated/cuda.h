// What kernels take from CUDA, done by the processor; blocks run one after another, or all at once, and their threads
// take turns, each until it waits for others. Which one is next, and whether a copy comes at once or only when it is
// waited for, is by chance, the same in each run: what a kernel leaves to chance shows in what it computes.
#include <ucontext.h>
#include <functional>
#include <vector>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <algorithm>
using std::min; using std::max; using std::isfinite; using std::isnan;
#define __global__
#define __device__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __restrict__
inline double __dmul_rn(double a, double b) { return a * b; }
struct double2 { double x, y; };
struct Dim { int x, y = 0; };
inline Dim threadIdx, blockIdx, blockDim, gridDim;
struct Copy { void* to; const void* from; int n_bytes, group; };
struct Fiber {
    ucontext_t context;
    std::vector<char> stack;
    std::vector<Copy> copies;         // on their way, with the number of their group
    int group;                        // that is open
    const int* barrier_turn;          // which changes when it may go on
    int waits_in_turn, block, thread;
    bool done;
    bool waits() const { return barrier_turn && *barrier_turn == waits_in_turn; }
};
inline std::vector<Fiber> fibers;
inline ucontext_t scheduler;
inline std::function<void()> kernel;
inline Fiber* current;
inline unsigned last_number = 1;
inline unsigned chance(unsigned n) {
    last_number ^= last_number << 13; last_number ^= last_number >> 17; last_number ^= last_number << 5;
    return last_number % n;
}
// what a kernel did wrong, if anything, and how often its threads have waited in vain
inline const char* fault;
inline int n_in_vain;
inline void give_way() { swapcontext(&current->context, &scheduler); }
struct Barrier {
    int n, arrived = 0, turn = 0;
    void arrive_and_wait() {
        current->barrier_turn = &turn;
        current->waits_in_turn = turn;
        if (++arrived == n) { arrived = n_in_vain = 0; ++turn; }
        else give_way();
    }
};
// of the blocks that run at once: one, or all of a cooperative launch
struct Block { Barrier barrier; std::vector<Barrier> warps; int or_flag; };
inline std::vector<Block> blocks;
inline Block& own_block() { return blocks[current->block]; }
// shared memory; where nobody wrote, numbers are NaN, and integers too large for an index
constexpr int SHARED_WORDS = 100'000;
constexpr unsigned UNWRITTEN = 0x7fffffff;
alignas(16) inline unsigned all_shared[8][SHARED_WORDS];
inline void* own_shared() { return all_shared[current->block]; }
inline void copy_async(void* to, const void* from, int n_bytes) {
    if ((uintptr_t)to % n_bytes || (uintptr_t)from % n_bytes) fault = "copied to or from an address that is not aligned";
    if (chance(2)) std::memcpy(to, from, n_bytes);
    else current->copies.push_back({to, from, n_bytes, current->group});
}
inline void commit_group() { ++current->group; }
inline void wait_group(int n_left) {
    std::erase_if(current->copies, [=](const Copy& copy) {
        const bool comes = copy.group < current->group - n_left;
        if (comes) std::memcpy(copy.to, copy.from, copy.n_bytes);
        return comes;
    });
}
inline void __syncthreads() { own_block().barrier.arrive_and_wait(); }
inline void warp_sync() { own_block().warps[threadIdx.x / 32].arrive_and_wait(); }
inline int warp_number() { return current->block * (blockDim.x + 31) / 32 + threadIdx.x / 32; }
inline void __threadfence() {}
inline void __nanosleep(int) { ++n_in_vain; give_way(); }
inline int atomicAdd(int* at, int value) { const int before = *at; *at += value; return before; }
template <class V> V __ldcg(const V* at) { return *at; }
inline void __syncwarp() { warp_sync(); }
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
inline unsigned __reduce_or_sync(unsigned mask, unsigned v) {
    for (int o = 16; o > 0; o /= 2) v |= __shfl_xor_sync(mask, v, o);
    return v;
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
// of warps, a bit each: those that come much later
inline unsigned late;
// let each thread that need not wait run on, in any order; false if there is none
inline bool run_on(std::vector<int>& order, int first_block, int n_across) {
    bool some = false;
    for (size_t i = order.size() - 1; i > 0; --i) std::swap(order[i], order[chance(i + 1)]);
    if (chance(16) == 0) late = chance(1 << 24);
    for (int i : order) {
        Fiber& fiber = fibers[i];
        if (fiber.done || fiber.waits()) continue;
        some = true;
        if (late >> i / 32 % 24 & 1) continue;
        current = &fiber; threadIdx.x = fiber.thread;
        blockIdx = {(first_block + fiber.block) % n_across, (first_block + fiber.block) / n_across};
        swapcontext(&scheduler, &fiber.context);
    }
    return some;
}
// say what went wrong; null if nothing did
template <class F> const char* launch(
    int grid, int threads, F f, int grid_y = 1, bool at_once = false, int n_shared = 4 * SHARED_WORDS
) {
    gridDim = {grid, grid_y}; blockDim = {threads, 1}; kernel = f; fault = nullptr;
    const int n_blocks = at_once ? grid * grid_y : 1;
    for (int first = 0; first < grid * grid_y; first += n_blocks) {
        blocks.assign(n_blocks, Block{{threads}, std::vector<Barrier>((threads + 31) / 32, Barrier{32})});
        for (auto& block : blocks) block.warps.back().n = threads - 32 * ((threads - 1) / 32);
        fibers.resize(threads * n_blocks);
        for (int i = 0; i < threads * n_blocks; ++i) {
            Fiber& fiber = fibers[i];
            fiber.done = false; fiber.block = i / threads; fiber.thread = i % threads; fiber.stack.resize(1 << 16);
            fiber.copies.clear(); fiber.group = 0; fiber.barrier_turn = nullptr;
            getcontext(&fiber.context);
            fiber.context.uc_stack = {fiber.stack.data(), 0, fiber.stack.size()};
            fiber.context.uc_link = &scheduler;
            makecontext(&fiber.context, run_fiber, 0);
        }
        for (int b = 0; b < n_blocks; ++b) std::fill_n(all_shared[b], SHARED_WORDS, UNWRITTEN);
        std::vector<int> order(fibers.size());
        for (size_t i = 0; i < order.size(); ++i) order[i] = i;
        n_in_vain = 0;
        while (n_in_vain < 100'000 && run_on(order, first, grid)) {}
        if (!std::all_of(fibers.begin(), fibers.end(), [](auto& fiber) { return fiber.done; }))
            return "has threads that wait for others, which do not come";
        for (int b = 0; b < n_blocks; ++b)
            if (!std::all_of(all_shared[b] + n_shared / 4, all_shared[b] + SHARED_WORDS,
                             [](unsigned word) { return word == UNWRITTEN; }))
                return "wrote to shared memory that it had not asked for";
    }
    return fault;
}
