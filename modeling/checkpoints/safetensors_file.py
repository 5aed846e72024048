"""Reads the tensors of a safetensors file.

The library parses the file, but makes no NumPy arrays of bfloat16 numbers:
`safetensors.numpy` fails on them.
"""

import contextlib
from collections.abc import Iterator, Sequence

import numpy as np
import safetensors

from modeling.checkpoints import pytorch_file
from system import files
from system.errors import UserError
from system.file_systems import local_path

# safetensors' names of numbers, except bfloat16, which NumPy lacks.
_DTYPES = {
  'F16': '<f2',
  'F32': '<f4',
  'F64': '<f8',
  'I64': '<i8',
  'I32': '<i4',
  'I16': '<i2',
  'I8': '<i1',
  'U8': '<u1',
  'BOOL': '<?',
}
_BFLOAT16 = 'BF16'


def read(path: str) -> dict[str, np.ndarray]:
  """Reads the tensors of a file.

  Returns:
    name → values; bfloat16 becomes float32.

  Raises:
    UserError: the file is missing or damaged, or has numbers of another type,
      which the message names.
  """
  with files.open_stream(path) as file:
    content = file.read()
  with _explained(path):
    tensors = safetensors.deserialize(content)
  if unknown := {x['dtype'] for _, x in tensors} - {*_DTYPES, _BFLOAT16}:
    raise UserError(
      f'{path} has numbers of the type {", ".join(sorted(unknown))}, expected '
      f'one of {", ".join([*_DTYPES, _BFLOAT16])}: save the model in float32 '
      'first'
    )
  return {name: _values(**tensor) for name, tensor in tensors}


def check(path: str) -> None:
  """Checks that a file is as long as its header says; reads no values.

  A file that is not local, or whose file system maps no file into memory, is
  not checked: `read` shows its errors.

  Raises:
    UserError: the file is damaged or cut off.
  """
  if (local := local_path(path)) is None:
    return
  with (
    contextlib.suppress(OSError),
    _explained(path),
    safetensors.safe_open(local, 'numpy'),
  ):
    pass


@contextlib.contextmanager
def _explained(path: str) -> Iterator[None]:
  """Turns safetensors' error on a damaged file into a `UserError`."""
  try:
    yield
  except safetensors.SafetensorError as error:
    raise UserError(f'{path} is damaged or cut short: {error}') from error


def _values(dtype: str, shape: Sequence[int], data: bytes) -> np.ndarray:
  if dtype == _BFLOAT16:
    return pytorch_file.widened(np.frombuffer(data, '<u2')).reshape(shape)
  return np.frombuffer(data, _DTYPES[dtype]).reshape(shape)
