// AVX-512 and AMX: bfloat16 by the processor's tiles, float32 by AVX-512.
#if defined(__x86_64__)

#define KLF_NAMESPACE amx
#define KLF_AMX
#define KLF_BFLOAT16_KERNELS kAmxKernels
#define KLF_BFLOAT16_NAME "amx"

#include "bfloat16_kernels.h"

#endif  // __x86_64__
