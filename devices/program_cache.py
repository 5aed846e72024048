"""Keeps the programs that XLA compiles for GPUs, for the next start.

Imports no TensorFlow, because TensorFlow reads the setting when it is imported.
"""

import os
import pathlib
import shutil

from absl import logging

_VARIABLE = 'TF_XLA_FLAGS'
_DIRECTORY = '--tf_xla_persistent_cache_directory'
_GPUS_ONLY = '--tf_xla_persistent_cache_device_types=GPU'
# A program takes a few megabytes.
_LEAST_FREE_BYTES = 1 << 30


def folder() -> pathlib.Path:
  """Returns where the programs are kept, in the user's cache.

  The path is relative if the user has no home.
  """
  cache = os.environ.get('XDG_CACHE_HOME') or os.path.expanduser('~/.cache')
  return pathlib.Path(cache, 'well_read_bert', 'xla')


def turn_on() -> None:
  """Makes XLA keep its programs; call it before TensorFlow is imported.

  Does nothing if `TF_XLA_FLAGS` names a folder, or an empty one. XLA stops a
  run that cannot write a program, so nothing is kept if the folder cannot be
  written or its disk is almost full.
  """
  given = os.environ.get(_VARIABLE, '')
  if _DIRECTORY in given:
    return
  path = folder()
  # `Path.exists` raises an error in the home of another user.
  existing = next(filter(os.path.exists, (path, *path.parents)))
  if (
    ' ' in str(path)
    or not path.is_absolute()
    or not os.access(existing, os.W_OK | os.X_OK)
    or shutil.disk_usage(existing).free < _LEAST_FREE_BYTES
  ):
    logging.debug('XLA keeps no programs: %s cannot be written.', path)
    return
  os.environ[_VARIABLE] = f'{given} {_DIRECTORY}={path} {_GPUS_ONLY}'.strip()
