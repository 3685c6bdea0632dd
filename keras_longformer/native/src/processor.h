// Which kernels are there, and run on this machine.
#ifndef KERAS_LONGFORMER_NATIVE_PROCESSOR_H_
#define KERAS_LONGFORMER_NATIVE_PROCESSOR_H_

#include "band_attention.h"

namespace keras_longformer {

// The kernels of one instruction set, or with "" the fastest, of those that were
// compiled and that this machine runs; null where there are none. For "amx" this
// asks the kernel of the operating system, once, to let the process use tiles.
const Kernels* FindKernels(const char* name);

}  // namespace keras_longformer

#endif  // KERAS_LONGFORMER_NATIVE_PROCESSOR_H_
