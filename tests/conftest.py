"""Fixtures for all tests: real data, if there is any, and a tiny world."""

import os
import pathlib
import shutil

import pytest
import tiny_world
from absl import logging

# Developers have real data here. Without it, the tests that need it skip.
SHARED = pathlib.Path(
  os.environ.get(
    'WELL_READ_BERT_SHARED',
    pathlib.Path(__file__).resolve().parents[2] / 'shared',
  )
)


# Of a GPU that there may be. Several processes may test at the same time.
_LOGICAL_GPU_MEGABYTES = 3072


def pytest_configure(config):
  """Gives TensorFlow two devices of each kind, and starts it.

  On a GPU the products are exact to float32, and the same operations give the
  same bits. Processes that tests start see no GPU, because several workers of
  one job cannot share one.
  """
  is_worker = hasattr(config, 'workerinput')
  if config.getoption('numprocesses', None) and not is_worker:
    return  # pytest-xdist's controller runs no test.
  from cli import script

  script.set_environment()
  import tensorflow as tf

  cpu = tf.config.list_physical_devices('CPU')[0]
  tf.config.set_logical_device_configuration(
    cpu, [tf.config.LogicalDeviceConfiguration()] * 2
  )
  if gpus := tf.config.list_physical_devices('GPU'):
    half = tf.config.LogicalDeviceConfiguration(_LOGICAL_GPU_MEGABYTES)
    tf.config.set_logical_device_configuration(gpus[0], [half] * 2)
    tf.config.set_visible_devices(gpus[:1], 'GPU')
    tf.config.experimental.enable_tensor_float_32_execution(False)
    if os.environ.get('TF_DETERMINISTIC_OPS', '1') == '1':
      tf.config.experimental.enable_op_determinism()
  # This starts TensorFlow; no script that a test runs can change the devices.
  tf.config.list_logical_devices()
  os.environ['CUDA_VISIBLE_DEVICES'] = ''


@pytest.fixture(autouse=True)
def _own_state(monkeypatch):
  """Undoes what a test that runs a script in this process leaves behind."""
  import tensorflow as tf

  from system import xla

  # On a machine with a GPU, a script turns it on.
  monkeypatch.setattr(xla, '_is_on', False)
  if tf.config.list_logical_devices('GPU'):
    tf.random.set_seed(0)  # Determinism refuses operations without a seed.


@pytest.fixture(autouse=True)
def _log_info():
  """Makes Absl log INFO lines, whatever flags an earlier test parsed."""
  logging.set_verbosity(logging.INFO)


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


@pytest.fixture(scope='session')
def _teacher_world(tmp_path_factory) -> pathlib.Path:
  folder = tiny_world.make(tmp_path_factory.mktemp('world'))
  flags = tiny_world.task_flags(
    folder, output_dir=folder / 'teacher', save_initial_checkpoint=True
  )
  tiny_world.run('run_classifier', *flags, '--do_train')
  return folder


@pytest.fixture
def teacher_world(_teacher_world, tmp_path) -> pathlib.Path:
  """A `world` with a fine-tuned model in `teacher`."""
  return shutil.copytree(_teacher_world, tmp_path, dirs_exist_ok=True)
