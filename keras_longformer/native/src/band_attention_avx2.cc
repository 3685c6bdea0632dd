// x86-64-v3: AVX2 and FMA.
#if defined(__x86_64__)

#define KLF_NAMESPACE avx2
#define KLF_LANES 8
// Rows and vectors of a product kept in registers.
#define KLF_ROWS 4
#define KLF_WIDE 2

#include "band_scores.h"

namespace keras_longformer {

const Kernels kAvx2Kernels = {
    "avx2",
    {avx2::ForwardScratch, avx2::BackwardScratch, avx2::ScoresScratch},
    {avx2::Forward, avx2::Backward, avx2::Scores},
    avx2::StorePositions};

}  // namespace keras_longformer

#endif  // __x86_64__
