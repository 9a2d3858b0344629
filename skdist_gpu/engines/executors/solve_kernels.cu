// the kernel of solve_kernels.py, which gives the words in capitals; common.cu stands before it
// the lower triangle lies in shared memory, or in that of the device where that has no room for it, in tiles of 8 x 8,
// of which each thread of a warp has a pair of neighbours in a row; the order of the pairs changes with the row, so that
// those of a column lie in different banks, too
constexpr int N_WARPS = THREADS / 32, TILE = 64, TOGETHER = 4;

__device__ __forceinline__ int tile_at(int i, int j) { return TILE * (i * (i + 1) / 2 + j); }
__device__ __forceinline__ int place(int row, int pair) { return 8 * row + 2 * (pair ^ (row >> 1)); }

// a warp's tile less the product of two, the second one transposed
__device__ __forceinline__ double2 subtract(double2 own, double2 a, double2 b) {
    double sums[2] = {own.x, own.y};
    multiply_add(sums, -a.x, b.x);
    multiply_add(sums, -a.y, b.y);
    return {sums[0], sums[1]};
}

// the Cholesky factor of a warp's tile, with the inverse of its diagonal; not clear if a pivot is less than the least
__device__ __forceinline__ double2 decompose(double2 own, int row, int pair, double least, bool& clear) {
    #pragma unroll
    for (int j = 0; j < 8; ++j) {
        const double column = j % 2 ? own.y : own.x;
        const double pivot = __shfl_sync(0xffffffff, column, 4 * j + j / 2);
        double of_row = __shfl_sync(0xffffffff, column, 4 * row + j / 2);
        double of_x = __shfl_sync(0xffffffff, column, 8 * pair + j / 2);
        double of_y = __shfl_sync(0xffffffff, column, 8 * pair + 4 + j / 2);
        clear = clear && pivot > least;
        const double inverse = rsqrt(pivot);
        of_row *= inverse, of_x *= inverse, of_y *= inverse;
        if (2 * pair > j) own.x -= of_row * of_x;
        if (2 * pair + 1 > j) own.y -= of_row * of_y;
        if (pair == j / 2) (j % 2 ? own.y : own.x) = row == j ? inverse : of_row;
    }
    return own;
}

// a warp's tile times the inverse of the transposed factor above it, whose columns of the thread's pair are given
__device__ __forceinline__ double2 divide(double2 own, int row, int pair, const double (&x)[8], const double (&y)[8]) {
    #pragma unroll
    for (int j = 0; j < 8; ++j) {
        // the inverse of the diagonal stands with the thread that has the column
        const double column = (j % 2 ? own.y : own.x) * (j % 2 ? y[j] : x[j]);
        const double of_row = __shfl_sync(0xffffffff, column, 4 * row + j / 2);
        if (2 * pair > j) own.x -= of_row * x[j];
        if (2 * pair + 1 > j) own.y -= of_row * y[j];
        if (pair == j / 2) (j % 2 ? own.y : own.x) = column;
    }
    return own;
}

// Cholesky's factor in place of the tiles; warp 0 is ahead of the others by the next tile on the diagonal
__device__ __forceinline__ bool decompose_all(double* tiles, int n_lines, double least) {
    const int warp = threadIdx.x / 32, row = threadIdx.x % 32 / 4, pair = threadIdx.x % 4;
    const auto own = [=](int i, int j) -> double2& { return *(double2*)(tiles + tile_at(i, j) + place(row, pair)); };
    bool clear = true;
    if (warp == 0) own(0, 0) = decompose(own(0, 0), row, pair, least, clear);
    for (int k = 0; k + 1 < n_lines; ++k) {
        __syncthreads();
        const double* factor = tiles + tile_at(k, k);
        double x[8], y[8];
        #pragma unroll
        for (int j = 0; j < 8; j += 2) {
            const double2 of_x = *(const double2*)(factor + place(2 * pair, j / 2));
            const double2 of_y = *(const double2*)(factor + place(2 * pair + 1, j / 2));
            x[j] = of_x.x, x[j + 1] = of_x.y, y[j] = of_y.x, y[j + 1] = of_y.y;
        }
        #pragma unroll 2
        for (int i = k + 1 + warp; i < n_lines; i += N_WARPS) own(i, k) = divide(own(i, k), row, pair, x, y);
        __syncthreads();
        if (warp == 0) {
            const double2 next = subtract(own(k + 1, k + 1), own(k + 1, k), own(k + 1, k));
            own(k + 1, k + 1) = decompose(next, row, pair, least, clear);
            continue;
        }
        // the other warps have a long line and a short one each, until both are one
        for (int longer = n_lines - warp, shorter = k + 1 + warp; shorter <= longer;
             longer -= N_WARPS - 1, shorter += N_WARPS - 1)
            for (int i = longer;; i = shorter) {
                const double2 a = own(i, k);
                for (int first = k + 1; first <= i; first += TOGETHER) {
                    // all are read before one is written, so that none waits for another; the last one may be several
                    double2 left[TOGETHER];
                    #pragma unroll
                    for (int u = 0; u < TOGETHER; ++u) {
                        const int j = min(first + u, i);
                        left[u] = subtract(own(i, j), a, own(j, k));
                    }
                    #pragma unroll
                    for (int u = 0; u < TOGETHER; ++u) own(i, min(first + u, i)) = left[u];
                }
                if (i == shorter) break;
            }
    }
    __syncthreads();
    return clear;
}

