// the kernel of score_kernels.py, which gives the words in capitals
// losses of rows, slopes times rows, and second derivatives of rows where there is room for them
extern "C" __global__ void score_sums(
    const VALUE* __restrict__ X, long long row_step, const TARGET* __restrict__ target,
    const double* __restrict__ weight, const double* __restrict__ coef, double constant, double number,
    long long n_rows, int n_columns, double* __restrict__ curvatures, double* __restrict__ sums
) {
    const int lane = threadIdx.x % 32;
    const long long warp = (long long)blockIdx.x * (blockDim.x / 32) + threadIdx.x / 32;
    const long long n_warps = (long long)gridDim.x * (blockDim.x / 32);
    double own_coef[COLUMNS], gradient[COLUMNS], total = 0.0, slopes = 0.0;
    #pragma unroll
    for (int k = 0; k < COLUMNS; ++k) {
        const int column = lane + 32 * k;
        own_coef[k] = column < n_columns ? coef[column] : 0.0;
        gradient[k] = 0.0;
    }
    const double intercept = constant != 0.0 ? constant * coef[n_columns] : 0.0;
    for (long long start = warp * ROWS; start < n_rows; start += n_warps * ROWS) {
        VALUE values[ROWS][COLUMNS];
        #pragma unroll
        for (int r = 0; r < ROWS; ++r)
            #pragma unroll
            for (int k = 0; k < COLUMNS; ++k) {
                const int column = lane + 32 * k;
                const bool there = start + r < n_rows && column < n_columns;
                values[r][k] = there ? X[(start + r) * row_step + column] : (VALUE)0;
            }
        double score = intercept, slope = 0.0;
        #pragma unroll
        for (int r = 0; r < ROWS; ++r) {
            double product = 0.0;
            #pragma unroll
            for (int k = 0; k < COLUMNS; ++k) product += own_coef[k] * (double)values[r][k];
            #pragma unroll
            for (int offset = 16; offset > 0; offset /= 2) product += __shfl_xor_sync(0xffffffff, product, offset);
            if (lane == r) score += product;
        }
        // each lane works on the score of one row
        if (lane < ROWS && start + lane < n_rows) {
            const double y = (double)target[start + lane], w = weight ? weight[start + lane] : 1.0;
            double loss, curvature;
            ROW_LOSS
            // a row without weight may overflow
            if (curvatures) curvatures[start + lane] = w == 0.0 ? 0.0 : w * curvature;
            total += w == 0.0 ? 0.0 : w * loss;
            slope = w == 0.0 ? 0.0 : w * slope;
            slopes += slope;
        }
        #pragma unroll
        for (int r = 0; r < ROWS; ++r) {
            const double row_slope = __shfl_sync(0xffffffff, slope, r);
            #pragma unroll
            for (int k = 0; k < COLUMNS; ++k) gradient[k] += row_slope * (double)values[r][k];
        }
    }
    for (int offset = 16; offset > 0; offset /= 2) {
        total += __shfl_xor_sync(0xffffffff, total, offset);
        slopes += __shfl_xor_sync(0xffffffff, slopes, offset);
    }
    double* own = sums + warp * (n_columns + 2);
    #pragma unroll
    for (int k = 0; k < COLUMNS; ++k)
        if (lane + 32 * k < n_columns) own[lane + 32 * k] = gradient[k];
    if (lane == 0) {
        own[n_columns] = constant * slopes;
        own[n_columns + 1] = total;
    }
}
