// Stands in for a header that includes others which TensorFlow 2.21's wheel
// leaves out.
#pragma once
namespace highwayhash {
template <int>
class HighwayHashCatT {};
}  // namespace highwayhash
