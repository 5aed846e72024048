"""tf-models-official as it comes, for `training`.

Its experiments, data loaders, optimizer and trainer; only the sizes are set.
"""

from collections.abc import Callable

import tensorflow as tf
from official.core import base_trainer, exp_factory, task_factory
from official.nlp.configs import (  # noqa: F401, they register themselves
  finetuning_experiments,
  pretraining_experiments,
)
from training_jobs import Job

_EXPERIMENTS = {
  'pretraining': 'bert/pretraining',
  'fine_tuning': 'bert/sentence_prediction',
}


def make(job: Job) -> Callable[[int], int]:
  """Returns what runs so many steps of a job and returns their examples."""
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

  def run(num_steps: int) -> int:
    trainer.train(tf.constant(num_steps))
    return num_steps * job.batch_size

  return run


def _sizes(job: Job) -> dict:
  layers, hidden = map(int, job.size.split('/'))
  encoder = {
    'vocab_size': job.vocab_size,
    'hidden_size': hidden,
    'num_layers': layers,
    'num_attention_heads': hidden // 64,
    'intermediate_size': 4 * hidden,
  }
  data = {
    'input_path': job.records,
    'global_batch_size': job.batch_size,
    'seq_length': job.max_seq_length,
  }
  model = {'encoder': {'type': 'bert', 'bert': encoder}}
  if job.kind == 'pretraining':
    data['max_predictions_per_seq'] = job.max_predictions
    head = {'inner_dim': hidden, 'num_classes': 2, 'name': 'next_sentence'}
    model['cls_heads'] = [{**head, 'dropout_rate': 0.1}]
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
