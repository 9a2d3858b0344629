// the kernel of lloyd_kernels.py, which gives the words in capitals; common.cu and lloyd_common.cu stand before it
// warps that share 16 rows
constexpr int MOST_BESIDE = 16 * WARPS / ROWS, PARTS = CLUSTER_TILES / TOGETHER;
constexpr int BESIDE = MOST_BESIDE < PARTS ? MOST_BESIDE : PARTS;

struct Table {
    const VALUE* X;
    const double* weight;
    long long n_rows;
    int n_columns, n_clusters, chunk;      // bytes that are copied at once
    bool by_rows, shifted;
};

// Two tiles of rows in shared memory, of which one comes while the other is computed, and what is known of the centres.
struct Tiles {
    const Table& table;
    const int stride, n_steps;      // of a row of a tile; of 8 columns each
    double* slope;                  // [CLUSTER_TILES][n_steps][32][2]: -2 x centre, a thread's two values side by side
    double* norm;                   // [CLUSTER_TILES][8]
    double* origin;                 // [n_columns], and 16 values
    double* room;                   // [WARPS][16]
    double* weights;                // [2][ROWS]
    VALUE* values;                  // [2][ROWS][stride], and 16 values
    int* label;                     // [ROWS], and room for [WARPS][16]

    __device__ __forceinline__ Tiles(const Table& table, int stride, double* shared)
        : table(table), stride(stride), n_steps((table.n_columns + 7) / 8) {
        slope = shared;
        norm = slope + CLUSTER_TILES * n_steps * 64;
        room = norm + 8 * CLUSTER_TILES;
        weights = room + 16 * WARPS;
        values = (VALUE*)(weights + 2 * ROWS);
        label = (int*)(values + 2 * ROWS * stride + 16);
        origin = (double*)(label + 16 * WARPS);
    }

    __device__ __forceinline__ const VALUE* rows(int which) const { return values + which * ROWS * stride; }
    __device__ __forceinline__ double shift(int column) const { return table.shifted ? origin[column] : 0.0; }
    __device__ __forceinline__ double weight(int which, int row) const {
        return table.weight ? weights[which * ROWS + row] : 1.0;
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
        for (int j = threadIdx.x; j < d + 16; j += THREADS) origin[j] = j < d ? centres[table.n_clusters * d + j] : 0.0;
        #pragma unroll 1
        for (int i = threadIdx.x; i < CLUSTER_TILES * n_steps * 64; i += THREADS) {
            const int k = cluster(i), j = column(i);
            slope[i] = k < table.n_clusters && j < d ? -2.0 * centres[k * d + j] : 0.0;
        }
        clear();
    }

    // rows that are not there are zero, and the column behind the others counts
    __device__ void clear() {
        for (int i = threadIdx.x; i < 2 * ROWS * stride + 16; i += THREADS)
            values[i] = i % stride == table.n_columns ? 1 : 0;
    }

    __device__ void measure_centres() {
        for (int k = threadIdx.x; k < 8 * CLUSTER_TILES; k += THREADS) {
            double square = 0.0;
            for (int j = 0; j < table.n_columns; ++j) square += 0.25 * slope[place(k, j)] * slope[place(k, j)];
            norm[k] = k < table.n_clusters ? square : FAR;
        }
    }

    template <int BYTES> __device__ __forceinline__ void bring_rows(VALUE* to, long long start, int n_here) {
        constexpr int AT_ONCE = BYTES / sizeof(VALUE);
        const int n_chunks = table.n_columns / AT_ONCE, down = THREADS / n_chunks, right = THREADS % n_chunks;
        int row = threadIdx.x / n_chunks, chunk = threadIdx.x % n_chunks;
        const VALUE* from = table.X + start * table.n_columns;
        while (row < n_here) {
            const int j = chunk * AT_ONCE;
            copy<BYTES>(to + row * stride + j, from + row * table.n_columns + j);
            row += down;
            chunk += right;
            if (chunk >= n_chunks) { chunk -= n_chunks; ++row; }
        }
    }

    // let rows come, without waiting for them
    __device__ void bring(int which, long long start) {
        const int n_here = (int)min((long long)ROWS, table.n_rows - start);
        VALUE* to = values + which * ROWS * stride;
        if (!table.by_rows) {
            for (int i = threadIdx.x; i < ROWS * table.n_columns; i += THREADS) {
                const int row = i % ROWS, j = i / ROWS;
                if (row < n_here) copy<sizeof(VALUE)>(to + row * stride + j, table.X + j * table.n_rows + start + row);
            }
        } else if (table.chunk == 16) bring_rows<16>(to, start, n_here);
        else if (table.chunk == 8) bring_rows<8>(to, start, n_here);
        else bring_rows<sizeof(VALUE)>(to, start, n_here);
        if (table.weight)
            for (int i = threadIdx.x; i < n_here; i += THREADS)
                copy<8>(weights + which * ROWS + i, table.weight + start + i);
    }

