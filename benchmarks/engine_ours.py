"""This project's training steps and scoring, for `training`."""

import json
from collections.abc import Callable, Iterator

import tensorflow as tf
from training_jobs import Job

from cli import script

script.set_environment()  # Read when TensorFlow's kernels are chosen.


def make(job: Job) -> Callable[[int], int]:
  """Returns what runs so many steps of a job and returns their examples."""
  return _scorer(job) if job.kind == 'scoring' else _trainer(job)


def _trainer(job: Job) -> Callable[[int], int]:
  from data.records import record_index, training_input
  from data.records.training_order import TrainingOrder
  from modeling.dropout import DropoutKey
  from modeling.models import released_variables
  from training.optimization import AdamW
  from training.train_step import Trainer

  model, loss_function, source = _model_loss_source(job)
  variables = list(released_variables(model).values())
  optimizer = AdamW(variables, 1e-4, 1_000_000, 10_000)
  indexes = [record_index.load_index(path) for path in source.paths]
  order = TrainingOrder(indexes, job.batch_size, seed=1)
  dataset = tf.distribute.get_strategy().distribute_datasets_from_function(
    lambda context: training_input.training_batches(source, order, 0)
  )
  dropout = DropoutKey(1, optimizer.step, 0)
  trainer = Trainer(variables, optimizer, loss_function, dataset, dropout)

  def run(num_steps: int) -> int:
    trainer.train(tf.constant(num_steps))
    return num_steps * job.batch_size

  return run


def _model_loss_source(job: Job):
  """Returns a model, its loss function and the records that it learns from."""
  from data.records import feature_spec
  from data.records.record_source import RecordSource
  from data.tasks import classifier_records, glue
  from modeling import configs
  from modeling.models import Classifier, PreTrainer
  from training import classification, pretraining

  config = configs.compact_config(job.size, job.vocab_size)
  dims = {'S': job.max_seq_length, 'P': job.max_predictions, 'C': 2}
  if job.kind == 'pretraining':
    model, fields = PreTrainer(config), feature_spec.PRETRAINING
    loss_function = pretraining.make_loss_function(model)
  else:
    model, task = Classifier(config, num_outputs=2), glue.get_task('SST-2')
    if job.kind == 'fine_tuning':
      fields = classifier_records.record_fields(task)
      loss_function = classification.make_task_loss(model, task)
    else:
      fields = feature_spec.LOGITS_DUMP
      loss_function = classification.make_distillation_loss(model, task)
  source = RecordSource((job.records,), fields, dims, job.vocab_size)
  return model, loss_function, source


def _scorer(job: Job) -> Callable[[int], int]:
  from devices import strategies
  from devices.options import DeviceOptions
  from modeling import configs
  from modeling.models import Classifier
  from training import classification

  strategies.make_strategy(
    DeviceOptions(distribution_strategy='one_device', trains=False)
  )
  config = configs.compact_config(job.size, job.vocab_size)
  predictor = classification.Predictor(Classifier(config, num_outputs=2))
  make_batches, num_texts = scoring_batches(job)

  def run(num_steps: int) -> int:
    for _ in range(num_steps):
      predictor.predict(make_batches(), num_texts, lambda _: None)
    return num_steps * num_texts

  return run


def scoring_batches(job: Job) -> tuple[Callable[[], Iterator[dict]], int]:
  """Returns what makes batches of a job's texts, and how many texts it has."""
  from data.records import inference_input
  from data.tasks.classifier_records import encode_texts
  from data.text.tokenization import BertTokenizer

  tokenizer = BertTokenizer(job.vocab_file, do_lower_case=True)
  with open(job.records) as file:
    texts = json.load(file)

  def make_batches() -> Iterator[dict]:
    ids, segments = encode_texts(tokenizer, texts, None, job.max_seq_length)
    return inference_input.inference_batches_from(
      ids, segments, job.batch_size, job.max_seq_length
    )

  return make_batches, len(texts)
