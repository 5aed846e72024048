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
  """Returns where the programs are kept, in the user's cache."""
  cache = os.environ.get('XDG_CACHE_HOME') or pathlib.Path.home() / '.cache'
  return pathlib.Path(cache) / 'well_read_bert' / 'xla'


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
  existing = next(p for p in (path, *path.parents) if p.exists())
  if (
    ' ' in str(path)
    or not os.access(existing, os.W_OK | os.X_OK)
    or shutil.disk_usage(existing).free < _LEAST_FREE_BYTES
  ):
    logging.debug('XLA keeps no programs: %s cannot be written.', path)
    return
  os.environ[_VARIABLE] = f'{given} {_DIRECTORY}={path} {_GPUS_ONLY}'.strip()
