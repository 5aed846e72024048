"""Options of every `tf.data` dataset here."""

import tensorflow as tf

# No dataset here has a number of threads or a buffer size to tune. With the
# tuner's thread (TensorFlow 2.20), deleting an iterator waits for the thread's
# next round, up to a minute for an iterator that was in use for a while.
OPTIONS = tf.data.Options()
OPTIONS.autotune.enabled = False
