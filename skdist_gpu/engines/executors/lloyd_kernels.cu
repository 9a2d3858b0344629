// the kernel of lloyd_kernels.py, which gives the words in capitals; common.cu stands before it
constexpr double FAR = 1.7976931348623157e308;
constexpr int WARPS = THREADS / 32;
enum { GOES_ON, STAYS, EMPTY };

struct Table {
    const VALUE* X;
    const double* weight;
    long long n_rows;
    int n_columns, n_clusters;
    bool by_rows, aligned, shifted;
};

// a tile of rows in shared memory, and what is known of it and of the centres
struct Tile {
    const Table& table;
    const int stride, n_steps;      // of a row of the tile; of 8 columns each
    double* slope;                  // [CLUSTER_TILES][n_steps][32][2]: -2 x centre, a thread's two values side by side
    double* values;                 // [ROWS][stride], and 16 values
    double* norm;                   // [CLUSTER_TILES][8]
    double* origin;                 // [n_columns]
    double* weights;                // [ROWS]
    double* room;                   // [2][WARPS][8]
    double* arriving_weights;       // [ROWS]
    VALUE* arriving;                // [ROWS][n_columns], or [n_columns][ROWS]
    int* label;                     // [ROWS]

    __device__ __forceinline__ Tile(const Table& table, int stride, double* shared)
        : table(table), stride(stride), n_steps((table.n_columns + 7) / 8) {
        slope = shared;
        arriving_weights = slope + CLUSTER_TILES * n_steps * 64;
        arriving = (VALUE*)(arriving_weights + ROWS);
        values = arriving_weights + ROWS + (ROWS * table.n_columns * (int)sizeof(VALUE) + 7) / 8;
        norm = values + ROWS * stride + 16;
        origin = norm + 8 * CLUSTER_TILES;
        weights = origin + table.n_columns;
        room = weights + ROWS;
        label = (int*)(room + 16 * WARPS);
    }

    // where the slope of a cluster and a column stands
    __device__ __forceinline__ int place(int k, int j) const {
        return ((k / 8 * n_steps + j / 8) * 8 + k % 8) * 8 + j % 4 * 2 + j % 8 / 4;
    }
    __device__ __forceinline__ int cluster(int place) const { return place / 64 / n_steps * 8 + place / 8 % 8; }
    __device__ __forceinline__ int column(int place) const {
        return place / 64 % n_steps * 8 + place / 2 % 4 + place % 2 * 4;
    }

    // centres are less the origin, which follows them
    __device__ void begin(const double* centres) {
        const int d = table.n_columns;
        for (int j = threadIdx.x; j < d; j += THREADS) origin[j] = centres[table.n_clusters * d + j];
        #pragma unroll 1
        for (int i = threadIdx.x; i < CLUSTER_TILES * n_steps * 64; i += THREADS) {
            const int k = cluster(i), j = column(i);
            slope[i] = k < table.n_clusters && j < d ? -2.0 * centres[k * d + j] : 0.0;
        }
        clear();
    }

    // rows that are not there are zero, and the column behind the others counts
    __device__ void clear() {
        for (int i = threadIdx.x; i < ROWS * stride + 16; i += THREADS)
            values[i] = i % stride == table.n_columns ? 1.0 : 0.0;
    }

    __device__ void measure_centres() {
        for (int k = threadIdx.x; k < 8 * CLUSTER_TILES; k += THREADS) {
            double square = 0.0;
            for (int j = 0; j < table.n_columns; ++j) square += 0.25 * slope[place(k, j)] * slope[place(k, j)];
            norm[k] = k < table.n_clusters ? square : FAR;
        }
    }

