"""Models as files for other runtimes: numbers in, numbers out.

`classifier.export("reviews.onnx", format="onnx")` traces a model, converts the
graph (`onnx_file`, `openvino_file`), runs the file in the runtime that will
read it, beside the model, at the lengths where something changes
(`comparison`), and gives it its name only when both say the same (`export`).
"""

from keras_longformer.portable.comparison import examples_of as examples_of
from keras_longformer.portable.comparison import lengths_of as lengths_of
from keras_longformer.portable.export import FORMATS as FORMATS
from keras_longformer.portable.export import Subject as Subject
from keras_longformer.portable.export import export_file as export_file
