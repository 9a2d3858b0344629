// what both kernels of Lloyd's steps use
constexpr double FAR = 1.7976931348623157e308;
constexpr int WARPS = THREADS / 32;
enum { GOES_ON, STAYS, EMPTY };

// of centres as near as each other the first one is kept
__device__ __forceinline__ void keep_nearer(double distance, int which, double& nearest, int& best) {
    if (distance < nearest || (distance == nearest && which < best)) { nearest = distance; best = which; }
}

// the nearest of the centres that four neighbouring threads have found, told to all of them
__device__ __forceinline__ void agree(double& nearest, int& best) {
    #pragma unroll
    for (int offset = 1; offset < 4; offset *= 2) {
        const double other = __shfl_xor_sync(0xffffffff, nearest, offset);
        const int which = __shfl_xor_sync(0xffffffff, best, offset);
        keep_nearer(other, which, nearest, best);
    }
}

// the sum over a block of threads, known to all of them; the order is always the same
__device__ __forceinline__ double sum_of_block(double value, double* room) {
    #pragma unroll
    for (int offset = 16; offset > 0; offset /= 2) value += __shfl_xor_sync(0xffffffff, value, offset);
    __syncthreads();
    if (threadIdx.x % 32 == 0) room[threadIdx.x / 32] = value;
    __syncthreads();
    double sum = 0.0;
    for (int k = 0; k < WARPS; ++k) sum += room[k];
    return sum;
}

// add up partial sums, 8 values a block at a time: a thread has every 32nd of them
__device__ __forceinline__ void add_up(const double* partials, int n_partials, int n_values, double* sums, double* room) {
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    for (int first = 8 * blockIdx.x; first < n_values; first += 8 * gridDim.x) {
        const int at = first + lane % 8;
        double sum = 0.0;
        if (at < n_values) {
            #pragma unroll 8
            for (int i = threadIdx.x / 8; i < n_partials; i += THREADS / 8)
                sum += __ldcg(partials + (long long)i * n_values + at);
        }
        sum += __shfl_xor_sync(0xffffffff, sum, 8);
        sum += __shfl_xor_sync(0xffffffff, sum, 16);
        if (lane < 8) room[8 * warp + lane] = sum;
        __syncthreads();
        if (threadIdx.x < 8 && at < n_values) {
            sum = 0.0;
            for (int k = 0; k < WARPS; ++k) sum += room[8 * k + lane];
            sums[at] = sum;
        }
        __syncthreads();
    }
}
