// the kernel of lloyd_kernels.py, which gives the words in capitals
constexpr double FAR = 1.7976931348623157e308;

extern "C" __global__ void lloyd(
    const VALUE* __restrict__ X, const double* __restrict__ weight, const double* __restrict__ centres,
    long long n_rows, int n_columns, int n_clusters, int n_groups, bool by_rows,
    double* __restrict__ sums, int* __restrict__ labels, const int* __restrict__ state
) {
    extern __shared__ __align__(16) double shared[];
    if (state && state[0]) return;                   // steps before this one were the last
    const int thread = threadIdx.x, n_threads = blockDim.x;
    const int padded = (n_clusters + TOGETHER - 1) / TOGETHER * TOGETHER;
    const int width = n_columns + 1, stride = n_columns | 1;
    double* slope = shared;                          // [n_columns][padded]
    double* norm = slope + n_columns * padded;       // [padded]
    double* origin = norm + padded;                  // [n_columns]
    double* weights = origin + n_columns;            // [n_threads]
    double* total = weights + n_threads;             // [n_groups][n_clusters][width], or [n_clusters]
    const int n_totals = ASSIGN ? n_clusters : n_groups * n_clusters * width;
    int* label = (int*)(total + n_totals);           // [n_threads]
    VALUE* tile = (VALUE*)(label + n_threads);       // [n_threads][stride]

    // centres are less the origin, which follows them
    for (int i = thread; i < n_columns; i += n_threads) origin[i] = centres[n_clusters * n_columns + i];
    for (int i = thread; i < n_columns * padded; i += n_threads) {
        const int k = i % padded;
        slope[i] = k < n_clusters ? -2.0 * centres[k * n_columns + i / padded] : 0.0;
    }
    for (int i = thread; i < n_totals; i += n_threads) total[i] = 0.0;
    __syncthreads();
    for (int k = thread; k < padded; k += n_threads) {
        double square = 0.0;
        for (int j = 0; j < n_columns; ++j) square += 0.25 * slope[j * padded + k] * slope[j * padded + k];
        norm[k] = k < n_clusters ? square : FAR;
    }

    double inertia = 0.0;
    for (long long start = (long long)blockIdx.x * n_threads; start < n_rows;
         start += (long long)gridDim.x * n_threads) {
        const int n_here = (int)min((long long)n_threads, n_rows - start);
        for (int i = thread; i < n_here * n_columns; i += n_threads) {
            const int row = by_rows ? i / n_columns : i % n_here, column = by_rows ? i % n_columns : i / n_here;
            tile[row * stride + column] = by_rows ? X[start * n_columns + i] : X[column * n_rows + start + row];
        }
        weights[thread] = thread < n_here && weight ? weight[start + thread] : 1.0;
        __syncthreads();
        if (thread < n_here) {
            const VALUE* own = tile + thread * stride;
            double nearest = FAR;
            int best = 0;
            for (int first = 0; first < padded; first += TOGETHER) {
                double distance[TOGETHER];
                #pragma unroll
                for (int k = 0; k < TOGETHER; ++k) distance[k] = norm[first + k];
                for (int j = 0; j < n_columns; ++j) {
                    const double value = (double)own[j] - origin[j];
                    // two at a time: to read shared memory takes as long as to multiply
                    const double2* pairs = reinterpret_cast<const double2*>(slope + j * padded + first);
                    #pragma unroll
                    for (int k = 0; k < TOGETHER; k += 2) {
                        const double2 pair = pairs[k / 2];
                        distance[k] += value * pair.x;
                        distance[k + 1] += value * pair.y;
                    }
                }
                #pragma unroll
                for (int k = 0; k < TOGETHER; ++k)
                    if (distance[k] < nearest) { nearest = distance[k]; best = first + k; }
            }
            label[thread] = best;
            if (ASSIGN) {
                double square = 0.0;
                for (int j = 0; j < n_columns; ++j) {
                    const double apart = (double)own[j] - origin[j] + 0.5 * slope[j * padded + best];
                    square += apart * apart;
                }
                inertia += weights[thread] * square;
                labels[start + thread] = best;
                total[best] = 1.0;
            }
        }
        __syncthreads();
        if (!ASSIGN) {
            // each thread has its columns of the rows of its group
            const int columns_at_once = n_groups > 1 ? width : n_threads, group = thread / columns_at_once;
            for (int j = thread % columns_at_once; j < width && group < n_groups; j += columns_at_once) {
                double* own = total + (long long)group * n_clusters * width + j;
                for (int row = group; row < n_here; row += n_groups) {
                    const double value = j < n_columns ? (double)tile[row * stride + j] - origin[j] : 1.0;
                    own[label[row] * width] += weights[row] * value;
                }
            }
            __syncthreads();
        }
    }
    double* out = sums + (long long)blockIdx.x * (ASSIGN ? n_clusters + 1 : n_clusters * width);
    if (ASSIGN) {
        for (int k = thread; k < n_clusters; k += n_threads) out[k] = total[k];
        __syncthreads();
        weights[thread] = inertia;
        __syncthreads();
        if (thread == 0) {
            double sum = 0.0;
            for (int i = 0; i < n_threads; ++i) sum += weights[i];
            out[n_clusters] = sum;
        }
    } else {
        for (int i = thread; i < n_clusters * width; i += n_threads) {
            double sum = 0.0;
            for (int group = 0; group < n_groups; ++group) sum += total[group * n_clusters * width + i];
            out[i] = sum;
        }
    }
}
