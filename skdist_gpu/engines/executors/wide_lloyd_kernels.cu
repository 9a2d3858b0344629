// the kernel for wide rows of lloyd_kernels.py, which gives the words in capitals; common.cu and lloyd_common.cu come first
struct Table {
    const VALUE* X;
    const double* weight;
    const double* origin;
    long long n_rows, row_step, column_step;
    int n_columns, n_clusters;
    bool shifted;

    __device__ __forceinline__ double shift(int column) const {
        return shifted && column < n_columns ? origin[column] : 0.0;
    }
};

// What all blocks know of the centres, in global memory. A group of clusters is TILES of 8, which a warp takes at once.
struct Centres {
    double* slope;      // [n_groups][n_steps][TILES][32][2]: -2 x centre, a thread's two values side by side
    double* norm;       // [n_groups][TILES][8]
    double* moved;      // the same: how far the centre was moved, squared
    int n_groups, n_steps;

    __device__ __forceinline__ Centres(double* known, int which, const Table& table)
        : n_groups((table.n_clusters + 8 * TILES - 1) / (8 * TILES)),
          n_steps((table.n_columns + 8 * AHEAD - 1) / (8 * AHEAD) * AHEAD) {
        slope = known + (long long)which * n_groups * TILES * (64 * n_steps + 16);
        norm = slope + (long long)n_groups * TILES * 64 * n_steps;
        moved = norm + n_groups * TILES * 8;
    }

    __device__ __forceinline__ int n_padded() const { return n_groups * TILES * 8; }

    // where the slope of a cluster and a column stands
    __device__ __forceinline__ int place(int k, int j) const {
        const int tile = k / 8;
        return (((tile / TILES * n_steps + j / 8) * TILES + tile % TILES) * 8 + k % 8) * 8 + j % 4 * 2 + j % 8 / 4;
    }

    // blocks put the centres here, each some of them, in place of those before
    template <typename Centre>
    __device__ void put(const Table& table, const Centres& before, Centre centre, double* room) const {
        for (int k = blockIdx.x; k < n_padded(); k += gridDim.x) {
            double square = 0.0, move = 0.0;
            for (int j = threadIdx.x; j < 8 * n_steps; j += THREADS) {
                const int at = place(k, j);
                const double value = k < table.n_clusters && j < table.n_columns ? centre(k, j) : 0.0;
                const double apart = value + 0.5 * __ldcg(before.slope + at);
                square += value * value;
                move += apart * apart;
                slope[at] = -2.0 * value;
            }
            square = sum_of_block(square, room);
            move = sum_of_block(move, room);
            if (threadIdx.x == 0) { norm[k] = k < table.n_clusters ? square : FAR; moved[k] = move; }
        }
    }
};

// A thread's share of 16 rows: two of the rows, and two of each 8 columns.
struct Rows {
    const Table& table;
    const VALUE* own[2];

    // rows that are not there are as the last one
    __device__ __forceinline__ Rows(const Table& table, long long first) : table(table) {
        for (int half = 0; half < 2; ++half)
            own[half] = table.X + min(first + threadIdx.x % 32 / 4 + 8 * half, table.n_rows - 1) * table.row_step;
    }

    __device__ __forceinline__ int column(int step, int half) const { return 8 * step + threadIdx.x % 4 + 4 * half; }

    // let the values of a step come
    __device__ __forceinline__ void fetch(int step, VALUE (&values)[4]) const {
        #pragma unroll
        for (int c = 0; c < 4; ++c) {
            const int j = column(step, c / 2);
            values[c] = j < table.n_columns ? own[c % 2][j * table.column_step] : VALUE(0);
        }
    }
};

