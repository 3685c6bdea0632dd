// AVX-512 with products of bfloat16; float32 as without.
#if defined(__x86_64__)

#define KLF_NAMESPACE avx512_bf16
#define KLF_BFLOAT16_KERNELS kAvx512Bf16Kernels
#define KLF_BFLOAT16_NAME "avx512_bf16"

#include "bfloat16_kernels.h"

#endif  // __x86_64__
