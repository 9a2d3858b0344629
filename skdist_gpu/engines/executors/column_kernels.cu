// the kernels of column_kernels.py, which gives the numbers in capitals
using T = VALUE;

// the mean of some finite values of each column
extern "C" __global__ void pilot_of(
    const T* __restrict__ X, long long row_step, long long column_step, long long n_rows, int n_columns,
    double* __restrict__ pilot
) {
    const int column = blockIdx.x * blockDim.x + threadIdx.x;
    if (column >= n_columns) return;
    const long long every = n_rows < PILOT_ROWS ? 1 : n_rows / PILOT_ROWS;
    double sum = 0.0;
    int n_finite = 0;
    for (long long row = 0; row < n_rows; row += every) {
        const double value = X[row * row_step + column * column_step];
        if (isfinite(value)) { sum += value; ++n_finite; }
    }
    pilot[column] = n_finite ? sum / n_finite : 0.0;
}

// each block of THREADS threads adds up weights, values less the pilot, and their squares, of `at_once` columns
extern "C" __global__ void __launch_bounds__(THREADS) columns(
    const T* __restrict__ X, long long row_step, long long column_step, const double* __restrict__ weight,
    const double* __restrict__ pilot, long long n_rows, int n_columns, int at_once, bool skip_nan,
    double* __restrict__ partials
) {
    __shared__ double sums[3][THREADS];
    const int column = blockIdx.y * at_once + threadIdx.x % at_once;
    const int group = threadIdx.x / at_once, n_groups = THREADS / at_once;
    double weights = 0.0, values = 0.0, squares = 0.0;
    if (column < n_columns && group < n_groups) {
        const double origin = pilot[column];
        for (long long row = (long long)blockIdx.x * n_groups + group; row < n_rows;
             row += (long long)gridDim.x * n_groups) {
            const double value = X[row * row_step + column * column_step] - origin, own = weight ? weight[row] : 1.0;
            if (skip_nan && isnan(value)) continue;
            weights += own;
            values += own * value;
            squares += own * (value * value);
        }
    }
    sums[0][threadIdx.x] = weights;
    sums[1][threadIdx.x] = values;
    sums[2][threadIdx.x] = squares;
    __syncthreads();
    if (threadIdx.x >= at_once || column >= n_columns) return;
    for (int i = 0; i < 3; ++i) {
        double sum = 0.0;
        for (int k = 0; k < n_groups; ++k) sum += sums[i][k * at_once + threadIdx.x];
        partials[((long long)blockIdx.x * 3 + i) * n_columns + column] = sum;
    }
}

// turn the sums of each column into its weight, mean and scatter
extern "C" __global__ void centre(double* __restrict__ sums, const double* __restrict__ pilot, int n_columns) {
    const int column = blockIdx.x * blockDim.x + threadIdx.x;
    if (column >= n_columns) return;
    const double weight = sums[column], values = sums[n_columns + column];
    const double shift = values / (weight == 0.0 ? 1.0 : weight);
    sums[n_columns + column] = pilot[column] + shift;
    sums[2 * n_columns + column] -= values * shift;
}

// each block adds up the weights of the rows of each class, each thread in numbers of its own
extern "C" __global__ void class_totals(
    const TARGET* __restrict__ y, const double* __restrict__ weight, long long n_rows, int n_classes,
    double* __restrict__ partials
) {
    extern __shared__ double totals[];  // [n_classes][threads]
    const int n_threads = blockDim.x;
    for (int k = 0; k < n_classes; ++k) totals[k * n_threads + threadIdx.x] = 0.0;
    for (long long row = (long long)blockIdx.x * n_threads + threadIdx.x; row < n_rows;
         row += (long long)gridDim.x * n_threads)
        totals[y[row] * n_threads + threadIdx.x] += weight ? weight[row] : 1.0;
    __syncthreads();
    for (int k = threadIdx.x; k < n_classes; k += n_threads) {
        double sum = 0.0;
        for (int i = 0; i < n_threads; ++i) sum += totals[k * n_threads + i];
        partials[(long long)blockIdx.x * n_classes + k] = sum;
    }
}

// copy every so-many-th row, of so many words of four bytes
extern "C" __global__ void some_rows(
    const unsigned* __restrict__ from, long long n_words, long long every, long long n_rows, unsigned* __restrict__ to
) {
    for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < n_rows * n_words;
         i += (long long)gridDim.x * blockDim.x)
        to[i] = from[i / n_words * every * n_words + i % n_words];
}

// Of a sorted column whose NaN are last, the values before each quantile, those after it, the share of the way, and both
// ends of what is no NaN. Each thread looks for the first NaN by halves.
extern "C" __global__ void at_shares(
    const T* __restrict__ column, long long n_rows, const double* __restrict__ shares, int n_shares,
    double* __restrict__ found
) {
    long long n_numbers = 0;
    for (long long end = n_rows; n_numbers < end;) {
        const long long middle = (n_numbers + end) / 2;
        if (isnan((double)column[middle])) end = middle;
        else n_numbers = middle + 1;
    }
    const long long last = n_numbers > 0 ? n_numbers - 1 : 0;
    for (int k = threadIdx.x; k < n_shares; k += blockDim.x) {
        // rounded as the host rounds it
        const double position = __dmul_rn(shares[k], (double)last);
        const long long before = (long long)floor(position);
        found[k] = column[before];
        found[n_shares + k] = column[before < last ? before + 1 : last];
        found[2 * n_shares + k] = position - (double)before;
    }
    if (threadIdx.x > 0) return;
    found[3 * n_shares] = column[0];
    found[3 * n_shares + 1] = column[last];
}
