// the kernels of gram_kernels.py, which gives the numbers in capitals
using T = VALUE;
// the triangle of the products of LINES lines of 16 columns; or, for an OBLONG, all products of the first OBLONG lines
// with the others
constexpr int WIDTH = 16 * LINES, STRIDE = WIDTH + 4, FIRST = OBLONG ? 16 * OBLONG : WIDTH;
constexpr int ODD = LINES % 2, ROLES = OBLONG ? OBLONG : (LINES + 1) / 2;
constexpr int TILES = OBLONG ? 2 * (LINES - OBLONG) : 2 * (LINES + 1 - ODD);
constexpr int FACING = OBLONG ? FIRST : 0, OWN = TILES / SPLIT;
constexpr int THREADS = 32 * ROLES * SPLIT * GROUPS, SLOT = ROLES * TILES * 128;

struct Table {
    const T* X;
    long long row_step, column_step;     // in values
    const void* y;
    long long y_row_step, y_column_step;
    const double* weight;
    const double* shift;                 // the mean of a few rows if there is none
    long long n_rows;
    int n_features, n_targets, first, second;
    bool wide_y, by_rows, flat;

    // the columns of [X y] begin at `first` and, for an OBLONG, go on at `second`
    __device__ __forceinline__ int column(int place) const {
        return OBLONG && place >= FIRST ? place - FIRST + second : place + first;
    }
    __device__ __forceinline__ int place(int column) const {
        if (column >= first && column < first + FIRST) return column - first;
        return OBLONG && column >= second && column < second + WIDTH - FIRST ? column - second + FIRST : -1;
    }
};

__device__ __forceinline__ double target(const Table& table, long long row, int k) {
    const long long at = row * table.y_row_step + k * table.y_column_step;
    return table.wide_y ? ((const double*)table.y)[at] : (double)((const float*)table.y)[at];
}

// rows of X as they are, then targets, then weights
__device__ __forceinline__ void bring(const Table& table, long long start, char* stage, int y_at, int weight_at) {
    const int n_here = (int)min((long long)STEP, table.n_rows - start);
    T* rows = (T*)stage;
    if (table.flat && n_here == STEP) {
        const char* from = (const char*)(table.X + start * table.row_step);
        #pragma unroll 1
        for (int i = 16 * threadIdx.x; i < STEP * table.n_features * (int)sizeof(T); i += 16 * THREADS)
            copy<16>(stage + i, from + i);
    } else if (table.by_rows) {
        #pragma unroll 1
        for (int i = threadIdx.x; i < n_here * WIDTH; i += THREADS) {
            const int row = i / WIDTH, place = i % WIDTH, column = table.column(place);
            if (column < table.n_features)
                copy<sizeof(T)>(rows + row * (table.flat ? table.n_features : WIDTH) + place,
                                table.X + (start + row) * table.row_step + column * table.column_step);
        }
    } else {
        #pragma unroll 1
        for (int i = threadIdx.x; i < STEP * WIDTH; i += THREADS) {
            const int row = i % STEP, place = i / STEP, column = table.column(place);
            if (row < n_here && column < table.n_features)
                copy<sizeof(T)>(rows + place * (STEP + 1) + row,
                                table.X + (start + row) * table.row_step + column * table.column_step);
        }
    }
    #pragma unroll 1
    for (int i = threadIdx.x; i < n_here * table.n_targets; i += THREADS) {
        const long long at = (start + i / table.n_targets) * table.y_row_step
            + i % table.n_targets * table.y_column_step;
        if (table.wide_y) copy<8>(stage + y_at + 8 * i, (const double*)table.y + at);
        else copy<4>(stage + y_at + 4 * i, (const float*)table.y + at);
    }
    if (table.weight)
        #pragma unroll 1
        for (int i = threadIdx.x; i < n_here; i += THREADS)
            copy<8>(stage + weight_at + 8 * i, table.weight + start + i);
}

