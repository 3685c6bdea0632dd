"""Readers of data that check all of it, then return.

Each raises one `DataError` with everything that is wrong, file and line.
"""

from keras_longformer.data.problems import DataError as DataError
from keras_longformer.data.problems import Problem as Problem
from keras_longformer.data.problems import read_all as read_all