    // let rows come while those before them are computed
    __device__ void bring(long long start) {
        const int d = table.n_columns, n_here = (int)min((long long)ROWS, table.n_rows - start);
        if (table.by_rows) {
            const char* from = (const char*)(table.X + start * d);
            const int n_bytes = n_here * d * (int)sizeof(VALUE), n_wide = table.aligned ? n_bytes / 16 * 16 : 0;
            for (int i = 16 * threadIdx.x; i < n_wide; i += 16 * THREADS) copy<16>((char*)arriving + i, from + i);
            for (int i = n_wide + sizeof(VALUE) * threadIdx.x; i < n_bytes; i += sizeof(VALUE) * THREADS)
                copy<sizeof(VALUE)>((char*)arriving + i, from + i);
        } else {
            for (int i = threadIdx.x; i < ROWS * d; i += THREADS) {
                const int row = i % ROWS, j = i / ROWS;
                if (row < n_here) copy<sizeof(VALUE)>(arriving + i, table.X + j * table.n_rows + start + row);
            }
        }
        if (table.weight)
            for (int i = threadIdx.x; i < n_here; i += THREADS) copy<8>(arriving_weights + i, table.weight + start + i);
    }

    // widen and shift rows that have come
    __device__ void take(int n_here) {
        const int extent = table.by_rows ? table.n_columns : ROWS, end = table.by_rows ? n_here : table.n_columns;
        const int hop = THREADS / extent, rest = THREADS % extent;
        int slow = threadIdx.x / extent, fast = threadIdx.x % extent;
        #pragma unroll 4
        for (int i = threadIdx.x; slow < end; i += THREADS) {
            const int row = table.by_rows ? slow : fast, j = table.by_rows ? fast : slow;
            if (row < n_here) values[row * stride + j] = (double)arriving[i] - (table.shifted ? origin[j] : 0.0);
            slow += hop;
            fast += rest;
            if (fast >= extent) { fast -= extent; ++slow; }
        }
        if (table.weight)
            for (int i = threadIdx.x; i < n_here; i += THREADS) weights[i] = arriving_weights[i];
    }

