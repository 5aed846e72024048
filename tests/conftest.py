"""What tests share: the real data, where there is any."""

import os
import pathlib

import pytest
import tiny_world

# Developers have real data here; a user has none, and those tests skip.
SHARED = pathlib.Path(
  os.environ.get(
    'WELL_READ_BERT_SHARED',
    pathlib.Path(__file__).resolve().parents[2] / 'shared',
  )
)


def pytest_configure():
  """Gives TensorFlow two CPU devices; later it would be too late."""
  from modeling import common_flags

  common_flags.set_environment()
  import tensorflow as tf

  cpu = tf.config.list_physical_devices('CPU')[0]
  tf.config.set_logical_device_configuration(
    cpu, [tf.config.LogicalDeviceConfiguration()] * 2
  )


def _existing(path: pathlib.Path) -> pathlib.Path:
  if not path.exists():
    pytest.skip(f'no real data at {path} (set WELL_READ_BERT_SHARED)')
  return path


@pytest.fixture
def shared_data() -> pathlib.Path:
  """The folder with real data: wiki, glue, imdb, amazon, vocab."""
  return _existing(SHARED / 'data')


@pytest.fixture
def fixtures_dir() -> pathlib.Path:
  """The folder with results of google-research/bert's own code."""
  return _existing(SHARED / 'fixtures')


@pytest.fixture
def world(tmp_path) -> pathlib.Path:
  """A folder with everything that a tiny run needs; see `tiny_world`."""
  return tiny_world.make(tmp_path)
