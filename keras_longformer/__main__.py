"""`python -m keras_longformer`, which is `keras-longformer`."""

import sys

from keras_longformer.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