    // a warp finds the centres next to 16 rows: a thread has two of the rows, and two of each 8 centres
    __device__ void compare(int n_here) {
        const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
        if (warp >= ROWS / 16) return;
        const double* own = values + (16 * warp + lane / 4) * stride + lane % 4;
        double nearest[2] = {FAR, FAR};
        int best[2] = {0, 0};
        #pragma unroll 1
        for (int at = 0; at < CLUSTER_TILES; at += TOGETHER) {
            double distance[TOGETHER][4];
            #pragma unroll
            for (int k = 0; k < TOGETHER; ++k)
                distance[k][0] = distance[k][1] = distance[k][2] = distance[k][3] = 0.0;
            const double2* facing = (const double2*)slope + at * n_steps * 32 + lane;
            #pragma unroll 2
            for (int step = 0; step < n_steps; ++step) {
                const double* here = own + 8 * step;
                const double a[4] = {here[0], here[8 * stride], here[4], here[8 * stride + 4]};
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
                    const int which = 8 * (at + k) + lane % 4 * 2 + c % 2;
                    const double here = distance[k][c] + norm[which];
                    if (here < nearest[c / 2]) { nearest[c / 2] = here; best[c / 2] = which; }
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

    __device__ __forceinline__ double weight(int row) const { return table.weight ? weights[row] : 1.0; }

    // the squared distance of a row to its centre
    __device__ double square_of(int row) const {
        double square = 0.0;
        for (int j = 0; j < table.n_columns; ++j) {
            const double apart = values[row * stride + j] + 0.5 * slope[place(label[row], j)];
            square += apart * apart;
        }
        return square;
    }
};

// sums over rows by cluster: a warp has OWN products of 16 columns and 8 clusters, or shares one with others
struct Sums {
    static constexpr int SHARING = OWN > 1 ? WARPS : PAIRS, GROUPS = WARPS / SHARING;
    double total[OWN][4];
    int group, first_pair, n_lines;

    __device__ __forceinline__ Sums(int width) : n_lines((width + 15) / 16) {
        const int warp = threadIdx.x / 32;
        group = warp / SHARING;
        first_pair = warp % SHARING * OWN;
        #pragma unroll
        for (int i = 0; i < OWN; ++i) total[i][0] = total[i][1] = total[i][2] = total[i][3] = 0.0;
    }

    __device__ __forceinline__ void add(const Tile& tile) {
        const int lane = threadIdx.x % 32, stride = tile.stride;
        if (group >= GROUPS) return;
        #pragma unroll 2
        for (int set = group; set < ROWS / 8; set += GROUPS) {
            const int row = 8 * set + lane % 4, its[2] = {tile.label[row], tile.label[row + 4]};
            const double weights[2] = {tile.weight(row), tile.weight(row + 4)};
            const double* own = tile.values + row * stride + lane / 4;
            int cluster = first_pair / n_lines * 8 + lane / 4, line = first_pair % n_lines;
            #pragma unroll
            for (int i = 0; i < OWN; ++i) {
                const bool is_its[2] = {its[0] == cluster, its[1] == cluster};
                if (__any_sync(0xffffffff, is_its[0] || is_its[1])) {
                    const double* here = own + 16 * line;
                    const double a[4] = {here[0], here[8], here[4 * stride], here[4 * stride + 8]};
                    const double b[2] = {is_its[0] ? weights[0] : 0.0, is_its[1] ? weights[1] : 0.0};
                    multiply_add(total[i], a, b);
                }
                if (++line == n_lines) { line = 0; cluster += 8; }
            }
        }
    }

    // write them; the room has 128 values for each warp
    __device__ __forceinline__ void write(double* out, int width, int n_clusters, double* room) {
        const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
        if (GROUPS > 1) {
            double* slots = room + 128 * warp + lane;
            #pragma unroll
            for (int c = 0; c < 4; ++c) slots[32 * c] = total[0][c];
            __syncthreads();
            if (group == 0)
                for (int other = 1; other < GROUPS; ++other)
                    #pragma unroll
                    for (int c = 0; c < 4; ++c) total[0][c] += slots[128 * SHARING * other + 32 * c];
        }
        if (group > 0) return;
        #pragma unroll
        for (int i = 0; i < OWN; ++i)
            #pragma unroll
            for (int c = 0; c < 4; ++c) {
                const int pair = first_pair + i, column = pair % n_lines * 16 + lane / 4 + c / 2 * 8;
                const int cluster = pair / n_lines * 8 + lane % 4 * 2 + c % 2;
                if (column < width && cluster < n_clusters) out[cluster * width + column] = total[i][c];
            }
    }
};

// the sum over a block of threads, known to all of them; the order is always the same
__device__ __forceinline__ double sum_of_block(double value, double* room) {
    #pragma unroll
    for (int offset = 16; offset > 0; offset /= 2) value += __shfl_xor_sync(0xffffffff, value, offset);
    if (threadIdx.x % 32 == 0) room[threadIdx.x / 32] = value;
    __syncthreads();
    double sum = 0.0;
    for (int k = 0; k < WARPS; ++k) sum += room[k];
    return sum;
}

// add up what the blocks have written, 8 values a block at a time: a thread has every 32nd of the blocks
__device__ __forceinline__ void add_up(const double* partials, int n_values, double* sums, double* room) {
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    for (int first = 8 * blockIdx.x; first < n_values; first += 8 * gridDim.x) {
        const int at = first + lane % 8;
        double sum = 0.0;
        if (at < n_values) {
            #pragma unroll 8
            for (int block = threadIdx.x / 8; block < gridDim.x; block += THREADS / 8)
                sum += __ldcg(partials + (long long)block * n_values + at);
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

// Move centres to the means of their rows, in each block alike; say whether to go on, they stay, or one has no rows.
__device__ __forceinline__ int move(Tile& tile, const double* sums, double tolerance) {
    const int d = tile.table.n_columns, width = d + 1, n_clusters = tile.table.n_clusters;
    bool empty = false;
    for (int k = threadIdx.x; k < n_clusters; k += THREADS) empty |= __ldcg(sums + k * width + d) == 0.0;
    if (__syncthreads_or(empty)) return EMPTY;
    double shift = 0.0;
    #pragma unroll 1
    for (int i = threadIdx.x; i < CLUSTER_TILES * tile.n_steps * 64; i += THREADS) {
        const int k = tile.cluster(i), j = tile.column(i);
        if (k < n_clusters && j < d) {
            const double moved = __ldcg(sums + k * width + j) / __ldcg(sums + k * width + d);
            const double apart = moved + 0.5 * tile.slope[i];
            shift += apart * apart;
            tile.slope[i] = -2.0 * moved;
        }
    }
    return sum_of_block(shift, tile.room) <= tolerance ? STAYS : GOES_ON;
}

// Sums over rows by cluster and moves of the centres, up to `most_steps` of them; the sums alone for none. Or, to
// ASSIGN, labels, whether a cluster has a row, and the inertia. All blocks run at once, and `state` has how it ended,
// how many moves there were, and a zero to count blocks with.
extern "C" __global__ void __launch_bounds__(THREADS, RESIDENT) lloyd(
    const VALUE* X, const double* weight, double* centres, long long n_rows, int n_columns, int n_clusters, int stride,
    bool by_rows, bool aligned, bool shifted, int most_steps, double tolerance,
    double* partials, double* sums, int* labels, int* state
) {
    extern __shared__ __align__(16) double shared[];
    const Table table{X, weight, n_rows, n_columns, n_clusters, by_rows, aligned, shifted};
    Tile tile(table, stride, shared);
    const int thread = threadIdx.x, width = n_columns + 1;
    const int n_values = ASSIGN ? n_clusters + 1 : n_clusters * width;
    const long long begin = (long long)blockIdx.x * ROWS, hop = (long long)gridDim.x * ROWS;
    double* own_partials = partials + (long long)blockIdx.x * n_values;
    int n_met = 0, n_moves = 0, how = GOES_ON;
    tile.begin(centres);
    if (ASSIGN) for (int k = thread; k < n_clusters; k += THREADS) own_partials[k] = 0.0;
    while (true) {
        if (begin < n_rows) tile.bring(begin);
        asm volatile("cp.async.commit_group;");
        __syncthreads();
        tile.measure_centres();
        Sums own(width);
        double inertia = 0.0;
        for (long long start = begin; start < n_rows; start += hop) {
            const int n_here = (int)min((long long)ROWS, n_rows - start);
            asm volatile("cp.async.wait_group 0;");
            __syncthreads();
            tile.take(n_here);
            __syncthreads();
            if (start + hop < n_rows) tile.bring(start + hop);
            asm volatile("cp.async.commit_group;");
            tile.compare(n_here);
            __syncthreads();
            if (!ASSIGN) own.add(tile);
            else if (thread < n_here) {
                inertia += tile.weight(thread) * tile.square_of(thread);
                labels[start + thread] = tile.label[thread];
                own_partials[tile.label[thread]] = 1.0;
            }
        }
        __syncthreads();
        if (ASSIGN) {
            inertia = sum_of_block(inertia, tile.room);
            if (thread == 0) own_partials[n_clusters] = inertia;
        } else own.write(own_partials, width, n_clusters, tile.values);
        meet(state + 2, gridDim.x * ++n_met);
        add_up(partials, n_values, sums, tile.room);
        if (most_steps == 0) return;
        meet(state + 2, gridDim.x * ++n_met);
        how = move(tile, sums, tolerance);
        n_moves += how != EMPTY;
        if (how != GOES_ON || n_moves == most_steps) break;
        // the sums of warps were written where the tile stands
        if (Sums::GROUPS > 1) tile.clear();
    }
    if (blockIdx.x > 0) return;
    __syncthreads();
    for (int i = thread; i < n_clusters * n_columns; i += THREADS)
        centres[i] = -0.5 * tile.slope[tile.place(i / n_columns, i % n_columns)];
    if (thread == 0) { state[0] = how; state[1] = n_moves; }
}
