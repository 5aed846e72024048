"""Compiling ahead: the real steps find the programs, and start unchanged."""

import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from training.compile_ahead import StepCompiler

_SPEC = {
  'input_ids': tf.TensorSpec([2, None], tf.int32),
  'first_example': tf.TensorSpec([], tf.int64),
}


def test_without_memory_for_its_arguments_nothing_is_compiled(monkeypatch):
  def fail(*_):
    raise tf.errors.ResourceExhaustedError(None, None, 'out of memory')

  monkeypatch.setattr('training.compile_ahead._copy', fail)
  weights = tf.Variable([1.0])
  step = tf.function(
    lambda batch: {'sum': weights * tf.cast(batch['first_example'], tf.float32)}
  )
  spec = tf.TensorSpec([2, 3], tf.int32)
  StepCompiler(step, _SPEC).compile([{**_SPEC, 'input_ids': spec}])
  np.testing.assert_array_equal(weights, [1.0])


def test_no_variable_changes_and_the_step_is_traced_once():
  weights, count = tf.Variable([1.0, 2.0]), tf.Variable(5, dtype=tf.int64)

  @tf.function(jit_compile=True, autograph=False)
  def step(batch):
    weights.assign_add([1.0, 1.0])
    count.assign_add(1 + batch['first_example'])
    return {
      'sum': tf.reduce_sum(batch['input_ids']),
      'count': count.read_value(),
    }

  ids = [tf.TensorSpec([2, length], tf.int32) for length in (3, 8)]
  compiler = StepCompiler(step, _SPEC)
  compiler.compile([{**_SPEC, 'input_ids': spec} for spec in ids])
  np.testing.assert_array_equal(weights, [1.0, 2.0])
  assert count.numpy() == 5

  @tf.function(input_signature=[_SPEC], autograph=False)
  def loop(batch):
    return step(batch)

  results = loop(
    {
      'input_ids': tf.ones([2, 8], tf.int32),
      'first_example': tf.constant(0, tf.int64),
    }
  )
  assert (results['sum'].numpy(), results['count'].numpy()) == (16, 6)
  assert step.experimental_get_tracing_count() == 1


# XLA's cache has a file for each program.
_TRAIN = """
import os, pathlib, sys
import tensorflow as tf
import tiny_training
from system import xla
from training import trainer

cache, folder = map(pathlib.Path, sys.argv[1:])
compile = trainer.StepCompiler.compile

def compile_and_count(self, signatures, *more):
  compile(self, signatures, *more)
  print('ahead', len(signatures), len(list(cache.iterdir())))

trainer.StepCompiler.compile = compile_and_count
source = tiny_training.make_source(folder / 'records')
settings = tiny_training.make_settings(folder / 'out', num_steps=4)
xla.choose('true')
tiny_training.train(source, settings)
print('trained', len(list(cache.iterdir())))
"""


@pytest.mark.slow
def test_the_steps_of_a_run_find_the_programs(tmp_path):
  cache = tmp_path / 'cache'
  root = pathlib.Path(__file__).parents[2]
  flags = [
    f'--tf_xla_persistent_cache_directory={cache}',
    '--tf_xla_persistent_cache_device_types=CPU',
  ]
  done = subprocess.run(
    [sys.executable, '-c', _TRAIN, str(cache), str(tmp_path)],
    env={
      **os.environ,
      'TF_XLA_FLAGS': ' '.join(flags),
      'PYTHONPATH': f'{root}:{root}/tests/support',
    },
    capture_output=True,
    text=True,
    check=True,
  )
  ahead, signatures, programs, trained, programs_at_end = done.stdout.split()
  assert (ahead, trained) == ('ahead', 'trained')
  assert int(signatures) == int(programs) == int(programs_at_end) >= 1
