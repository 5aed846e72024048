"""Writes, reads and checks the two files of a TensorFlow checkpoint.

The files appear under their names when they are complete. TensorFlow stores a
CRC-32C of every tensor and of every block of the index and compares them when
it reads. So reading finds every changed byte that matters.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np
import tensorflow as tf

from modeling.checkpoints.file_names import DATA, INDEX
from system import file_systems, files, temporary_files
from system.errors import Unavailable, UserError, reason_of


def write(prefix: str, tensors: Mapping[str, tf.Tensor | np.ndarray]) -> None:
  """Writes a checkpoint. The same values give the same bytes.

  Args:
    prefix: the checkpoint's files are `prefix`.index and
      `prefix`.data-00000-of-00001.
    tensors: name → value.

  Raises:
    UserError: the files cannot be written. Existing files are unchanged, and
      temporary files are removed.
  """
  names = sorted(tensors)
  temporary = temporary_files.name_for(prefix)
  try:
    with file_systems.explained('write', prefix), tf.device('CPU:0'):
      tf.raw_ops.SaveV2(
        prefix=temporary,
        tensor_names=names,
        shape_and_slices=[''] * len(names),
        tensors=[tf.convert_to_tensor(tensors[name]) for name in names],
      )
    # The index last: without it a reader finds no checkpoint.
    for suffix in (DATA, INDEX):
      files.rename(temporary + suffix, prefix + suffix)
  except BaseException:
    # On a full disk TensorFlow also leaves files with longer names.
    files.remove_with_prefix(temporary)
    raise


def open_reader(prefix: str):
  """Opens a checkpoint; raises TensorFlow's errors, see `damage_explained`."""
  # `tf.train.load_checkpoint` mistakes a prefix on ram:// for a folder.
  return tf.compat.v1.train.NewCheckpointReader(prefix)


def read(prefix: str) -> dict[str, np.ndarray]:
  """Reads every tensor of a checkpoint, and so checks all of it.

  Returns:
    name → value; strings are arrays of bytes.

  Raises:
    UserError: there is no such checkpoint, or it is damaged.
  """
  with damage_explained(prefix):
    reader = open_reader(prefix)
    names = reader.get_variable_to_shape_map()
    return {name: reader.get_tensor(name) for name in names}


def whats_wrong(prefix: str) -> str:
  """Returns what is wrong with a checkpoint; '' if it is complete."""
  try:
    read(prefix)
  except Unavailable:
    raise
  except UserError as error:
    return str(error)
  return ''


@contextmanager
def damage_explained(name: str) -> Iterator[None]:
  """Turns TensorFlow's errors on a damaged checkpoint into a `UserError`.

  Args:
    name: the files that are read, for the message.

  Raises:
    Unavailable: their storage does not answer now.
    UserError: another of these errors.
  """
  try:
    yield
  # TensorFlow's reader raises IndexError if a data file is cut short.
  except (tf.errors.OpError, IndexError, RuntimeError) as error:
    if file_systems.may_pass(error):
      raise Unavailable(f'cannot read {name}: {reason_of(error)}') from error
    raise UserError(
      f'{name} cannot be read, it may be damaged or incomplete: '
      f'{reason_of(error)}'
    ) from error


def remove(prefix: str) -> None:
  """Removes those of a checkpoint's two files that exist."""
  # The index first: never an index without data.
  for suffix in (INDEX, DATA):
    if files.exists(prefix + suffix):
      files.remove(prefix + suffix)
