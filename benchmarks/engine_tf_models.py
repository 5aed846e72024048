"""tf-models-official's own training steps, for `training`.

It uses their experiments, data loaders, optimizer and trainer, and sets only
the sizes.

Tested by `tests/benchmarks/training_test.py`.
"""

from collections.abc import Callable

import tensorflow as tf
from official.core import base_trainer, exp_factory, task_factory
from official.modeling import performance
from official.nlp.configs import (  # noqa: F401, importing registers them
  finetuning_experiments,
  pretraining_experiments,
)

from benchmarks import tensorflow_device
from benchmarks.tensorflow_device import peak_gpu_megabytes  # noqa: F401
from benchmarks.training_jobs import BenchmarkJob

_EXPERIMENTS = {
  'pretraining': 'bert/pretraining',
  'fine_tuning': 'bert/sentence_prediction',
}


def make(job: BenchmarkJob) -> Callable[[int], int]:
  """Returns a function: number of steps to run → number of examples."""
  tensorflow_device.prepare(job.precision)
  if job.compute_dtype != 'float32':
    performance.set_mixed_precision_policy(tf.as_dtype(job.compute_dtype))
  config = exp_factory.get_exp_config(_EXPERIMENTS[job.kind])
  config.override(_sizes(job))
  task = task_factory.get_task(config.task)
  trainer = base_trainer.Trainer(
    config,
    task,
    task.build_model(),
    task.create_optimizer(config.trainer.optimizer_config, config.runtime),
    evaluate=False,
  )

  def run_steps(num_steps: int) -> int:
    trainer.train(tf.constant(num_steps))
    tensorflow_device.wait()
    return num_steps * job.batch_size

  return run_steps


def _sizes(job: BenchmarkJob) -> dict:
  """Returns the changes to an experiment's configuration."""
  encoder = {
    'vocab_size': job.vocab_size,
    'hidden_size': job.hidden_size,
    'num_layers': job.num_layers,
    'num_attention_heads': job.hidden_size // 64,
    'intermediate_size': 4 * job.hidden_size,
  }
  data = {
    'input_path': job.records,
    'global_batch_size': job.batch_size,
    'seq_length': job.max_seq_length,
  }
  model = {'encoder': {'type': 'bert', 'bert': encoder}}
  if job.kind == 'pretraining':
    data['max_predictions_per_seq'] = job.max_predictions
    next_sentence_head = {
      'inner_dim': job.hidden_size,
      'num_classes': 2,
      'name': 'next_sentence',
      'dropout_rate': 0.1,
    }
    model['cls_heads'] = [next_sentence_head]
  else:
    model['num_classes'] = 2
  schedule = {
    'learning_rate': {'polynomial': {'decay_steps': 1_000_000}},
    'warmup': {'polynomial': {'warmup_steps': 10_000}},
  }
  return {
    'task': {'model': model, 'train_data': data},
    'trainer': {'optimizer_config': schedule},
  }