// Find the centres next to rows, 16 of a warp; slopes come to shared memory by panels of columns. To ASSIGN, mark which
// clusters have a row, and return a thread's part of the inertia.
__device__ __forceinline__ double label_rows(
    const Table& table, const Centres& centres, double* panels, int* labels, double* found
) {
    const int lane = threadIdx.x % 32, n_steps = centres.n_steps;
    int stage = 0;
    double inertia = 0.0;
    const auto bring = [&](int group, int first) {
        const double* from = centres.slope + ((long long)group * n_steps + first) * TILES * 64;
        double* to = panels + stage * PANEL * TILES * 64;
        for (int i = 2 * threadIdx.x; i < min(PANEL, n_steps - first) * TILES * 64; i += 2 * THREADS)
            copy<16>(to + i, from + i);
        asm volatile("cp.async.commit_group;");
    };
    #pragma unroll 1
    for (long long tile = blockIdx.x; tile * 16 * WARPS < table.n_rows; tile += gridDim.x) {
        const long long first_row = 16 * (WARPS * tile + threadIdx.x / 32);
        Rows rows(table, first_row);
        double nearest[2] = {FAR, FAR};
        int best[2] = {0, 0};
        #pragma unroll 1
        for (int group = 0; group < centres.n_groups; ++group) {
            double distance[TILES][4];
            #pragma unroll
            for (int k = 0; k < TILES; ++k) distance[k][0] = distance[k][1] = distance[k][2] = distance[k][3] = 0.0;
            bring(group, 0);
            VALUE next[AHEAD][4];
            #pragma unroll
            for (int step = 0; step < AHEAD; ++step) rows.fetch(step, next[step]);
            #pragma unroll 1
            for (int first = 0; first < n_steps; first += PANEL) {
                asm volatile("cp.async.wait_group 0;");
                __syncthreads();
                const double2* slopes = (const double2*)(panels + stage * PANEL * TILES * 64) + lane;
                stage ^= 1;
                if (first + PANEL < n_steps) bring(group, first + PANEL);
                #pragma unroll 1
                for (int at = first; at < min(first + PANEL, n_steps); at += AHEAD) {
                    #pragma unroll
                    for (int step = 0; step < AHEAD; ++step) {
                        double a[4];
                        #pragma unroll
                        for (int c = 0; c < 4; ++c)
                            a[c] = next[step][c] - table.shift(rows.column(at + step, c / 2));
                        rows.fetch(at + step + AHEAD, next[step]);
                        #pragma unroll
                        for (int k = 0; k < TILES; ++k) {
                            const double2 pair = slopes[((at - first + step) * TILES + k) * 32];
                            const double b[2] = {pair.x, pair.y};
                            multiply_add(distance[k], a, b);
                        }
                    }
                }
            }
            #pragma unroll
            for (int k = 0; k < TILES; ++k)
                #pragma unroll
                for (int c = 0; c < 4; ++c) {
                    const int which = 8 * (TILES * group + k) + lane % 4 * 2 + c % 2;
                    const double here = distance[k][c] + __ldcg(centres.norm + which);
                    if (here < nearest[c / 2]) { nearest[c / 2] = here; best[c / 2] = which; }
                }
        }
        #pragma unroll
        for (int half = 0; half < 2; ++half) {
            agree(nearest[half], best[half]);
            const long long row = first_row + lane / 4 + 8 * half;
            if (row >= table.n_rows) continue;
            if (lane % 4 == 0) labels[row] = best[half];
            if (ASSIGN) {
                double square = 0.0;
                #pragma unroll 4
                for (int j = lane % 4; j < table.n_columns; j += 4) {
                    const double centre = -0.5 * __ldcg(centres.slope + centres.place(best[half], j));
                    const double apart = rows.own[half][j * table.column_step] - table.shift(j) - centre;
                    square += apart * apart;
                }
                inertia += (table.weight ? table.weight[row] : 1.0) * square;
                found[best[half]] = 1.0;
            }
        }
    }
    return inertia;
}

