"""The files that a job of pre-training records writes.

Does not import TensorFlow. Tested by `tests/data/pretraining/creation_test.py`.
"""

import os
from collections.abc import Callable, Sequence

from data.records import file_names
from system import files
from system.errors import UserError


def paths_of(names: str, num_shards: int | None) -> list[str]:
  """Returns the paths of the record files to write.

  Args:
    names: names, separated by commas; a single one with `num_shards`.
    num_shards: into how many files to divide it; None for the names as given.

  Raises:
    UserError: there is no name, or more than one with `num_shards`.
  """
  outputs = [path for path in names.split(',') if path]
  if not outputs:
    raise UserError(f'`output_file`={names!r} names no file')
  if not num_shards:
    return outputs
  if len(outputs) > 1:
    raise UserError(
      f'`num_shards`={num_shards} takes one name in `output_file`, which names '
      f'{len(outputs)}'
    )
  return file_names.shard_names(outputs[0], num_shards)


def own_files(outputs: Sequence[str]) -> Callable[[str], bool]:
  """Returns a function that tells whether an earlier run wrote a file.

  The files are the job's shards, their indexes and the manifest. A file without
  an index next to it is not the job's.

  Args:
    outputs: the shards.
  """
  index_of = {}
  for output in outputs:
    index = file_names.index_path(output)
    for path in (output, index, file_names.manifest_path(output)):
      index_of.setdefault(files.real_path(path), index)

  def is_own(path: str) -> bool:
    index = index_of.get(files.real_path(path))
    return index is not None and files.exists(index)

  return is_own


def check(outputs: Sequence[str], inputs: Sequence[str]) -> None:
  """Checks that the output files can be written; makes their folders.

  Raises:
    UserError: a file is named twice, an input or a folder.
  """
  real_inputs = set(map(files.real_path, inputs))
  seen: dict[str, str] = {}
  for path in outputs:
    if not os.path.basename(file_names.shard_stem(path)).strip('.'):
      raise UserError(
        f'`output_file`: expected a file, found the folder {path!r}'
      )
    real = files.real_path(path)
    if real in seen:
      raise UserError(
        f'`output_file` names the file {real!r} twice: as {seen[real]!r} and '
        f'as {path!r}'
      )
    seen[real] = path
    if real in real_inputs:
      raise UserError(f'`output_file`: {path!r} is an input file, too')
    if files.is_folder(path):
      raise UserError(f'`output_file`: {path!r} is a folder, not a file')
  for folder in dict.fromkeys(os.path.dirname(path) for path in outputs):
    files.make_folder(folder or '.')
