"""What a ranking learns: which texts of a batch belong together."""

import tensorflow as tf

from keras_longformer.tasks.labels import NoLabels


class TheirPartners(NoLabels):
    """The partner of each text is the one in its row."""

    def __init__(self):
        super().__init__(
            '`objective="ranking"` takes pairs without scores, `fit((texts, '
            "partners))`, and in a dataset `((texts, partners),)`. Make the "
            'embedder with `objective="similarity"` for scores.'
        )

    def of_texts(self, x):
        if not isinstance(x, tuple):
            return None
        return tf.range(tf.shape(x[0])[0])
