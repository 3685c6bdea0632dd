// x86-64-v4: AVX-512 with 512-bit registers.
#if defined(__x86_64__)

#define KLF_NAMESPACE avx512
#define KLF_LANES 16
// Rows and vectors of a product kept in registers.
#define KLF_ROWS 4
#define KLF_WIDE 4

#include "band_scores.h"

namespace keras_longformer {

const Kernels kAvx512Kernels = {
    "avx512",
    {avx512::ForwardScratch, avx512::BackwardScratch, avx512::ScoresScratch},
    {avx512::Forward, avx512::Backward, avx512::Scores},
    avx512::StorePositions};

}  // namespace keras_longformer

#endif  // __x86_64__
