// the kernel of lloyd_kernels.py, which gives the words in capitals and the products of tensor cores
constexpr double FAR = 1.7976931348623157e308;
constexpr int WARPS = THREADS / 32;
// values of a thread that are on their way before it stores the first one
constexpr int AHEAD = 8;

// the values of a thread in a tile of rows, one after another as they lie in memory
struct Place {
    int fast, slow, extent;

    __device__ __forceinline__ Place(int extent) : extent(extent) {
        fast = threadIdx.x % extent;
        slow = threadIdx.x / extent;
    }
    __device__ __forceinline__ void advance(int hop_fast, int hop_slow) {
        fast += hop_fast;
        slow += hop_slow;
        if (fast >= extent) { fast -= extent; ++slow; }
    }
};

extern "C" __global__ void __launch_bounds__(THREADS) lloyd(
    const VALUE* __restrict__ X, const double* __restrict__ weight, const double* __restrict__ centres,
    long long n_rows, int n_columns, int n_clusters, int stride, bool by_rows,
    double* __restrict__ sums, int* __restrict__ labels, const int* __restrict__ state
) {
    extern __shared__ __align__(16) double shared[];
    if (state && state[0]) return;                          // steps before this one were the last
    const int thread = threadIdx.x, lane = thread % 32, warp = thread / 32, width = n_columns + 1;
    const int n_steps = (n_columns + 7) / 8;
    double2* slopes = (double2*)shared;                     // [CLUSTER_TILES][n_steps][32]
    double* tile = (double*)(slopes + CLUSTER_TILES * n_steps * 32);   // [ROWS][stride], and 16 values
    double* norm = tile + ROWS * stride + 16;               // [CLUSTER_TILES][8]
    double* origin = norm + 8 * CLUSTER_TILES;              // [n_columns]
    double* weights = origin + n_columns;                   // [ROWS]
    double* own_inertia = weights + ROWS;                   // [ROWS], then [CLUSTER_TILES][8] for clusters found
    int* label = (int*)(own_inertia + ROWS + 8 * CLUSTER_TILES);       // [ROWS]

    // centres are less the origin, which follows them; a thread's two slopes for 8 columns and 8 clusters side by side
    for (int i = thread; i < n_columns; i += THREADS) origin[i] = centres[n_clusters * n_columns + i];
    double* slope = (double*)slopes;
    #pragma unroll 4
    for (int i = thread; i < CLUSTER_TILES * n_steps * 64; i += THREADS) {
        const int step = i / 64, k = step / n_steps * 8 + i / 8 % 8, j = step % n_steps * 8 + i / 2 % 4 + i % 2 * 4;
        slope[i] = k < n_clusters && j < n_columns ? -2.0 * centres[k * n_columns + j] : 0.0;
    }
    // rows that no row was stored in are zero, and the column behind the others counts
    for (int i = thread; i < ROWS * stride + 16; i += THREADS) tile[i] = i % stride == n_columns ? 1.0 : 0.0;
    __syncthreads();
    for (int k = thread; k < 8 * CLUSTER_TILES; k += THREADS) {
        double square = 0.0;
        for (int j = 0; j < n_columns; ++j) {
            const double value = slope[((k / 8 * n_steps + j / 8) * 8 + k % 8) * 8 + j % 4 * 2 + j % 8 / 4];
            square += 0.25 * value * value;
        }
        norm[k] = k < n_clusters ? square : FAR;
        if (ASSIGN) own_inertia[ROWS + k] = 0.0;
    }

    // a warp sums the products of 16 columns and the rows of 8 clusters, for OWN such pairs, or for one with others
    constexpr int SUMMING = OWN > 1 ? WARPS : PAIRS, GROUPS = WARPS / SUMMING;
    const int group = warp / SUMMING, first_pair = warp % SUMMING * OWN, n_lines = (width + 15) / 16;
    double total[OWN][4];
    #pragma unroll
    for (int i = 0; i < OWN; ++i) total[i][0] = total[i][1] = total[i][2] = total[i][3] = 0.0;

    const Place first(by_rows ? n_columns : ROWS);
    const int hop_fast = THREADS % first.extent, hop_slow = THREADS / first.extent;
    const long long row_step = by_rows ? n_columns : 1, column_step = by_rows ? 1 : n_rows;
    double inertia = 0.0;
    for (long long start = (long long)blockIdx.x * ROWS; start < n_rows; start += (long long)gridDim.x * ROWS) {
        const int n_here = (int)min((long long)ROWS, n_rows - start), n_slow = by_rows ? n_here : n_columns;
        const VALUE* rows = X + start * row_step;
        for (Place from = first, to = first; from.slow < n_slow;) {
            VALUE held[AHEAD];
            #pragma unroll
            for (int a = 0; a < AHEAD; ++a) {
                const int row = by_rows ? from.slow : from.fast, column = by_rows ? from.fast : from.slow;
                if (row < n_here && column < n_columns) held[a] = rows[row * row_step + column * column_step];
                from.advance(hop_fast, hop_slow);
            }
            #pragma unroll
            for (int a = 0; a < AHEAD; ++a) {
                const int row = by_rows ? to.slow : to.fast, column = by_rows ? to.fast : to.slow;
                if (row < n_here && column < n_columns) tile[row * stride + column] = (double)held[a] - origin[column];
                to.advance(hop_fast, hop_slow);
            }
        }
        if (thread < ROWS) weights[thread] = weight && thread < n_here ? weight[start + thread] : 1.0;
        __syncthreads();
        // a warp finds the centres next to 16 rows: a thread has two of the rows, and two of each 8 centres
        if (warp < ROWS / 16) {
            const double* own = tile + (16 * warp + lane / 4) * stride + lane % 4;
            double nearest[2] = {FAR, FAR};
            int best[2] = {0, 0};
            #pragma unroll 1
            for (int at = 0; at < CLUSTER_TILES; at += TOGETHER) {
                double distance[TOGETHER][4];
                #pragma unroll
                for (int k = 0; k < TOGETHER; ++k)
                    distance[k][0] = distance[k][1] = distance[k][2] = distance[k][3] = 0.0;
                const double2* facing = slopes + at * n_steps * 32 + lane;
                #pragma unroll 2
                for (int step = 0; step < n_steps; ++step) {
                    const double* values = own + 8 * step;
                    const double a[4] = {values[0], values[8 * stride], values[4], values[8 * stride + 4]};
                    #pragma unroll
                    for (int k = 0; k < TOGETHER; ++k) {
                        const double2 pair = facing[(k * n_steps + step) * 32];
                        const double b[2] = {pair.x, pair.y};
                        multiply_add(distance[k], a, b);
                    }
                }
                #pragma unroll
                for (int k = 0; k < TOGETHER; ++k)
                    #pragma unroll
                    for (int c = 0; c < 4; ++c) {
                        const int cluster = 8 * (at + k) + lane % 4 * 2 + c % 2;
                        const double here = distance[k][c] + norm[cluster];
                        if (here < nearest[c / 2]) { nearest[c / 2] = here; best[c / 2] = cluster; }
                    }
            }
            #pragma unroll
            for (int half = 0; half < 2; ++half) {
                #pragma unroll
                for (int offset = 1; offset < 4; offset *= 2) {
                    const double other = __shfl_xor_sync(0xffffffff, nearest[half], offset);
                    const int which = __shfl_xor_sync(0xffffffff, best[half], offset);
                    // of centres as near as each other the first one
                    if (other < nearest[half] || (other == nearest[half] && which < best[half])) {
                        nearest[half] = other;
                        best[half] = which;
                    }
                }
                const int row = 16 * warp + lane / 4 + 8 * half;
                if (lane % 4 == 0) label[row] = row < n_here ? best[half] : -1;
            }
        }
        __syncthreads();
        if (ASSIGN) {
            if (thread < n_here) {
                const int best = label[thread];
                const double* centre = slope + (best / 8 * n_steps * 8 + best % 8) * 8;
                double square = 0.0;
                for (int j = 0; j < n_columns; ++j) {
                    const double apart = tile[thread * stride + j] + 0.5 * centre[j / 8 * 64 + j % 4 * 2 + j % 8 / 4];
                    square += apart * apart;
                }
                inertia += weights[thread] * square;
                labels[start + thread] = best;
                own_inertia[ROWS + best] = 1.0;
            }
        } else if (group < GROUPS) {
            for (int set = group; set < ROWS / 8; set += GROUPS) {
                const int row = 8 * set + lane % 4, its[2] = {label[row], label[row + 4]};
                const double* own = tile + row * stride + lane / 4;
                int cluster = first_pair / n_lines * 8 + lane / 4, line = first_pair % n_lines;
                #pragma unroll
                for (int i = 0; i < OWN; ++i) {
                    const bool is_its[2] = {its[0] == cluster, its[1] == cluster};
                    if (__any_sync(0xffffffff, is_its[0] || is_its[1])) {
                        const double* values = own + 16 * line;
                        const double a[4] = {values[0], values[8], values[4 * stride], values[4 * stride + 8]};
                        const double b[2] = {is_its[0] ? weights[row] : 0.0, is_its[1] ? weights[row + 4] : 0.0};
                        multiply_add(total[i], a, b);
                    }
                    if (++line == n_lines) { line = 0; cluster += 8; }
                }
            }
        }
        __syncthreads();
    }
    double* out = sums + (long long)blockIdx.x * (ASSIGN ? n_clusters + 1 : n_clusters * width);
    if (ASSIGN) {
        if (thread < ROWS) own_inertia[thread] = inertia;
        for (int k = thread; k < n_clusters; k += THREADS) out[k] = own_inertia[ROWS + k];
        __syncthreads();
        if (thread == 0) {
            double sum = 0.0;
            for (int i = 0; i < ROWS; ++i) sum += own_inertia[i];
            out[n_clusters] = sum;
        }
        return;
    }
    if (GROUPS > 1) {
        double* slots = tile + 128 * warp + lane;
        #pragma unroll
        for (int c = 0; c < 4; ++c) slots[32 * c] = total[0][c];
        __syncthreads();
        if (group > 0) return;
        for (int other = 1; other < GROUPS; ++other)
            #pragma unroll
            for (int c = 0; c < 4; ++c) total[0][c] += slots[128 * SUMMING * other + 32 * c];
    } else if (group > 0) return;
    #pragma unroll
    for (int i = 0; i < OWN; ++i)
        #pragma unroll
        for (int c = 0; c < 4; ++c) {
            const int pair = first_pair + i, column = pair % n_lines * 16 + lane / 4 + c / 2 * 8;
            const int cluster = pair / n_lines * 8 + lane % 4 * 2 + c % 2;
            if (column < width && cluster < n_clusters) out[cluster * width + column] = total[i][c];
        }
}
