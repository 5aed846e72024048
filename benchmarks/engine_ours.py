"""This project's training steps and scoring, for `training`.

Tested by `tests/benchmarks/training_test.py`.
"""

import ast
import dataclasses
import json
from collections.abc import Callable, Iterator
from typing import Any

import tensorflow as tf

from benchmarks import tensorflow_device
from benchmarks.tensorflow_device import peak_gpu_megabytes  # noqa: F401
from benchmarks.training_jobs import BenchmarkJob
from data.records import memory_batches, record_index
from data.records.record_source import RecordSource
from data.records.training_input import TrainingBatches
from data.records.training_order import TrainingOrder
from data.tasks import glue
from data.tasks.text_encoding import encode_texts
from data.text.tokenization import BertTokenizer
from devices import strategies
from devices.options import DeviceOptions
from distillation import student
from distillation.student_options import StudentOptions
from modeling import configs
from modeling.models import Classifier, PreTrainer
from training import fine_tuning, fit, pretraining
from training.options import RunSettings
from training.predictor import Predictor
from training.training_job import TrainingJob


def make(job: BenchmarkJob) -> Callable[[int], int]:
  """Returns a function: number of steps to run → number of examples."""
  is_scoring = job.kind == 'scoring'
  values = {'precision': job.compute_dtype} | _options(job, DeviceOptions)
  tensorflow_device.prepare(job.precision)
  devices = DeviceOptions(
    distribution_strategy='one_device', trains=not is_scoring, **values
  )
  strategies.make_strategy(devices)
  return (_scorer if is_scoring else _trainer)(job, devices.precision)


def _options(job: BenchmarkJob, options: type) -> dict[str, Any]:
  """Returns those of the job's options that a class of options has."""
  names = {field.name for field in dataclasses.fields(options)}
  return {k: _value(v) for k, v in job.options.items() if k in names}


def _value(text: str) -> Any:
  """Returns the number or bool that a text shows, else the text."""
  try:
    return ast.literal_eval(text)
  except (ValueError, SyntaxError):
    return text


def _trainer(job: BenchmarkJob, precision: str) -> Callable[[int], int]:
  training_job = _training_job(job, precision)
  source = RecordSource(
    (job.records,), training_job.fields, training_job.dims, job.vocab_size
  )
  indexes = [record_index.load_index(path) for path in source.paths]
  order = TrainingOrder(indexes, job.batch_size, seed=1)
  settings = RunSettings(
    train_batch_size=job.batch_size,
    learning_rate=1e-4,
    num_train_steps=1_000_000,
    num_warmup_steps=10_000,
    seed=1,
    precision=precision,
  )
  settings = dataclasses.replace(settings, **_options(job, RunSettings))
  batches = TrainingBatches(source, order)
  trainer = fit.make_trainer(training_job, settings)
  trainer.train_dataset = (
    tf.distribute.get_strategy().distribute_datasets_from_function(
      lambda context: batches(0)
    )
  )
  if compiler := trainer.compiler(lambda: batches(0)):
    lengths = reversed(batches.lengths(0))
    compiler.compile(
      [training_job.signature(job.batch_size, n) for n in lengths]
    )

  def run_steps(num_steps: int) -> int:
    trainer.train(tf.constant(num_steps))
    tensorflow_device.wait()
    return num_steps * job.batch_size

  return run_steps


def _training_job(job: BenchmarkJob, precision: str) -> TrainingJob:
  config = configs.compact_config(job.size, job.vocab_size)
  length = job.max_seq_length
  if job.kind == 'pretraining':
    model = PreTrainer(config, precision)
    return pretraining.make_job(model, length, job.max_predictions)
  model, task = Classifier(config, 2, precision), glue.get_task('SST-2')
  if job.kind == 'fine_tuning':
    return fine_tuning.make_job(model, task, length)
  return student.make_job(model, task, length, StudentOptions())


def _scorer(job: BenchmarkJob, precision: str) -> Callable[[int], int]:
  config = configs.compact_config(job.size, job.vocab_size)
  predictor = Predictor(Classifier(config, 2, precision))
  make_batches, num_texts = scoring_batches(job)

  def run_steps(num_steps: int) -> int:
    for _ in range(num_steps):
      predictor.predict(make_batches(), num_texts, lambda _: None)
    return num_steps * num_texts

  return run_steps


def scoring_batches(
  job: BenchmarkJob,
) -> tuple[Callable[[], Iterator[dict]], int]:
  """Returns a function that makes a job's batches, and the number of texts."""
  tokenizer = BertTokenizer(job.vocab_file, do_lower_case=True)
  with open(job.records) as file:
    texts = json.load(file)

  def make_batches() -> Iterator[dict]:
    ids, segments = encode_texts(tokenizer, texts, None, job.max_seq_length)
    return memory_batches.batches(
      ids, segments, job.batch_size, job.max_seq_length
    )

  return make_batches, len(texts)