// Sum the rows next to each centre: a warp has a line of 16 columns, a group of clusters, and some of the rows.
__device__ __forceinline__ void sum_rows(const Table& table, int n_groups, int n_chunks, const int* labels, double* out) {
    const int lane = threadIdx.x % 32, d = table.n_columns, width = d + 1, n_lines = (width + 15) / 16;
    const int n_units = n_lines * n_groups * n_chunks;
    #pragma unroll 1
    for (int unit = WARPS * blockIdx.x + threadIdx.x / 32; unit < n_units; unit += WARPS * gridDim.x) {
        const int group = unit % n_groups, line = unit / n_groups % n_lines, chunk = unit / n_groups / n_lines;
        const int begin = (int)(table.n_rows * chunk / n_chunks), end = (int)(table.n_rows * (chunk + 1) / n_chunks);
        const int columns[2] = {16 * line + lane / 4, 16 * line + lane / 4 + 8}, first_cluster = 8 * TILES * group;
        // the column behind the others counts: zero, and less minus one
        const double shifts[2] = {columns[0] == d ? -1.0 : table.shift(columns[0]),
                                  columns[1] == d ? -1.0 : table.shift(columns[1])};
        VALUE next[AHEAD][4];
        int label[AHEAD][2], row = begin + lane % 4;
        const VALUE* from = table.X + row * table.row_step + columns[0] * table.column_step;
        // let 8 rows come, of which a thread has two
        const auto fetch = [&](int set) {
            #pragma unroll
            for (int half = 0; half < 2; ++half) {
                const bool is_there = row + 4 * half < end;
                #pragma unroll
                for (int c = 0; c < 2; ++c) {
                    const VALUE* value = from + 4 * half * table.row_step + 8 * c * table.column_step;
                    next[set][2 * half + c] = is_there && columns[c] < d ? *value : VALUE(0);
                }
                label[set][half] = is_there ? __ldcg(labels + row + 4 * half) : -1;
            }
            from += 8 * table.row_step;
            row += 8;
        };
        double total[TILES][4];
        #pragma unroll
        for (int k = 0; k < TILES; ++k) total[k][0] = total[k][1] = total[k][2] = total[k][3] = 0.0;
        #pragma unroll
        for (int set = 0; set < AHEAD; ++set) fetch(set);
        #pragma unroll 1
        for (int first = begin; first < end; first += 8 * AHEAD) {
            #pragma unroll
            for (int set = 0; set < AHEAD; ++set) {
                double a[4], weights[2] = {1.0, 1.0};
                #pragma unroll
                for (int c = 0; c < 4; ++c) a[c] = next[set][c] - shifts[c % 2];
                const int its[2] = {label[set][0] - first_cluster, label[set][1] - first_cluster};
                if (table.weight)
                    #pragma unroll
                    for (int half = 0; half < 2; ++half)
                        if (label[set][half] >= 0) weights[half] = table.weight[row - 8 * AHEAD + 4 * half];
                fetch(set);
                unsigned has_rows = 0;
                #pragma unroll
                for (int half = 0; half < 2; ++half)
                    if (its[half] >= 0 && its[half] < 8 * TILES) has_rows |= 1u << its[half] / 8;
                has_rows = __reduce_or_sync(0xffffffff, has_rows);
                #pragma unroll
                for (int k = 0; k < TILES; ++k)
                    if (has_rows >> k & 1) {
                        const int cluster = 8 * k + lane / 4;
                        const double b[2] = {its[0] == cluster ? weights[0] : 0.0, its[1] == cluster ? weights[1] : 0.0};
                        multiply_add(total[k], a, b);
                    }
            }
        }
        double* own = out + (long long)chunk * table.n_clusters * width;
        #pragma unroll
        for (int k = 0; k < TILES; ++k)
            #pragma unroll
            for (int c = 0; c < 4; ++c) {
                const int cluster = 8 * (TILES * group + k) + lane % 4 * 2 + c % 2;
                if (columns[c / 2] < width && cluster < table.n_clusters)
                    own[cluster * width + columns[c / 2]] = total[k][c];
            }
    }
}

