"""SavedModels for TF Serving."""

from keras_longformer.serving.export import (
    export_saved_model as export_saved_model,
)
from keras_longformer.serving.verify import (
    verify_saved_model as verify_saved_model,
)
