// Any machine with 16-byte vectors (or the compiler's imitation of them).
#define KLF_NAMESPACE portable
#define KLF_LANES 4
// Rows and vectors of a product kept in registers.
#define KLF_ROWS 4
#define KLF_WIDE 2

#include "band_scores.h"

namespace keras_longformer {

const Kernels kPortableKernels = {
    "portable",
    {portable::ForwardScratch, portable::BackwardScratch, portable::ScoresScratch},
    {portable::Forward, portable::Backward, portable::Scores},
    portable::StorePositions};

}  // namespace keras_longformer
