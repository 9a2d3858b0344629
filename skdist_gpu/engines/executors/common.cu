// what the kernels of several files use

// copy to shared memory without waiting; instructions of asm tell when a thread's copies have arrived
template <int BYTES> __device__ __forceinline__ void copy(void* to, const void* from) {
    const unsigned shared = (unsigned)__cvta_generic_to_shared(to);
    if (BYTES == 16) asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" :: "r"(shared), "l"(from));
    else asm volatile("cp.async.ca.shared.global [%0], [%1], %2;" :: "r"(shared), "l"(from), "n"(BYTES));
}

// sums of 16 x 8 values += a x b of DEPTH values each; a warp holds them as NVIDIA's manual says
__device__ __forceinline__ void multiply_add(double (&sums)[4], const double* a, const double* b) {
#if __CUDA_ARCH__ >= 900
#if DEPTH == 4
    asm("mma.sync.aligned.m16n8k4.row.col.f64.f64.f64.f64 {%0,%1,%2,%3}, {%4,%5}, {%6}, {%0,%1,%2,%3};"
        : "+d"(sums[0]), "+d"(sums[1]), "+d"(sums[2]), "+d"(sums[3]) : "d"(a[0]), "d"(a[1]), "d"(b[0]));
#elif DEPTH == 8
    asm("mma.sync.aligned.m16n8k8.row.col.f64.f64.f64.f64 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
        : "+d"(sums[0]), "+d"(sums[1]), "+d"(sums[2]), "+d"(sums[3])
        : "d"(a[0]), "d"(a[1]), "d"(a[2]), "d"(a[3]), "d"(b[0]), "d"(b[1]));
#else
    asm("mma.sync.aligned.m16n8k16.row.col.f64.f64.f64.f64 {%0,%1,%2,%3}, {%4,%5,%6,%7,%8,%9,%10,%11}, "
        "{%12,%13,%14,%15}, {%0,%1,%2,%3};"
        : "+d"(sums[0]), "+d"(sums[1]), "+d"(sums[2]), "+d"(sums[3])
        : "d"(a[0]), "d"(a[1]), "d"(a[2]), "d"(a[3]), "d"(a[4]), "d"(a[5]), "d"(a[6]), "d"(a[7]),
          "d"(b[0]), "d"(b[1]), "d"(b[2]), "d"(b[3]));
#endif
#else
    #pragma unroll
    for (int k = 0; k < DEPTH / 4; ++k)
        #pragma unroll
        for (int half = 0; half < 2; ++half)
            asm("mma.sync.aligned.m8n8k4.row.col.f64.f64.f64.f64 {%0,%1}, {%2}, {%3}, {%0,%1};"
                : "+d"(sums[2 * half]), "+d"(sums[2 * half + 1]) : "d"(a[2 * k + half]), "d"(b[k]));
#endif
}

// sums of 8 x 8 values += a x b of 4 values each, one of each in every thread of a warp
__device__ __forceinline__ void multiply_add(double (&sums)[2], double a, double b) {
    asm("mma.sync.aligned.m8n8k4.row.col.f64.f64.f64.f64 {%0,%1}, {%2}, {%3}, {%0,%1};"
        : "+d"(sums[0]), "+d"(sums[1]) : "d"(a), "d"(b));
}

// wait until all blocks of a cooperative launch have come so far; `arrived` counts them, from zero on
__device__ __forceinline__ void meet(int* arrived, int expected) {
    __syncthreads();
    if (threadIdx.x == 0) {
        __threadfence();
        atomicAdd(arrived, 1);
        while (*(volatile int*)arrived < expected) __nanosleep(20);
        __threadfence();
    }
    __syncthreads();
}
