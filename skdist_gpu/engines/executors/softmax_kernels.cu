// the kernels of softmax_kernels.py, which gives the words in capitals

// rows whose scores a warp brings together before each of its threads works on those of one row, and rows at a time
constexpr int GATHERED = 32, AT_ONCE = 8;

// Return the sums over a warp of 8 values of each thread: threads 4 i to 4 i + 3 have that of value i. Two values share
// a register from each exchange on, so that it takes 9 of them and not 40.
__device__ __forceinline__ double sums_of_eight(const double* values, int lane) {
    double four[4], two[2];
    #pragma unroll
    for (int i = 0; i < 4; ++i) {
        const bool upper = lane & 16;
        four[i] = (upper ? values[i + 4] : values[i]) + __shfl_xor_sync(0xffffffff, upper ? values[i] : values[i + 4], 16);
    }
    #pragma unroll
    for (int i = 0; i < 2; ++i) {
        const bool upper = lane & 8;
        two[i] = (upper ? four[i + 2] : four[i]) + __shfl_xor_sync(0xffffffff, upper ? four[i] : four[i + 2], 8);
    }
    const bool upper = lane & 4;
    double one = (upper ? two[1] : two[0]) + __shfl_xor_sync(0xffffffff, upper ? two[0] : two[1], 4);
    one += __shfl_xor_sync(0xffffffff, one, 2);
    return one + __shfl_xor_sync(0xffffffff, one, 1);
}

// Losses of rows, slopes times rows, and the share of each class in a row where there is room for them. A warp works on
// 32 rows: on the scores of 8 at a time, then on the losses of all, one a thread, and then on the slopes.
extern "C" __global__ void __launch_bounds__(THREADS) softmax_sums(
    const VALUE* __restrict__ X, long long row_step, const TARGET* __restrict__ target,
    const double* __restrict__ weight, const double* __restrict__ coef, double constant, long long n_rows,
    int n_columns, double* __restrict__ shares, double* __restrict__ sums
) {
    extern __shared__ double shared[];
    const int lane = threadIdx.x % 32, n_coef = n_columns + (constant != 0.0);
    const long long warp = (long long)blockIdx.x * (THREADS / 32) + threadIdx.x / 32;
    const long long n_warps = (long long)gridDim.x * (THREADS / 32);
    double* coefs = shared;                                   // [CLASSES][32 * COLUMNS], zero where no column is
    double* intercepts = coefs + CLASSES * 32 * COLUMNS;      // [CLASSES]
    double* scores = intercepts + CLASSES + threadIdx.x / 32 * GATHERED * (CLASSES + 1);  // [32][CLASSES], of the warp
    for (int i = threadIdx.x; i < CLASSES * 32 * COLUMNS; i += THREADS) {
        const int k = i / (32 * COLUMNS), column = i % (32 * COLUMNS);
        coefs[i] = column < n_columns ? coef[k * n_coef + column] : 0.0;
    }
    for (int k = threadIdx.x; k < CLASSES; k += THREADS)
        intercepts[k] = constant != 0.0 ? constant * coef[k * n_coef + n_columns] : 0.0;
    __syncthreads();
    double gradient[CLASSES][COLUMNS], slopes[CLASSES], total = 0.0;
    #pragma unroll
    for (int k = 0; k < CLASSES; ++k) {
        slopes[k] = 0.0;
        #pragma unroll
        for (int c = 0; c < COLUMNS; ++c) gradient[k][c] = 0.0;
    }
    for (long long start = warp * GATHERED; start < n_rows; start += n_warps * GATHERED) {
        #pragma unroll 1
        for (int first = 0; first < GATHERED; first += AT_ONCE) {
            VALUE values[AT_ONCE][COLUMNS];
            #pragma unroll
            for (int r = 0; r < AT_ONCE; ++r)
                #pragma unroll
                for (int c = 0; c < COLUMNS; ++c) {
                    const long long row = start + first + r;
                    const int column = lane + 32 * c;
                    values[r][c] = row < n_rows && column < n_columns ? X[row * row_step + column] : (VALUE)0;
                }
            #pragma unroll 1
            for (int k = 0; k < CLASSES; ++k) {
                double products[AT_ONCE];
                #pragma unroll
                for (int r = 0; r < AT_ONCE; ++r) {
                    products[r] = 0.0;
                    #pragma unroll
                    for (int c = 0; c < COLUMNS; ++c)
                        products[r] += coefs[(k * COLUMNS + c) * 32 + lane] * (double)values[r][c];
                }
                const double score = sums_of_eight(products, lane);
                if (lane % 4 == 0) scores[(first + lane / 4) * (CLASSES + 1) + k] = score + intercepts[k];
            }
        }
        __syncwarp();
        double* own = scores + lane * (CLASSES + 1);
        const long long row = start + lane;
        const double w = row < n_rows ? (weight ? weight[row] : 1.0) : 0.0;
        if (row < n_rows) {
            const int label = (int)target[row];
            double largest = own[0], all = 0.0;
            for (int k = 1; k < CLASSES; ++k) largest = fmax(largest, own[k]);
            const double there = own[label] - largest;
            for (int k = 0; k < CLASSES; ++k) all += own[k] = exp(own[k] - largest);
            // a row without weight may overflow
            total += w == 0.0 ? 0.0 : w * (log(all) - there);
            #pragma unroll
            for (int k = 0; k < CLASSES; ++k) {
                const double share = own[k] / all;
                if (shares) shares[row * CLASSES + k] = w == 0.0 ? 0.0 : share;
                own[k] = w == 0.0 ? 0.0 : w * (share - (k == label ? 1.0 : 0.0));
                slopes[k] += own[k];
            }
        } else for (int k = 0; k < CLASSES; ++k) own[k] = 0.0;
        __syncwarp();
        #pragma unroll 4
        for (int r = 0; r < GATHERED; ++r) {
            double values[COLUMNS];
            #pragma unroll
            for (int c = 0; c < COLUMNS; ++c) {
                const int column = lane + 32 * c;
                const bool there = start + r < n_rows && column < n_columns;
                values[c] = there ? (double)X[(start + r) * row_step + column] : 0.0;
            }
            #pragma unroll
            for (int k = 0; k < CLASSES; ++k)
                #pragma unroll
                for (int c = 0; c < COLUMNS; ++c) gradient[k][c] += scores[r * (CLASSES + 1) + k] * values[c];
        }
        __syncwarp();
    }
    double* out = sums + warp * (CLASSES * n_coef + 1);
    #pragma unroll
    for (int k = 0; k < CLASSES; ++k) {
        #pragma unroll
        for (int c = 0; c < COLUMNS; ++c)
            if (lane + 32 * c < n_columns) out[k * n_coef + lane + 32 * c] = gradient[k][c];
        for (int offset = 16; offset > 0; offset /= 2) slopes[k] += __shfl_xor_sync(0xffffffff, slopes[k], offset);
        if (lane == 0 && constant != 0.0) out[k * n_coef + n_columns] = constant * slopes[k];
    }
    for (int offset = 16; offset > 0; offset /= 2) total += __shfl_xor_sync(0xffffffff, total, offset);
    if (lane == 0) out[CLASSES * n_coef] = total;
}

