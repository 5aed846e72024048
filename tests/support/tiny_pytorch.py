"""Writes `pytorch_model.bin` without PyTorch, as `torch.save` does."""

import pathlib
import pickle
import struct
import zipfile
from collections.abc import Mapping

import numpy as np

# torch's dtype → its class of storages.
_STORAGES = {
  'float32': 'FloatStorage',
  'float16': 'HalfStorage',
  'bfloat16': 'BFloat16Storage',
}
_EMPTY = b'ccollections\nOrderedDict\n)R'  # collections.OrderedDict()
_MAGIC, _PROTOCOL = 0x1950A86A20F9469CFC6C, 1001
_SYSTEM = {'protocol_version': _PROTOCOL, 'little_endian': True}
_DATE = (1980, 1, 1, 0, 0, 0)  # The earliest of a zip archive.


def rounded(value: np.ndarray, dtype: str) -> np.ndarray:
  """Returns float32 values that a dtype holds: bfloat16 drops low bits."""
  if dtype == 'bfloat16':
    return (value.view(np.uint32) & 0xFFFF0000).view(np.float32)
  return value.astype(dtype).astype(np.float32)


def stored(value: np.ndarray, dtype: str) -> np.ndarray:
  """Returns the numbers of a dtype as they are stored; bfloat16 as uint16."""
  if dtype == 'bfloat16':
    return (value.view(np.uint32) >> 16).astype('<u2')
  return value.astype(dtype)


def save(
  path: pathlib.Path,
  tensors: Mapping[str, np.ndarray],
  dtype: str = 'float32',
  is_zip: bool = True,
) -> None:
  """Writes a state dict.

  A matrix is stored column by column, with the strides of a transposed tensor,
  and the last tensor is a parameter.

  Args:
    path: the file.
    tensors: name → float32 values of one or two dimensions.
    dtype: of the stored numbers.
    is_zip: whether to write the format that PyTorch has had since 1.6.
  """
  tensors = {str(i): (name, tensors[name]) for i, name in enumerate(tensors)}
  content = b'\x80\x02}('
  for key, (name, value) in tensors.items():
    tensor = _tensor(value, _storage(key, value.size, dtype, is_zip))
    if int(key) == len(tensors) - 1:
      tensor = _call('torch._utils _rebuild_parameter', tensor, b'\x88', _EMPTY)
    content += _plain(name) + tensor
  content += b'u.'
  data = {
    key: stored(value.T, dtype).tobytes() for key, (_, value) in tensors.items()
  }
  write = _write_zip if is_zip else _write_legacy
  write(path, content, data, {k: v.size for k, (_, v) in tensors.items()})


def _storage(key: str, count: int, dtype: str, is_zip: bool) -> bytes:
  kind = f'ctorch\n{_STORAGES[dtype]}\n'.encode()
  values = [key, 'cpu', count] + [None] * (not is_zip)
  parts = [_plain('storage'), kind, *map(_plain, values)]
  return b'(' + b''.join(parts) + b'tQ'


def _tensor(value: np.ndarray, storage: bytes) -> bytes:
  strides = (1, len(value))[: value.ndim]
  parts = map(_plain, (0, value.shape, strides, False))
  return _call('torch._utils _rebuild_tensor_v2', storage, *parts, _EMPTY)


def _call(function: str, *arguments: bytes) -> bytes:
  module, name = function.split()
  return f'c{module}\n{name}\n('.encode() + b''.join(arguments) + b'tR'


def _plain(value) -> bytes:
  """Pickles a value without the pickle's header and end."""
  return pickle.dumps(value, protocol=2)[2:-1]


def _write_zip(path, content, data, _) -> None:
  members = {
    'data.pkl': content,
    'byteorder': b'little',
    **{f'data/{key}': value for key, value in data.items()},
    'version': b'3\n',
  }
  with zipfile.ZipFile(path, 'w') as archive:
    for name, value in members.items():
      archive.writestr(zipfile.ZipInfo(f'archive/{name}', _DATE), value)


def _write_legacy(path, content, data, counts) -> None:
  header = [pickle.dumps(x, 2) for x in (_MAGIC, _PROTOCOL, _SYSTEM)]
  values = [struct.pack('<q', counts[key]) + data[key] for key in data]
  path.write_bytes(
    b''.join([*header, content, pickle.dumps(list(data), 2), *values])
  )
