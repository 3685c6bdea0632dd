"""SavedModels for TF Serving."""

from keras_longformer.serving.export import (
    export_saved_model as export_saved_model,
)