// say whether to go on, the centres stay, or one has no rows
__device__ __forceinline__ int how_it_stands(
    const Table& table, const Centres& centres, const double* sums, double tolerance, double* room
) {
    const int width = table.n_columns + 1;
    bool empty = false;
    double move = 0.0;
    for (int k = threadIdx.x; k < table.n_clusters; k += THREADS) {
        empty |= __ldcg(sums + k * width + width - 1) == 0.0;
        move += __ldcg(centres.moved + k);
    }
    if (__syncthreads_or(empty)) return EMPTY;
    return sum_of_block(move, room) <= tolerance ? STAYS : GOES_ON;
}

// What the kernel of lloyd_kernels.cu does, with its parameters, for rows and centres that shared memory does not hold.
// Blocks label rows, and when all are done sum columns of them. `known` has room for two sets of centres, of which one
// is compared and the other one written.
extern "C" __global__ void __launch_bounds__(THREADS, RESIDENT) wide_lloyd(
    const VALUE* X, const double* weight, double* centres, long long n_rows, int n_columns, int n_clusters, bool shifted,
    long long row_step, long long column_step, int n_chunks, int most_steps, double tolerance,
    double* known, double* partials, double* sums, int* labels, int* state
) {
    extern __shared__ __align__(16) double shared[];
    double* room = shared;                  // [WARPS][8]
    double* panels = room + 8 * WARPS;      // [2][PANEL][TILES][32][2]
    const double* origin = centres + (long long)n_clusters * n_columns;
    const Table table{X, weight, origin, n_rows, row_step, column_step, n_columns, n_clusters, shifted};
    const int width = n_columns + 1, n_values = ASSIGN ? n_clusters + 1 : n_clusters * width;
    const int n_partials = ASSIGN ? gridDim.x : n_chunks;
    double* own_partials = partials + (long long)blockIdx.x * n_values;
    int which = 0, n_met = 0, n_moves = 0, how = GOES_ON;
    const auto put = [&](int to, auto centre) {
        Centres(known, to, table).put(table, Centres(known, to ^ 1, table), centre, room);
        meet(state + 2, gridDim.x * ++n_met);
    };
    put(which, [&](int k, int j) { return centres[k * n_columns + j]; });
    if (ASSIGN) for (int k = threadIdx.x; k < n_clusters; k += THREADS) own_partials[k] = 0.0;
    while (true) {
        __syncthreads();
        double inertia = label_rows(table, Centres(known, which, table), panels, labels, own_partials);
        if (ASSIGN) {
            inertia = sum_of_block(inertia, room);
            if (threadIdx.x == 0) own_partials[n_clusters] = inertia;
        } else {
            meet(state + 2, gridDim.x * ++n_met);
            sum_rows(table, Centres(known, which, table).n_groups, n_chunks, labels, partials);
        }
        meet(state + 2, gridDim.x * ++n_met);
        add_up(partials, n_partials, n_values, sums, room);
        if (most_steps == 0) return;
        meet(state + 2, gridDim.x * ++n_met);
        put(which ^ 1, [&](int k, int j) { return __ldcg(sums + k * width + j) / __ldcg(sums + k * width + n_columns); });
        how = how_it_stands(table, Centres(known, which ^ 1, table), sums, tolerance, room);
        if (how != EMPTY) { which ^= 1; ++n_moves; }
        if (how != GOES_ON || n_moves == most_steps) break;
    }
    const Centres last(known, which, table);
    for (int i = THREADS * blockIdx.x + threadIdx.x; i < n_clusters * n_columns; i += THREADS * gridDim.x)
        centres[i] = -0.5 * __ldcg(last.slope + last.place(i / n_columns, i % n_columns));
    if (blockIdx.x == 0 && threadIdx.x == 0) { state[0] = how; state[1] = n_moves; }
}
