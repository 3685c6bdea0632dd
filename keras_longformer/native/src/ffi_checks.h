// Messages about what XLA hands over.
#ifndef KERAS_LONGFORMER_NATIVE_FFI_CHECKS_H_
#define KERAS_LONGFORMER_NATIVE_FFI_CHECKS_H_

#include <string>
#include <vector>

#include "xla/ffi/api/ffi.h"

namespace keras_longformer {

namespace ffi = xla::ffi;

inline std::string ToString(ffi::Span<const int64_t> shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i) {
    text += (i ? "," : "") + std::to_string(shape[i]);
  }
  return text + "]";
}

inline const char* Name(ffi::DataType dtype) {
  switch (dtype) {
    case ffi::DataType::F32: return "float32";
    case ffi::DataType::BF16: return "bfloat16";
    case ffi::DataType::PRED: return "bool";
    case ffi::DataType::S32: return "int32";
    case ffi::DataType::F16: return "float16";
    case ffi::DataType::F64: return "float64";
    default: return "another type";
  }
}

// Collects everything that is wrong, so that one message tells all.
class Checks {
 public:
  void Shape(const char* name, const ffi::AnyBuffer& buffer,
             const std::vector<int64_t>& want, const char* why) {
    const ffi::Span<const int64_t> got = buffer.dimensions();
    bool same = got.size() == want.size();
    for (size_t i = 0; same && i < want.size(); ++i) same = got[i] == want[i];
    if (!same) {
      Add(std::string(name) + " is " + ToString(got) + ", must be " +
          ToString({want.data(), want.size()}) + " " + why);
    }
  }

  void Type(const char* name, const ffi::AnyBuffer& buffer,
            ffi::DataType want) {
    if (buffer.element_type() != want) {
      Add(std::string(name) + " is " + Name(buffer.element_type()) +
          ", must be " + Name(want));
    }
  }

  void That(bool good, const std::string& text) {
    if (!good) Add(text);
  }

  ffi::Error Error() const {
    if (problems_.empty()) return ffi::Error::Success();
    return ffi::Error::InvalidArgument("window_attention: " + problems_);
  }

 private:
  void Add(const std::string& text) {
    problems_ += (problems_.empty() ? "" : "; ") + text;
  }

  std::string problems_;
};

}  // namespace keras_longformer

#endif  // KERAS_LONGFORMER_NATIVE_FFI_CHECKS_H_
