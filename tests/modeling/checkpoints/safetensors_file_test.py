"""Files of safetensors: types of numbers, and damage."""

import errno
import json
import os

import numpy as np
import pytest
import safetensors.numpy
import tiny_pytorch
from tiny_hugging_face import make_tensors

from modeling.checkpoints import safetensors_file
from system.errors import UserError


@pytest.fixture
def path(tmp_path):
  safetensors.numpy.save_file(make_tensors(), tmp_path / 'model.safetensors')
  return tmp_path / 'model.safetensors'


def _save(path, dtype, tensors):
  """Writes tensors of the safetensors dtype, given as they are stored."""
  header, data = {}, b''
  for name, value in tensors.items():
    start, data = len(data), data + value.tobytes()
    header[name] = {
      'dtype': dtype,
      'shape': value.shape,
      'data_offsets': [start, len(data)],
    }
  text = json.dumps(header).encode()
  path.write_bytes(len(text).to_bytes(8, 'little') + text + data)


@pytest.mark.parametrize(
  ('theirs', 'dtype'),
  [('F32', 'float32'), ('F16', 'float16'), ('BF16', 'bfloat16')],
)
def test_numbers_are_exact(tmp_path, theirs, dtype):
  path, tensors = tmp_path / 'model.safetensors', make_tensors()
  stored = {name: tiny_pytorch.stored(x, dtype) for name, x in tensors.items()}
  _save(path, theirs, stored)
  values = safetensors_file.read(str(path))
  assert values.keys() == tensors.keys()
  for name, value in tensors.items():
    rounded = tiny_pytorch.rounded(value, dtype)
    np.testing.assert_array_equal(values[name], rounded, err_msg=name)


def test_numbers_of_other_types_are_refused(tmp_path):
  path = tmp_path / 'model.safetensors'
  _save(path, 'F8_E4M3', {'a': np.zeros(3, np.uint8)})
  with pytest.raises(UserError, match=f'^{path} has .* type F8_E4M3, expected'):
    safetensors_file.read(str(path))


@pytest.mark.parametrize('num_bytes', [0, 100, -1])
@pytest.mark.parametrize('use', [safetensors_file.check, safetensors_file.read])
def test_a_damaged_file_is_named(path, use, num_bytes):
  path.write_bytes(path.read_bytes()[:num_bytes])
  with pytest.raises(UserError, match=f'^{path} is damaged or cut short'):
    use(str(path))


def test_a_file_system_that_maps_no_files_is_not_checked(path, monkeypatch):
  def refuse(*_):
    raise OSError(errno.ENODEV, os.strerror(errno.ENODEV))

  monkeypatch.setattr(safetensors_file.safetensors, 'safe_open', refuse)
  os.truncate(path, 2000)
  safetensors_file.check(str(path))
