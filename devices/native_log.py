"""What TensorFlow's C++ code logs by itself."""

import ctypes
import os

import tensorflow as tf

# absl::SetMinLogLevel(LogSeverityAtLeast), as TensorFlow 2.20 exports it.
_SET_LEVEL = '_ZN4absl12lts_2025012714SetMinLogLevelENS0_18LogSeverityAtLeastE'


def quieten() -> None:
  """Makes TF_CPP_MIN_LOG_LEVEL hold for code that logs by Abseil, too.

  XLA and gRPC do, whose first line at level INFO brings a warning with it.
  Python has no name for this setting: in a build that does not export it
  nothing changes but that there is more to read.
  """
  library = os.path.join(tf.sysconfig.get_lib(), 'libtensorflow_cc.so.2')
  try:
    set_level = getattr(ctypes.CDLL(library), _SET_LEVEL)
  except (OSError, AttributeError):
    return
  level = os.environ.get('TF_CPP_MIN_LOG_LEVEL', '')
  set_level(int(level) if level.isdigit() else 0)