// Rows of X and a constant behind them, once for each class, times its share and the root of the weight.
extern "C" __global__ void spread(
    const VALUE* __restrict__ X, long long row_step, const double* __restrict__ weight,
    const double* __restrict__ shares, double constant, long long n_rows, int n_columns, double* __restrict__ table
) {
    const int n_coef = n_columns + (constant != 0.0), width = CLASSES * n_coef;
    const long long hop = (long long)gridDim.x * blockDim.x;
    for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < n_rows * width; i += hop) {
        const long long row = i / width;
        const int place = i % width, k = place / n_coef, column = place % n_coef;
        const double value = column < n_columns ? (double)X[row * row_step + column] : constant;
        table[i] = (weight ? sqrt(weight[row]) : 1.0) * shares[row * CLASSES + k] * value;
    }
}

// Second derivatives from the products of the table, of which a row has `step` values. Shares of a row sum up to one, so
// that p - p p of a class is the sum of the products of its share with those of the others, from which nothing is taken.
// Where all classes may shift together, which changes no share, that direction gets a size.
extern "C" __global__ void second_derivatives(
    const double* __restrict__ products, int step, int n_coef, double share, bool shifts, double* __restrict__ out
) {
    const int width = CLASSES * n_coef, i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= width * width) return;
    const int row = i / width, column = i % width, k = row / n_coef, a = row % n_coef, b = column % n_coef;
    const auto with_others = [=](int k, int a, int b) {
        double sum = 0.0;
        for (int other = 0; other < CLASSES; ++other)
            if (other != k) sum += products[(k * n_coef + a) * step + other * n_coef + b];
        return sum;
    };
    double value = k == column / n_coef ? with_others(k, a, b) : -products[row * step + column];
    if (shifts && a == b) {
        double all = 0.0;
        for (int each = 0; each < CLASSES; ++each) all += with_others(each, a, a);
        value += all > 0.0 ? all / (CLASSES * CLASSES) : 1.0;
    }
    out[i] = share * value;
}
