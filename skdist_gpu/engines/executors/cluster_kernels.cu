// the kernels of cluster_kernels.py, which gives the numbers in capitals
using T = VALUE;

__device__ __forceinline__ T value_of(
    const T* X, long long row, int column, long long n_rows, int n_columns, bool by_rows
) {
    return by_rows ? X[row * n_columns + column] : X[column * n_rows + row];
}

// the sum over a block of ROWS x LANES threads, known to the first one; the order is always the same
__device__ __forceinline__ double sum_of_block(double value, double* room) {
    for (int offset = 16; offset > 0; offset /= 2) value += __shfl_xor_sync(0xffffffff, value, offset);
    __syncthreads();
    if (threadIdx.x % 32 == 0) room[threadIdx.x / 32] = value;
    __syncthreads();
    double sum = 0.0;
    for (int k = 0; k < ROWS * LANES / 32; ++k) sum += room[k];
    return sum;
}

// For ROWS rows, LANES threads each, and each candidate, the squared distance of each row to the nearest of it and
// the centres before, and weighted sums. The candidates come by panels of columns.
extern "C" __global__ void __launch_bounds__(ROWS * LANES) measure(
    const T* __restrict__ X, const double* __restrict__ weight, long long n_rows, int n_columns, bool by_rows,
    const int* __restrict__ candidates, int n_candidates, const double* __restrict__ before,
    const int* __restrict__ best, double* __restrict__ after, double* __restrict__ potentials
) {
    __shared__ double room[ROWS * LANES / 32], panel[MOST_CANDIDATES * PANEL];
    const long long row = (long long)blockIdx.x * ROWS + threadIdx.x / LANES;
    const int lane = threadIdx.x % LANES;
    double distance[MOST_CANDIDATES];
    #pragma unroll
    for (int k = 0; k < MOST_CANDIDATES; ++k) distance[k] = 0.0;
    for (int first = 0; first < n_columns; first += PANEL) {
        const int n_here = min(PANEL, n_columns - first);
        __syncthreads();
        for (int i = threadIdx.x; i < n_candidates * n_here; i += ROWS * LANES) {
            const int k = i / n_here, j = i % n_here;
            panel[k * PANEL + j] = value_of(X, candidates[k], first + j, n_rows, n_columns, by_rows);
        }
        __syncthreads();
        if (row < n_rows)
            #pragma unroll 2
            for (int j = lane; j < n_here; j += LANES) {
                const double value = value_of(X, row, first + j, n_rows, n_columns, by_rows);
                #pragma unroll
                for (int k = 0; k < MOST_CANDIDATES; ++k)
                    if (k < n_candidates) {
                        const double apart = value - panel[k * PANEL + j];
                        distance[k] += apart * apart;
                    }
            }
    }
    #pragma unroll
    for (int k = 0; k < MOST_CANDIDATES; ++k)
        if (k < n_candidates)
            for (int offset = 1; offset < LANES; offset *= 2)
                distance[k] += __shfl_xor_sync(0xffffffff, distance[k], offset);
    if (row < n_rows) {
        const double nearest = before ? before[*best * n_rows + row] : 1.7976931348623157e308;
        #pragma unroll
        for (int k = 0; k < MOST_CANDIDATES; ++k)
            if (k < n_candidates) {
                distance[k] = fmin(distance[k], nearest);
                if (lane == 0) after[k * n_rows + row] = distance[k];
                distance[k] *= lane == 0 ? weight[row] : 0.0;
            }
    }
    #pragma unroll
    for (int k = 0; k < MOST_CANDIDATES; ++k)
        if (k < n_candidates) {
            const double sum = sum_of_block(distance[k], room);
            if (threadIdx.x == 0) potentials[(long long)k * gridDim.x + blockIdx.x] = sum;
        }
}

// a warp finds the first of n values with which their running sum reaches the target, less what stands before it
template <typename Values>
__device__ __forceinline__ int reach(Values values, int n, double& target) {
    const int lane = threadIdx.x % 32;
    for (int start = 0; start < n; start += 32) {
        double sum = start + lane < n ? values(start + lane) : 0.0;
        const double own = sum;
        for (int offset = 1; offset < 32; offset *= 2) {
            const double other = __shfl_up_sync(0xffffffff, sum, offset);
            if (lane >= offset) sum += other;
        }
        const unsigned there = __ballot_sync(0xffffffff, sum >= target && start + lane < n);
        if (there) {
            const int first = __ffs(there) - 1;
            target -= __shfl_sync(0xffffffff, sum - own, first);
            return start + first;
        }
        target -= __shfl_sync(0xffffffff, sum, 31);
    }
    return n - 1;  // rounding has left a little
}

// keep the candidate with the smallest sum, and draw the next ones with chances in proportion to their distances
extern "C" __global__ void __launch_bounds__(THREADS) choose(
    const double* __restrict__ potentials, const double* __restrict__ after, const double* __restrict__ weight,
    long long n_rows, int n_blocks, int n_candidates, const double* __restrict__ uniform, int n_next,
    int* __restrict__ candidates, int* __restrict__ best, int* __restrict__ chosen
) {
    __shared__ double totals[MOST_CANDIDATES];
    __shared__ int kept;
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    for (int k = warp; k < n_candidates; k += THREADS / 32) {
        double sum = 0.0;
        for (int i = lane; i < n_blocks; i += 32) sum += potentials[(long long)k * n_blocks + i];
        for (int offset = 16; offset > 0; offset /= 2) sum += __shfl_xor_sync(0xffffffff, sum, offset);
        if (lane == 0) totals[k] = sum;
    }
    __syncthreads();
    if (threadIdx.x == 0) {
        kept = 0;
        for (int k = 1; k < n_candidates; ++k)
            if (totals[k] < totals[kept]) kept = k;
        *best = kept;
        *chosen = candidates[kept];
    }
    __syncthreads();
    for (int k = warp; k < n_next; k += THREADS / 32) {
        double target = uniform[k] * totals[kept];
        const double* sums = potentials + (long long)kept * n_blocks;
        const int block = reach([&](int i) { return sums[i]; }, n_blocks, target);
        const long long start = (long long)block * ROWS;
        const double* distance = after + kept * n_rows + start;
        const int n_here = (int)min((long long)ROWS, n_rows - start);
        const int row = reach([&](int i) { return distance[i] * weight[start + i]; }, n_here, target);
        if (lane == 0) candidates[k] = (int)(start + row);
    }
}
