"""A pre-training run of 20 steps, small enough for every test."""

import dataclasses
import pathlib

import numpy as np
import tensorflow as tf

from data.records import (
  feature_spec,
  record_index,
  record_writer,
  training_input,
)
from data.records.record_source import RecordSource
from data.records.serialization import serialize
from data.records.training_order import TrainingOrder
from modeling.checkpoints import initialisation, location
from modeling.configs import BertConfig
from modeling.models import PreTrainer, released_variables
from training import fit, pretraining
from training.options import RunSettings
from training.run import Export

_S, _P = 16, 4
CONFIG = BertConfig(
  vocab_size=20,
  hidden_size=8,
  num_hidden_layers=1,
  num_attention_heads=2,
  intermediate_size=16,
  max_position_embeddings=_S,
  type_vocab_size=2,
)


def make_source(path: pathlib.Path, nan_in: int | None = None) -> RecordSource:
  """Writes 50 records of random lengths, with 0 to 4 masked positions each.

  Args:
    path: the file.
    nan_in: the number of a record whose weights are NaN; None for no such
      record.
  """
  rng = np.random.default_rng(0)
  mask = np.arange(_S) < rng.integers(5, _S + 1, [50, 1])
  weights = np.arange(_P) < rng.integers(0, _P + 1, [50, 1])
  columns = {
    'input_ids': rng.integers(1, 20, [50, _S]) * mask,
    'input_mask': mask.astype(np.int64),
    'segment_ids': mask * (np.arange(_S) > 3),
    'masked_lm_positions': rng.integers(0, 5, [50, _P]) * weights,
    'masked_lm_ids': rng.integers(1, 20, [50, _P]) * weights,
    'masked_lm_weights': weights.astype(np.float32),
    'next_sentence_labels': rng.integers(0, 2, [50, 1]),
  }
  if nan_in is not None:
    columns['masked_lm_weights'][nan_in] = np.nan
  with record_writer.RecordWriter(str(path)) as writer:
    for record in serialize(columns, feature_spec.PRETRAINING).to_list():
      writer.write(record)
  return RecordSource(
    (str(path),),
    feature_spec.PRETRAINING,
    {'S': _S, 'P': _P},
    CONFIG.vocab_size,
  )


def make_settings(output_dir, num_steps: int = 20, **changes) -> RunSettings:
  """Returns the settings of the run, with changes."""
  settings = RunSettings(
    output_dir=str(output_dir),
    train_batch_size=16,
    learning_rate=1e-2,
    num_train_steps=num_steps,
    num_warmup_steps=2,
    save_checkpoints_steps=4,
    log_steps=3,
    iterations_per_loop=5,
    keep_checkpoint_max=0,
    adam_bias_correction=False,
    seed=7,
  )
  return dataclasses.replace(settings, **changes)


def train(
  source, settings, strategy=None, init_checkpoint=None, make_distillation=None
):
  """Trains; returns the weights by their released names.

  Args:
    source: from `make_source`.
    settings: from `make_settings`.
    strategy: None for one device.
    init_checkpoint: None for random weights.
    make_distillation: returns what the model imitates; None for no teacher.
  """
  indexes = [record_index.load_index(path) for path in source.paths]
  order = TrainingOrder(indexes, settings.train_batch_size, settings.seed)
  with (strategy or tf.distribute.get_strategy()).scope():
    distillation = make_distillation() if make_distillation else None
    model = PreTrainer(CONFIG, settings.precision, settings.seed)
    job = pretraining.make_job(model, _S, _P, distillation)
    fit.fit(
      job,
      training_input.TrainingBatches(source, order),
      settings,
      initialisation.Start(
        init_checkpoint and location.locate(init_checkpoint)
      ),
      Export(job, settings),
    )
  return {k: v.numpy() for k, v in released_variables(model).items()}


def exported(folder: pathlib.Path, step: int) -> list[bytes]:
  """Returns the bytes of a step's two files."""
  return [
    (folder / f'model.ckpt-{step}{suffix}').read_bytes()
    for suffix in ('.index', '.data-00000-of-00001')
  ]