// what 8 unknowns are by a tile on the diagonal, or by the transposed one; each thread computes all of them
template <bool TRANSPOSED>
__device__ __forceinline__ void solve_tile(const double* factor, double (&values)[8]) {
    #pragma unroll
    for (int step = 0; step < 8; ++step) {
        const int j = TRANSPOSED ? 7 - step : step;
        values[j] *= factor[place(j, j / 2) + j % 2];
        #pragma unroll
        for (int i = 0; i < 8; ++i)
            if (TRANSPOSED && i < j) values[i] -= values[j] * factor[place(j, i / 2) + i % 2];
            else if (!TRANSPOSED && i > j) values[i] -= values[j] * factor[place(i, j / 2) + j % 2];
    }
}

// what all unknowns are by the factor, or by the transposed one; each of the first threads has one of them
template <bool TRANSPOSED>
__device__ __forceinline__ double solve_all(const double* tiles, int n_lines, double own, double* exchange) {
    const int line = threadIdx.x / 8, at = threadIdx.x % 8;
    for (int step = 0; step < n_lines; ++step) {
        const int k = TRANSPOSED ? n_lines - 1 - step : step;
        // in turns, since some threads still read what the last ones have left
        double* here = exchange + step % 2 * 8;
        if (line == k) here[at] = own;
        __syncthreads();
        if (line >= n_lines || (TRANSPOSED ? line > k : line < k)) continue;
        double values[8];
        #pragma unroll
        for (int j = 0; j < 8; ++j) values[j] = here[j];
        solve_tile<TRANSPOSED>(tiles + tile_at(k, k), values);
        const double* tile = tiles + (TRANSPOSED ? tile_at(k, line) : tile_at(line, k));
        #pragma unroll
        for (int j = 0; j < 8; ++j)
            if (line == k) own = at == j ? values[j] : own;
            else own -= values[j] * tile[TRANSPOSED ? place(j, at / 2) + at % 2 : place(at, j / 2) + j % 2];
    }
    __syncthreads();
    return own;
}

// the solution for a vector, the diagonal of the matrix, and whether the factor kept its digits; the matrix is a share
// of the products and, on the diagonal, penalties, and is scaled to a diagonal of ones before its factor is found
extern "C" __global__ void __launch_bounds__(THREADS, 1) solve(
    const double* __restrict__ products, double share, int n, double least, bool is_new,
    const double* __restrict__ given, double* __restrict__ factor, double* __restrict__ found
) {
    extern __shared__ __align__(16) double shared[];
    const int n_lines = (n + 7) / 8, n_values = tile_at(n_lines, 0), thread = threadIdx.x;
    double* tiles = HELD ? shared : factor;      // [n_values]
    double* scales = shared + HELD * n_values;   // [8 n_lines]
    double* exchange = scales + 8 * n_lines;     // [16]
    double own = thread < n ? given[thread] : 0.0;
    if (is_new) {
        if (thread < 8 * n_lines) {
            const double diagonal = thread < n ? products[thread * (n + 1)] * share + given[n + thread] : 1.0;
            // without a scale the factor loses its digits
            scales[thread] = factor[n_values + thread] = diagonal > 0.0 ? 1.0 / sqrt(diagonal) : 0.0;
            if (thread < n) found[n + thread] = diagonal;
        }
        __syncthreads();
        const int row = thread % 32 / 4, pair = thread % 4;
        #pragma unroll 4
        for (int tile = thread / 32; tile < n_values / TILE; tile += N_WARPS) {
            const int line = (int)((sqrtf(8.0f * tile + 1.0f) - 1.0f) / 2.0f);
            const int i = 8 * line + row, first = 8 * (tile - line * (line + 1) / 2) + 2 * pair;
            double scaled[2];
            #pragma unroll
            for (int k = 0; k < 2; ++k) {
                const int j = first + k;
                scaled[k] = i < n && j < n ? products[i * n + j] * share * scales[i] * scales[j] : 0.0;
                if (i == j) scaled[k] = scales[i] > 0.0;
            }
            *(double2*)(tiles + TILE * tile + place(row, pair)) = {scaled[0], scaled[1]};
        }
        __syncthreads();
        const bool is_clear = decompose_all(tiles, n_lines, least);
        if (thread == 0) found[2 * n] = is_clear;
        if (HELD) for (int at = thread; at < n_values / 2; at += THREADS) ((double2*)factor)[at] = ((double2*)tiles)[at];
    } else {
        if (thread < 8 * n_lines) scales[thread] = factor[n_values + thread];
        #pragma unroll 8
        for (int at = thread; HELD && at < n_values / 2; at += THREADS) ((double2*)tiles)[at] = ((double2*)factor)[at];
        __syncthreads();
    }
    if (thread < n) own *= scales[thread];
    own = solve_all<false>(tiles, n_lines, own, exchange);
    own = solve_all<true>(tiles, n_lines, own, exchange);
    if (thread < n) found[thread] = scales[thread] * own;
}
