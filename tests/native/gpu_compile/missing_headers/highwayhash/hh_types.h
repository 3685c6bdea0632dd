// Stands in for a header that TensorFlow 2.21's wheel leaves out.
#pragma once
