"""The log of TensorFlow's C++ code."""

import ctypes
import os

import tensorflow as tf

# absl::SetMinLogLevel(LogSeverityAtLeast), as TensorFlow 2.20 exports it.
_SET_LEVEL = '_ZN4absl12lts_2025012714SetMinLogLevelENS0_18LogSeverityAtLeastE'


def apply_min_log_level() -> None:
  """Applies TF_CPP_MIN_LOG_LEVEL to Abseil's C++ log as well.

  XLA and gRPC log through Abseil, which writes a warning before their first
  INFO line. Python cannot set Abseil's level. If a build of TensorFlow does not
  export the C++ function, the log is longer and nothing else changes.
  """
  library = os.path.join(tf.sysconfig.get_lib(), 'libtensorflow_cc.so.2')
  try:
    set_level = getattr(ctypes.CDLL(library), _SET_LEVEL)
  except (OSError, AttributeError):
    return
  level = os.environ.get('TF_CPP_MIN_LOG_LEVEL', '')
  set_level(int(level) if level.isdigit() else 0)
