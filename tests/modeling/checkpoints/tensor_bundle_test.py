"""Tests of modeling/checkpoints/tensor_bundle.py."""

import os
import pathlib
import subprocess

import numpy as np
import pytest
import tensorflow as tf

from modeling.checkpoints import tensor_bundle
from system.errors import Unavailable, UserError

_TENSORS = {
  'a/kernel': np.arange(200, dtype=np.float32).reshape(20, 10),
  'step': np.int64(7),
  'statistics': tf.constant('{"start": 7}'),
}


def _names(folder: pathlib.Path) -> list[str]:
  return sorted(path.name for path in folder.iterdir())


def _equal(values) -> bool:
  return values.keys() == _TENSORS.keys() and all(
    np.array_equal(np.asarray(values[name]), np.asarray(x))
    for name, x in _TENSORS.items()
  )


def test_what_is_written_is_read(tmp_path):
  tensor_bundle.write(f'{tmp_path}/ckpt-7', _TENSORS)
  values = tensor_bundle.read(f'{tmp_path}/ckpt-7')
  np.testing.assert_array_equal(values['a/kernel'], _TENSORS['a/kernel'])
  assert values['step'] == 7 and values['statistics'] == b'{"start": 7}'
  names = ['ckpt-7.data-00000-of-00001', 'ckpt-7.index']
  assert _names(tmp_path) == names
  tensor_bundle.remove(f'{tmp_path}/ckpt-7')
  assert _names(tmp_path) == []


@pytest.mark.slow
def test_every_flipped_byte_is_found_or_harmless(tmp_path):
  prefix = f'{tmp_path}/x'
  tensor_bundle.write(prefix, _TENSORS)
  expected = tensor_bundle.read(prefix)
  num_found = 0
  for path in sorted(tmp_path.iterdir()):
    content = path.read_bytes()
    for position in range(len(content)):
      damaged = bytearray(content)
      damaged[position] ^= 1 << position % 8
      path.write_bytes(damaged)
      if wrong := tensor_bundle.whats_wrong(prefix):
        assert wrong.startswith(f'{prefix} cannot be read, it may be damaged')
        num_found += 1
      else:
        values = tensor_bundle.read(prefix)
        assert values.keys() == expected.keys()
        for name in values:
          np.testing.assert_array_equal(values[name], expected[name])
      path.write_bytes(content)
  # The harmless bytes: an empty block at the end of the index, and padding.
  num_bytes = sum(path.stat().st_size for path in tmp_path.iterdir())
  assert num_bytes - 60 < num_found <= num_bytes
  assert not tensor_bundle.whats_wrong(prefix)


@pytest.mark.parametrize('suffix', ['.index', '.data-00000-of-00001'])
def test_every_truncation_is_found(tmp_path, suffix):
  prefix = f'{tmp_path}/x'
  tensor_bundle.write(prefix, _TENSORS)
  path = pathlib.Path(prefix + suffix)
  content = path.read_bytes()
  for length in range(0, len(content), 3):
    path.write_bytes(content[:length])
    assert tensor_bundle.whats_wrong(prefix), length
  path.unlink()
  assert tensor_bundle.whats_wrong(prefix)


@pytest.fixture
def small_disk(tmp_path):
  """A folder with room for 1 MB."""
  folder = tmp_path / 'disk'
  folder.mkdir()
  command = ['mount', '-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', str(folder)]
  try:
    subprocess.run(command, check=True, capture_output=True)
  except (OSError, subprocess.CalledProcessError):
    pytest.skip('nothing can be mounted here')
  yield folder
  subprocess.run(['umount', '--lazy', str(folder)], check=True)


def test_a_full_disk_keeps_only_the_earlier_checkpoint(small_disk):
  prefix = f'{small_disk}/x'
  tensor_bundle.write(prefix, _TENSORS)
  before = _names(small_disk)
  large = {**_TENSORS, 'large': np.zeros(500_000, np.float32)}
  with pytest.raises(
    UserError, match=f'cannot write {prefix}: .*No space left'
  ):
    tensor_bundle.write(prefix, large)
  assert _names(small_disk) == before
  assert _equal(tensor_bundle.read(prefix))
  space = os.statvfs(small_disk)
  assert space.f_bavail * space.f_bsize > 1_000_000


def test_storage_that_does_not_answer_is_no_damage():
  with (
    pytest.raises(Unavailable, match='cannot read a.ckpt: busy'),
    tensor_bundle.damage_explained('a.ckpt'),
  ):
    raise tf.errors.UnavailableError(None, None, 'busy')
  with (
    pytest.raises(UserError, match='a.ckpt cannot be read, it may be damaged'),
    tensor_bundle.damage_explained('a.ckpt'),
  ):
    raise tf.errors.DataLossError(None, None, 'checksum')