    // find the centres next to the rows: of those that warps have found who share rows the nearest
    __device__ void compare(int which_tile, int n_here) {
        if (threadIdx.x < 2 * ROWS * BESIDE) compare_own(which_tile, n_here);
        if (BESIDE == 1) return;
        __syncthreads();
        if (threadIdx.x < ROWS) {
            const int row = threadIdx.x;
            for (int other = 1; other < BESIDE; ++other)
                keep_nearer(room[other * ROWS + row], label[other * ROWS + row], room[row], label[row]);
            if (row >= n_here) label[row] = -1;
        }
    }

    // a warp finds which of its centres are next to 16 rows: a thread has two of the rows, and two of each 8 centres
    __device__ void compare_own(int which_tile, int n_here) {
        const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
        const VALUE* own = rows(which_tile) + (16 * warp % ROWS + lane / 4) * stride + lane % 4;
        double nearest[2] = {FAR, FAR};
        int best[2] = {0, 0};
        #pragma unroll 1
        for (int at = 16 * warp / ROWS * TOGETHER; at < CLUSTER_TILES; at += BESIDE * TOGETHER) {
            double distance[TOGETHER][4];
            #pragma unroll
            for (int k = 0; k < TOGETHER; ++k)
                distance[k][0] = distance[k][1] = distance[k][2] = distance[k][3] = 0.0;
            const double2* facing = (const double2*)slope + at * n_steps * 32 + lane;
            #pragma unroll 2
            for (int step = 0; step < n_steps; ++step) {
                const VALUE* here = own + 8 * step;
                const double shifts[2] = {shift(8 * step + lane % 4), shift(8 * step + lane % 4 + 4)};
                const double a[4] = {here[0] - shifts[0], here[8 * stride] - shifts[0],
                                     here[4] - shifts[1], here[8 * stride + 4] - shifts[1]};
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
            agree(nearest[half], best[half]);
            const int row = 16 * warp + lane / 4 + 8 * half;
            if (lane % 4 == 0) {
                label[row] = BESIDE > 1 || row < n_here ? best[half] : -1;
                if (BESIDE > 1) room[row] = nearest[half];
            }
        }
    }

    // the squared distance of a row to its centre
    __device__ double square_of(int which, int row) const {
        double square = 0.0;
        for (int j = 0; j < table.n_columns; ++j) {
            const double apart = rows(which)[row * stride + j] - shift(j) + 0.5 * slope[place(label[row], j)];
            square += apart * apart;
        }
        return square;
    }
};

// sums over rows by cluster: a warp has OWN products of a line of 16 columns and 8 clusters, or shares one with others
struct Sums {
    static constexpr int SHARING = OWN > 1 ? WARPS : PAIRS, GROUPS = WARPS / SHARING;
    double total[OWN][4];
    int group, first_pair, n_lines, n_tiles;    // of columns, and of clusters

    __device__ __forceinline__ Sums(int width, int n_clusters)
        : n_lines((width + 15) / 16), n_tiles((n_clusters + 7) / 8) {
        const int warp = threadIdx.x / 32;
        group = warp / SHARING;
        first_pair = warp % SHARING * OWN;
        #pragma unroll
        for (int i = 0; i < OWN; ++i) total[i][0] = total[i][1] = total[i][2] = total[i][3] = 0.0;
    }

