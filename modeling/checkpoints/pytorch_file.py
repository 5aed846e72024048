"""Reads the tensors of a file of PyTorch without PyTorch, and runs no code.

`torch.save` writes a pickle and the tensors' bytes: since PyTorch 1.6 as
members of a zip archive, before one after the other. A pickle may call any
function. The reader here has only the few that rebuild tensors, and refuses all
others.
"""

import collections
import dataclasses
import io
import math
import pickle
import struct
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np

from system import files
from system.errors import UserError, shown

# Storage class → the dtype of its bytes.
_BFLOAT16 = 'BFloat16Storage'
_DTYPES = {
  'FloatStorage': '<f4',
  'DoubleStorage': '<f8',
  'HalfStorage': '<f2',
  _BFLOAT16: '<u2',
  'LongStorage': '<i8',
  'IntStorage': '<i4',
  'ShortStorage': '<i2',
  'CharStorage': '<i1',
  'ByteStorage': '<u1',
  'BoolStorage': '<?',
}
_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_LEGACY_PROTOCOL = 1001


@dataclasses.dataclass(frozen=True)
class _Storage:
  """The values of one or several tensors: where they are, and their type."""

  kind: str
  key: str


@dataclasses.dataclass(frozen=True)
class _Tensor:
  """A view of a storage, as `torch._utils._rebuild_tensor_v2` takes it."""

  storage: _Storage
  offset: int
  shape: tuple[int, ...]
  strides: tuple[int, ...]


def read(path: str) -> dict[str, np.ndarray]:
  """Reads the tensors of a `pytorch_model.bin`.

  Args:
    path: a file that `torch.save(model.state_dict(), path)` wrote.

  Returns:
    name → values; bfloat16 becomes float32.

  Raises:
    UserError: the file is missing or damaged, or reading it would run code.
  """
  with files.open_stream(path) as file:
    content = file.read()
  read_format = _read_legacy
  if zipfile.is_zipfile(io.BytesIO(content)):
    read_format = _read_zip
  try:
    tensors, storages = read_format(content)
    return {
      name: _values(tensor, storages)
      for name, tensor in tensors.items()
      if isinstance(tensor, _Tensor)
    }
  # A damaged pickle can raise almost anything.
  except Exception as error:
    raise UserError(
      f'{path} cannot be read as weights only: {shown(str(error))}. With '
      'PyTorch, convert it: python -c "import torch, safetensors.torch as s; '
      "s.save_file({k: v.clone() for k, v in torch.load('pytorch_model.bin', "
      "weights_only=True).items()}, 'model.safetensors')\""
    ) from error


class _Unpickler(pickle.Unpickler):
  """Unpickles tensors as `_Tensor`; refuses every other class and function."""

  def find_class(self, module: str, name: str) -> Any:
    if (module, name) == ('collections', 'OrderedDict'):
      return collections.OrderedDict
    if (module, name) == ('torch._utils', '_rebuild_tensor_v2'):
      return _rebuild_tensor
    if (module, name) == ('torch._utils', '_rebuild_parameter'):
      return _rebuild_parameter
    if module == 'torch' and name in _DTYPES:
      return name
    raise pickle.UnpicklingError(f'it calls {module}.{name}')

  def persistent_load(self, pid: Any) -> _Storage:
    _, kind, key, *_ = pid
    return _Storage(kind, str(key))


def _rebuild_tensor(storage, offset, shape, strides, *_) -> _Tensor:
  return _Tensor(storage, offset, tuple(shape), tuple(strides))


def _rebuild_parameter(tensor, *_) -> _Tensor:
  return tensor


def _read_zip(content: bytes) -> tuple[Mapping, Mapping[str, bytes]]:
  """Returns the unpickled object, and the bytes of each storage."""
  storages = {}
  with zipfile.ZipFile(io.BytesIO(content)) as archive:
    for member in archive.infolist():
      # A compressed member could be of any size. PyTorch compresses none.
      if member.compress_type != zipfile.ZIP_STORED:
        raise ValueError(f'its member {member.filename} is compressed')
      storages[member.filename.partition('/')[2]] = archive.read(member)
  if storages.get('byteorder', b'little') != b'little':
    raise ValueError('its byte order is big-endian')
  tensors = _Unpickler(io.BytesIO(storages['data.pkl'])).load()
  return tensors, {
    name.removeprefix('data/'): value for name, value in storages.items()
  }


def _read_legacy(content: bytes) -> tuple[Mapping, Mapping[str, bytes]]:
  """As `_read_zip`, from the format before PyTorch 1.6."""
  file = io.BytesIO(content)
  header = [_Unpickler(file).load() for _ in range(3)]
  if header[:2] != [_LEGACY_MAGIC, _LEGACY_PROTOCOL]:
    raise ValueError("it is not PyTorch's")
  tensors = _Unpickler(file).load()
  kinds = {
    tensor.storage.key: tensor.storage.kind
    for tensor in tensors.values()
    if isinstance(tensor, _Tensor)
  }
  storages = {}
  for key in _Unpickler(file).load():
    (count,) = struct.unpack('<q', file.read(8))
    size = count * np.dtype(_DTYPES[kinds[key]]).itemsize
    storages[key] = file.read(size)
  return tensors, storages


def _values(tensor: _Tensor, storages: Mapping[str, bytes]) -> np.ndarray:
  kind = tensor.storage.kind
  storage = np.frombuffer(storages[tensor.storage.key], _DTYPES[kind])
  pairs = list(zip(tensor.shape, tensor.strides, strict=True))
  last = tensor.offset + sum((n - 1) * stride for n, stride in pairs)
  count = math.prod(tensor.shape)
  is_inside = min([tensor.offset, *tensor.shape, *tensor.strides]) >= 0
  if not is_inside or count > len(storage) or (count and last >= len(storage)):
    raise ValueError(f'a tensor of shape {tensor.shape} exceeds its values')
  values = np.lib.stride_tricks.as_strided(
    storage[tensor.offset :],
    tensor.shape,
    [stride * storage.itemsize for stride in tensor.strides],
  )
  if kind == _BFLOAT16:
    return widened(values)
  return values.copy()


def widened(bits: np.ndarray) -> np.ndarray:
  """Returns the float32 of bfloat16 numbers, exactly.

  NumPy has no bfloat16: its 16 bits are the upper half of a float32.

  Args:
    bits: uint16, of any shape.
  """
  return (bits.astype(np.uint32) << 16).view(np.float32)
