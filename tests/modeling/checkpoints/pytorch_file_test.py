"""Files of PyTorch: read without it, and without running code."""

import pathlib
import pickle

import numpy as np
import pytest
import tiny_pytorch
from tiny_hugging_face import make_tensors

from modeling.checkpoints import pytorch_file
from system.errors import UserError

_DTYPES = ('float32', 'float16', 'bfloat16')
# Bits of bfloat16: 1, -2.5, 3.140625, the smallest number above 0, the largest.
_BITS = (0x3F80, 0xC020, 0x4049, 0x0001, 0x7F7F)
_NUMBERS = (1.0, -2.5, 3.140625, 2.0**-133, 2.0**128 - 2.0**120)


@pytest.fixture
def path(tmp_path):
  return tmp_path / 'pytorch_model.bin'


@pytest.mark.parametrize('is_zip', [True, False])
@pytest.mark.parametrize('dtype', _DTYPES)
def test_weights_are_read_without_pytorch(path, is_zip, dtype):
  tensors = make_tensors()
  tiny_pytorch.save(path, tensors, dtype, is_zip)
  values = pytorch_file.read(str(path))
  assert values.keys() == tensors.keys()
  for name, value in tensors.items():
    rounded = tiny_pytorch.rounded(value, dtype)
    np.testing.assert_array_equal(values[name], rounded, err_msg=name)


@pytest.mark.parametrize('is_zip', [True, False])
@pytest.mark.parametrize('dtype', _DTYPES)
@pytest.mark.slow
def test_pytorch_writes_and_reads_the_same(tmp_path, is_zip, dtype):
  torch = pytest.importorskip('torch')
  tensors = make_tensors()
  ours, theirs = tmp_path / 'ours.bin', tmp_path / 'theirs.bin'
  tiny_pytorch.save(ours, tensors, dtype, is_zip)
  loaded = torch.load(ours, weights_only=True)
  assert loaded.keys() == tensors.keys()
  for name, value in tensors.items():
    assert loaded[name].dtype == getattr(torch, dtype)
    assert loaded[name].stride() == (1, len(value))[: value.ndim]
    rounded = tiny_pytorch.rounded(value, dtype)
    np.testing.assert_array_equal(loaded[name].detach().float(), rounded)
  torch.save(loaded, theirs, _use_new_zipfile_serialization=is_zip)
  values = pytorch_file.read(str(theirs))
  for name, value in pytorch_file.read(str(ours)).items():
    np.testing.assert_array_equal(values[name], value)


@pytest.mark.parametrize('size', [-1, 100, 700])
@pytest.mark.parametrize('is_zip', [True, False])
def test_a_file_that_is_cut_off_is_refused(path, is_zip, size):
  tiny_pytorch.save(path, make_tensors(), is_zip=is_zip)
  path.write_bytes(path.read_bytes()[:size])
  with pytest.raises(UserError, match=f'^{path} cannot be read as weights'):
    pytorch_file.read(str(path))


def test_bfloat16_is_exact():
  bits = np.array([_BITS], '<u2')
  values = pytorch_file.widened(bits)
  assert values.dtype == np.float32 and values.tolist() == [list(_NUMBERS)]


class _Malicious:
  def __reduce__(self):
    return pathlib.Path.touch, (pathlib.Path('ran'),)


@pytest.mark.parametrize(
  ('content', 'message'),
  [
    (pickle.dumps(_Malicious()), 'it calls pathlib'),
    (b'', 'cannot be read as weights only'),
    (b'PK\x03\x04', 'cannot be read as weights only'),
    (pickle.dumps({'a': 1}), "it is not PyTorch's|Ran out of input"),
  ],
)
def test_other_pickles_are_refused_and_run_nothing(
  path, monkeypatch, tmp_path, content, message
):
  monkeypatch.chdir(tmp_path)
  path.write_bytes(content)
  with pytest.raises(UserError, match=message) as error:
    pytorch_file.read(str(path))
  assert 'python -c "import torch' in str(error.value)
  assert not (tmp_path / 'ran').exists()