// a warp's own lines of the triangle: a long one, and a short one unless the long one is the longest of an odd number;
// it has every SPLIT-th tile of them, from the tile of its PART on
template <int ROLE, int PART>
__device__ __forceinline__ void multiply(double (&sums)[OWN][4], const double* tile, int group) {
    constexpr int LONG = OBLONG ? ROLE : LINES - 1 - ROLE, SHORT = OBLONG ? -1 : ROLE - ODD;
    constexpr int IN_LONG = OBLONG ? TILES : 2 * LONG + 2, IN_SHORT = 2 * SHORT + 2;
    const int lane = threadIdx.x % 32;
    // the thread's own value of each 4 rows and 8 columns
    const double* own = tile + lane % 4 * STRIDE + lane / 4;
    #pragma unroll 1
    for (int row = DEPTH * group; row < STEP; row += DEPTH * GROUPS) {
        double of_long[DEPTH / 2], of_short[DEPTH / 2];
        #pragma unroll
        for (int k = 0; k < DEPTH / 2; ++k) {
            const double* at = own + (row + k / 2 * 4) * STRIDE + k % 2 * 8;
            of_long[k] = at[16 * LONG];
            if (SHORT >= 0) of_short[k] = at[16 * SHORT];
        }
        #pragma unroll
        for (int k = 0; k < IN_LONG / SPLIT; ++k) {
            const int column = SPLIT * k + PART;
            double values[DEPTH / 4];
            #pragma unroll
            for (int i = 0; i < DEPTH / 4; ++i) values[i] = own[(row + 4 * i) * STRIDE + FACING + 8 * column];
            multiply_add(sums[k], of_long, values);
            if (column < IN_SHORT) multiply_add(sums[IN_LONG / SPLIT + k], of_short, values);
        }
    }
}

// the numbers of tiles have to be known to the compiler
template <int ROLE, int PART>
__device__ __forceinline__ void multiply_own(double (&sums)[OWN][4], const double* tile, int which, int group) {
    if constexpr (ROLE < ROLES) {
        if (which == SPLIT * ROLE + PART) multiply<ROLE, PART>(sums, tile, group);
        else multiply_own<ROLE + (PART + 1) / SPLIT, (PART + 1) % SPLIT>(sums, tile, which, group);
    }
}

extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS_PER_PROCESSOR) gram(
    const T* X, long long row_step, long long column_step, const void* y, long long y_row_step, long long y_column_step,
    const double* weight, const double* given_shift, long long n_rows,
    int n_features, int n_targets, int first, int second,
    bool wide_y, bool by_rows, bool flat, int stage_bytes, int y_at, int weight_at,
    double* __restrict__ partials, double* __restrict__ pilot
) {
    const Table table{X, row_step, column_step, y, y_row_step, y_column_step, weight, given_shift, n_rows,
                      n_features, n_targets, first, second, wide_y, by_rows, flat};
    extern __shared__ __align__(16) char shared[];
    char* stages = shared;                                        // [N_STAGES][stage_bytes]
    double* tile = (double*)(stages + N_STAGES * stage_bytes);    // [STEP][STRIDE]
    double* shift = tile + STEP * STRIDE;                         // [WIDTH]
    double* scale = shift + WIDTH;                                // [STEP]
    const int thread = threadIdx.x, warp = thread / 32;
    const int role = warp % ROLES, part = warp / ROLES % SPLIT, group = warp / (ROLES * SPLIT);
    const int n_columns = table.n_features + table.n_targets;

    long long start = (long long)blockIdx.x * STEP;
    const long long hop = (long long)gridDim.x * STEP;
    for (int stage = 0; stage < N_STAGES; ++stage) {
        if (start + stage * hop < table.n_rows)
            bring(table, start + stage * hop, stages + stage * stage_bytes, y_at, weight_at);
        asm volatile("cp.async.commit_group;");
    }
    for (int place = thread; place < WIDTH; place += THREADS) {
        const int column = table.column(place);
        double mean = 0.0;
        if (table.shift) {
            mean = column < n_columns ? table.shift[column] : 0.0;
        } else if (column < n_columns) {
            const int n_few = (int)min((long long)PILOT_ROWS, table.n_rows);
            #pragma unroll 4
            for (int k = 0; k < n_few; ++k) {
                const long long row = table.n_rows * k / n_few;
                mean += column < table.n_features
                    ? (double)table.X[row * table.row_step + column * table.column_step]
                    : target(table, row, column - table.n_features);
            }
            mean /= n_few;
        }
        shift[place] = mean;
        if (blockIdx.x == 0 && column < n_columns) pilot[column] = mean;
    }
    for (int i = thread; i < STEP * STRIDE; i += THREADS) tile[i] = 0.0;

    double sums[OWN][4];
    #pragma unroll
    for (int k = 0; k < OWN; ++k) sums[k][0] = sums[k][1] = sums[k][2] = sums[k][3] = 0.0;

    const int row_hop = table.flat ? table.n_features : table.by_rows ? WIDTH : 1;
    const int place_hop = table.by_rows ? 1 : STEP + 1;
    for (int stage = 0; start < table.n_rows; start += hop, stage = (stage + 1) % N_STAGES) {
        const int n_here = (int)min((long long)STEP, table.n_rows - start);
        char* arrived = stages + stage * stage_bytes;
        asm volatile("cp.async.wait_group %0;" :: "n"(N_STAGES - 1));
        __syncthreads();
        if (table.weight) {
            const double* weight_here = (const double*)(arrived + weight_at);
            #pragma unroll 1
            for (int row = thread; row < n_here; row += THREADS) scale[row] = sqrt(weight_here[row]);
            __syncthreads();
        }
        const T* rows = (const T*)arrived;
        #pragma unroll 4
        for (int i = thread; i < STEP * WIDTH; i += THREADS) {
            const int row = i / WIDTH, place = i % WIDTH;
            if (table.column(place) < table.n_features) {
                double value = (double)rows[row * row_hop + place * place_hop] - shift[place];
                if (table.weight) value *= scale[row];
                tile[row * STRIDE + place] = row < n_here ? value : 0.0;
            }
        }
        #pragma unroll 1
        for (int i = thread; i < STEP * (table.n_targets + 1); i += THREADS) {
            const int row = i % STEP, k = i / STEP, at = row * table.n_targets + k;
            const int place = table.place(table.n_features + k);
            if (place < 0) continue;
            double value = 1.0;
            if (k < table.n_targets)
                value = (table.wide_y ? ((double*)(arrived + y_at))[at] : (double)((float*)(arrived + y_at))[at])
                    - shift[place];
            if (table.weight) value *= scale[row];
            tile[row * STRIDE + place] = row < n_here ? value : 0.0;
        }
        __syncthreads();
        if (start + N_STAGES * hop < table.n_rows) bring(table, start + N_STAGES * hop, arrived, y_at, weight_at);
        asm volatile("cp.async.commit_group;");
        multiply_own<0, 0>(sums, tile, SPLIT * role + part, group);
    }
    double* own = partials + ((long long)blockIdx.x * GROUPS + group) * SLOT + role * TILES * 128 + thread % 32;
    #pragma unroll
    for (int k = 0; k < OWN; ++k)
        #pragma unroll
        for (int c = 0; c < 4; ++c) own[((SPLIT * k + part) * 4 + c) * 32] = sums[k][c];
}

