"""Tests of modeling/checkpoints/bundle_check.py."""

import pathlib

import numpy as np
import pytest
import tensorflow as tf

from modeling.checkpoints import (
  bundle_check,
  file_names,
  location,
  tensor_bundle,
)
from system.errors import UserError

# So many that the index consists of several blocks.
_TENSORS = {
  **{f'layer_{i}/kernel': np.float32([i, 1.0]) for i in range(900)},
  'statistics': tf.constant('{"start": 7}'),
}


@pytest.fixture(scope='module')
def written(tmp_path_factory):
  prefix = f'{tmp_path_factory.mktemp("checkpoint")}/x'
  tensor_bundle.write(prefix, _TENSORS)
  return prefix


@pytest.fixture
def prefix(written, tmp_path):
  """A checkpoint that a test may damage."""
  for suffix in (file_names.INDEX, file_names.DATA):
    content = pathlib.Path(written + suffix).read_bytes()
    pathlib.Path(f'{tmp_path}/x{suffix}').write_bytes(content)
  return f'{tmp_path}/x'


def test_complete_files_pass(written):
  bundle_check.check(written)


def test_a_data_file_that_lacks_its_last_byte_is_named(prefix):
  path = pathlib.Path(prefix + file_names.DATA)
  content = path.read_bytes()
  # 900 pairs of floats; a length, its checksum and twelve bytes of text.
  assert len(content) == 900 * 8 + 1 + 4 + 12
  path.write_bytes(content[:-1])
  with pytest.raises(UserError) as error:
    location.locate(prefix)
  assert str(error.value) == (
    f'{path} cannot be read, it may be damaged or incomplete: it has 7,216 '
    'bytes, expected 7,217'
  )
  path.unlink()
  with pytest.raises(UserError, match=f'^{path} cannot be found: {prefix}.ind'):
    location.locate(prefix)


def test_every_missing_shard_is_found(prefix):
  """Two files of which the index says that they are shards of one."""
  tf.raw_ops.MergeV2Checkpoints(
    checkpoint_prefixes=_two_parts(prefix), destination_prefix=f'{prefix}-both'
  )
  bundle_check.check(f'{prefix}-both')
  for number in (0, 1):
    path = pathlib.Path(f'{prefix}-both.data-0000{number}-of-00002')
    content = path.read_bytes()
    path.write_bytes(content[:-1])
    with pytest.raises(UserError, match=f'^{path} cannot be read, .* 7 bytes'):
      bundle_check.check(f'{prefix}-both')
    path.write_bytes(content)


def _two_parts(prefix: str) -> list[str]:
  parts = [f'{prefix}-{name}' for name in 'ab']
  for part in parts:
    tf.raw_ops.SaveV2(
      prefix=part,
      tensor_names=[part],
      shape_and_slices=[''],
      tensors=[tf.constant([1.0, 2.0])],
    )
  return parts


def test_every_truncation_of_the_index_is_found(prefix):
  path = pathlib.Path(prefix + file_names.INDEX)
  content = path.read_bytes()
  for length in range(0, len(content), 397):
    path.write_bytes(content[:length])
    with pytest.raises(UserError, match=f'^{path} cannot be read, it may be'):
      bundle_check.check(prefix)


@pytest.mark.parametrize('garbage', [b'', b'{}', b'\0' * 99, b'\xff' * 5000])
def test_garbage_is_no_index(prefix, garbage):
  path = pathlib.Path(prefix + file_names.INDEX)
  for content in (garbage, garbage + path.read_bytes()[-48:]):
    path.write_bytes(content)
    with pytest.raises(UserError, match=f'^{path} cannot be read, it may be'):
      bundle_check.check(prefix)


def test_changed_bytes_pass_or_are_a_user_error(prefix):
  path = pathlib.Path(prefix + file_names.INDEX)
  content = path.read_bytes()
  for position in range(0, len(content), 149):
    damaged = bytearray(content)
    damaged[position] ^= 1 << position % 8
    path.write_bytes(damaged)
    try:
      bundle_check.check(prefix)
    except UserError as error:
      assert 'it may be damaged' in str(error) or 'cannot be f' in str(error)
