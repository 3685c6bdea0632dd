// Stands in for a header that TensorFlow 2.21's wheel leaves out, although its
// XLA headers include it. Nothing that is declared with it is used.
#pragma once
#define HH_TARGET_PREFERRED 0