// adds up the partial sums of 32 values, in slices of them and then the slices
extern "C" __global__ void add_up(
    const double* __restrict__ partials, int n_slots, int n_columns, int first, int second,
    double* __restrict__ products
) {
    __shared__ double slices[8][32];
    const int lane = threadIdx.x % 32, slice = threadIdx.x / 32;
    double sum = 0.0;
    #pragma unroll 4
    for (int slot = slice; slot < n_slots; slot += 8)
        sum += partials[(long long)slot * SLOT + blockIdx.x * 32 + lane];
    slices[slice][lane] = sum;
    __syncthreads();
    if (slice > 0) return;
    sum = 0.0;
    for (int k = 0; k < 8; ++k) sum += slices[k][lane];
    const int value = blockIdx.x % 4, tile = blockIdx.x / 4 % TILES, role = blockIdx.x / 4 / TILES;
    const int n_long = OBLONG ? TILES : 2 * (LINES - role);
    const int line = OBLONG ? role : tile < n_long ? LINES - 1 - role : role - ODD;
    const int i = first + 16 * line + lane / 4 + value / 2 * 8;
    const int j = (OBLONG ? second : first) + 8 * (tile % n_long) + lane % 4 * 2 + value % 2;
    if (i < n_columns && j < n_columns && (OBLONG || j <= i))
        products[i * n_columns + j] = products[j * n_columns + i] = sum;
}

// what remains of the products of n columns and ones after the mean is taken away
extern "C" __global__ void centre(
    const double* __restrict__ products, const double* __restrict__ pilot, int n, double* __restrict__ moments
) {
    const int at = blockIdx.x * blockDim.x + threadIdx.x, i = at / n, j = at % n, stride = n + 1;
    if (i >= n) return;
    double weight = products[n * stride + n];
    if (at == 0) moments[0] = weight;
    if (weight == 0.0) weight = 1.0;
    const double* sums = products + n * stride;
    if (j == 0) moments[1 + i] = pilot[i] + sums[i] / weight;
    moments[1 + n + at] = products[i * stride + j] - sums[i] * sums[j] / weight;
}
