"""What is written is there whole, or what was there before is.

All writers of files and folders write in a `place`: a folder of its own beside
what is written, which is renamed. A lock holds it while its process lives. So
the next writer knows what a dead one left, clears it and says so in the log.
"""

from keras_longformer.unfinished.places import PREFIX as PREFIX
from keras_longformer.unfinished.places import place as place
from keras_longformer.unfinished.whole import remove as remove
from keras_longformer.unfinished.whole import to_disk as to_disk
from keras_longformer.unfinished.whole import whole_file as whole_file
from keras_longformer.unfinished.whole import whole_folder as whole_folder
from keras_longformer.unfinished.whole import write_bytes as write_bytes
from keras_longformer.unfinished.whole import write_text as write_text
