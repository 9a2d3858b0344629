// the kernel of sums.py, which gives the number in capitals: it adds up the partial sums of 32 values, in slices of them
// and then the slices
extern "C" __global__ void add_up(
    const double* __restrict__ partials, int n_slots, int n_values, double* __restrict__ sums
) {
    __shared__ double slices[SLICES][32];
    const int lane = threadIdx.x % 32, slice = threadIdx.x / 32, at = blockIdx.x * 32 + lane;
    double sum = 0.0;
    if (at < n_values) {
        #pragma unroll 4
        for (int slot = slice; slot < n_slots; slot += SLICES) sum += partials[(long long)slot * n_values + at];
    }
    slices[slice][lane] = sum;
    __syncthreads();
    if (slice > 0 || at >= n_values) return;
    sum = 0.0;
    for (int k = 0; k < SLICES; ++k) sum += slices[k][lane];
    sums[at] = sum;
}