    __device__ __forceinline__ void add(const Tiles& tiles, int which) {
        // rows of a product that threads ask different banks for
        constexpr int HOP = sizeof(VALUE) == 4 ? 2 : 1, NEXT = sizeof(VALUE) == 4 ? 1 : 4;
        const int lane = threadIdx.x % 32, stride = tiles.stride;
        if (group >= GROUPS) return;
        #pragma unroll 2
        for (int set = group; set < ROWS / 8; set += GROUPS) {
            const int row = 8 * set + lane % 4 * HOP, its[2] = {tiles.label[row], tiles.label[row + NEXT]};
            const double weights[2] = {tiles.weight(which, row), tiles.weight(which, row + NEXT)};
            const VALUE* own = tiles.rows(which) + row * stride + lane / 4;
            int cluster = first_pair % n_tiles * 8 + lane / 4, line = first_pair / n_tiles;
            double a[4];
            #pragma unroll
            for (int i = 0; i < OWN; ++i) {
                if (line < n_lines && (i == 0 || cluster < 8)) {
                    const VALUE* here = own + 16 * line;
                    const double shifts[2] = {tiles.shift(16 * line + lane / 4), tiles.shift(16 * line + lane / 4 + 8)};
                    a[0] = here[0] - shifts[0];
                    a[1] = here[8] - shifts[1];
                    a[2] = here[NEXT * stride] - shifts[0];
                    a[3] = here[NEXT * stride + 8] - shifts[1];
                }
                const bool is_its[2] = {its[0] == cluster, its[1] == cluster};
                if (line < n_lines && __any_sync(0xffffffff, is_its[0] || is_its[1])) {
                    const double b[2] = {is_its[0] ? weights[0] : 0.0, is_its[1] ? weights[1] : 0.0};
                    multiply_add(total[i], a, b);
                }
                cluster += 8;
                if (cluster >= 8 * n_tiles) { cluster -= 8 * n_tiles; ++line; }
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
                const int pair = first_pair + i, column = pair / n_tiles * 16 + lane / 4 + c / 2 * 8;
                const int cluster = pair % n_tiles * 8 + lane % 4 * 2 + c % 2;
                if (column < width && cluster < n_clusters) out[cluster * width + column] = total[i][c];
            }
    }
};

// Move centres to the means of their rows, in each block alike; say whether to go on, they stay, or one has no rows.
__device__ __forceinline__ int move(Tiles& tiles, const double* sums, double tolerance) {
    const int d = tiles.table.n_columns, width = d + 1, n_clusters = tiles.table.n_clusters;
    bool empty = false;
    for (int k = threadIdx.x; k < n_clusters; k += THREADS) empty |= __ldcg(sums + k * width + d) == 0.0;
    if (__syncthreads_or(empty)) return EMPTY;
    double shift = 0.0;
    #pragma unroll 1
    for (int i = threadIdx.x; i < CLUSTER_TILES * tiles.n_steps * 64; i += THREADS) {
        const int k = tiles.cluster(i), j = tiles.column(i);
        if (k < n_clusters && j < d) {
            const double moved = __ldcg(sums + k * width + j) / __ldcg(sums + k * width + d);
            const double apart = moved + 0.5 * tiles.slope[i];
            shift += apart * apart;
            tiles.slope[i] = -2.0 * moved;
        }
    }
    return sum_of_block(shift, tiles.room) <= tolerance ? STAYS : GOES_ON;
}

// Sums over rows by cluster and moves of the centres, up to `most_steps` of them; the sums alone for none. Or, to
// ASSIGN, labels, whether a cluster has a row, and the inertia. All blocks run at once, and `state` has how it ended,
// how many moves there were, and a zero to count blocks with.
extern "C" __global__ void __launch_bounds__(THREADS, RESIDENT) lloyd(
    const VALUE* X, const double* weight, double* centres, long long n_rows, int n_columns, int n_clusters, bool shifted,
    int stride, int chunk, bool by_rows, int most_steps, double tolerance,
    double* partials, double* sums, int* labels, int* state
) {
    extern __shared__ __align__(16) double shared[];
    const Table table{X, weight, n_rows, n_columns, n_clusters, chunk, by_rows, shifted};
    Tiles tiles(table, stride, shared);
    const int thread = threadIdx.x, width = n_columns + 1;
    const int n_values = ASSIGN ? n_clusters + 1 : n_clusters * width;
    const long long begin = (long long)blockIdx.x * ROWS, hop = (long long)gridDim.x * ROWS;
    double* own_partials = partials + (long long)blockIdx.x * n_values;
    int n_met = 0, n_moves = 0, how = GOES_ON;
    tiles.begin(centres);
    if (ASSIGN) for (int k = thread; k < n_clusters; k += THREADS) own_partials[k] = 0.0;
    while (true) {
        __syncthreads();
        if (begin < n_rows) tiles.bring(0, begin);
        asm volatile("cp.async.commit_group;");
        tiles.measure_centres();
        Sums own(width, n_clusters);
        double inertia = 0.0;
        int which = 0;
        for (long long start = begin; start < n_rows; start += hop, which ^= 1) {
            const int n_here = (int)min((long long)ROWS, n_rows - start);
            if (start + hop < n_rows) tiles.bring(which ^ 1, start + hop);
            asm volatile("cp.async.commit_group;");
            asm volatile("cp.async.wait_group 1;");
            __syncthreads();
            tiles.compare(which, n_here);
            __syncthreads();
            if (!ASSIGN) own.add(tiles, which);
            else if (thread < n_here) {
                inertia += tiles.weight(which, thread) * tiles.square_of(which, thread);
                labels[start + thread] = tiles.label[thread];
                own_partials[tiles.label[thread]] = 1.0;
            }
            __syncthreads();
        }
        if (ASSIGN) {
            inertia = sum_of_block(inertia, tiles.room);
            if (thread == 0) own_partials[n_clusters] = inertia;
        } else own.write(own_partials, width, n_clusters, (double*)tiles.values);
        meet(state + 2, gridDim.x * ++n_met);
        add_up(partials, gridDim.x, n_values, sums, tiles.room);
        if (most_steps == 0) return;
        meet(state + 2, gridDim.x * ++n_met);
        how = move(tiles, sums, tolerance);
        n_moves += how != EMPTY;
        if (how != GOES_ON || n_moves == most_steps) break;
        // the sums of warps were written where tiles stand
        if (Sums::GROUPS > 1) tiles.clear();
    }
    if (blockIdx.x > 0) return;
    __syncthreads();
    for (int i = thread; i < n_clusters * n_columns; i += THREADS)
        centres[i] = -0.5 * tiles.slope[tiles.place(i / n_columns, i % n_columns)];
    if (thread == 0) { state[0] = how; state[1] = n_moves; }
}
