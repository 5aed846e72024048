"""Makes the records, arrays and texts with which `training` measures.

Tested by `tests/benchmarks/training_test.py`.
"""

import dataclasses
import json
import os
import sys
from collections.abc import Callable, Collection, Mapping
from typing import Any

import numpy as np

from benchmarks import processes, training_synthetic
from benchmarks.training_jobs import BenchmarkJob
from data.records import (
  feature_spec,
  length_buckets,
  record_reader,
  record_writer,
)
from data.records.record_source import RecordSource
from data.tasks import classifier_records, glue, text_encoding
from data.text.tokenization import BertTokenizer
from distillation import dump_shards
from system import files, local_files
from system.errors import UserError


@dataclasses.dataclass(frozen=True)
class Data:
  """Where the data comes from; None means synthetic data."""

  vocab_file: str | None
  wiki_file: str | None
  sst_2_dir: str | None

  def completed(self, folder: str, kinds: Collection[str]) -> 'Data':
    """Returns the data of these kinds of jobs; makes what is synthetic.

    Args:
      folder: an existing or new folder for synthetic data.
      kinds: of `training_jobs.KINDS`.
    """
    os.makedirs(folder, exist_ok=True)
    made = Data(f'{folder}/vocab.txt', f'{folder}/text.txt', f'{folder}/SST-2')
    if not self.vocab_file:
      training_synthetic.vocabulary(made.vocab_file)
    if not self.wiki_file and not kinds.isdisjoint(('pretraining', 'start')):
      training_synthetic.text(made.wiki_file)
    if not self.sst_2_dir and not kinds <= {'pretraining', 'start'}:
      training_synthetic.sst_2(made.sst_2_dir)
    return Data(
      self.vocab_file or made.vocab_file,
      self.wiki_file or made.wiki_file,
      self.sst_2_dir or made.sst_2_dir,
    )


def make_once(
  path: str, settings: Mapping[str, Any], make: Callable[[], None]
) -> None:
  """Makes records, unless an earlier command has made them.

  Args:
    path: a JSON file with the settings, written last. Without it the records
      are missing or incomplete.
    settings: what decides the records, by flag.
    make: makes them.

  Raises:
    UserError: there are records made with other settings.
  """
  if not os.path.exists(path):
    make()
    local_files.write(path, json.dumps(settings, indent=2) + '\n')
    return
  found = files.read_json(path)
  for name, value in settings.items():
    if found.get(name) != value:
      raise UserError(
        f'--work_dir: the records of {path} were made with '
        f'--{name}={found.get(name)}, now it is {value}. Give another folder'
      )


def pretraining(
  input_file: str, job: BenchmarkJob, folder: str, full_only: bool
) -> None:
  """Makes `pretraining.tfrecord` and `pretraining.npz`.

  Args:
    input_file: the text.
    job: the vocabulary and the records' lengths.
    folder: the folder of the files.
    full_only: whether to leave out short records, one in ten. They make this
      project's steps cheaper, because it groups records by length, and PyTorch
      gets them padded.
  """
  made = os.path.join(folder, 'made.tfrecord')
  command = [
    *(sys.executable, f'{processes.ROOT}/data/create_pretraining_data.py'),
    *(f'--input_file={input_file}', f'--output_file={made}'),
    *(f'--vocab_file={job.vocab_file}', '--dupe_factor=1'),
    f'--max_seq_length={job.max_seq_length}',
  ]
  usage = processes.run(command, f'{folder}/made.log')
  if usage.failure:
    raise UserError(f'making pre-training records failed: {usage.failure}')
  dims = {'S': job.max_seq_length, 'P': job.max_predictions}
  source = RecordSource((made,), feature_spec.PRETRAINING, dims, job.vocab_size)
  raw = np.array(list(record_reader.read(made)), dtype=object)
  columns = {k: v.numpy() for k, v in source.parse(raw).items()}
  second_longest = length_buckets.bucket_lengths(job.max_seq_length)[-2]
  full = columns['input_mask'].sum(axis=1) > (second_longest * full_only)
  with record_writer.RecordWriter(f'{folder}/pretraining.tfrecord') as writer:
    for record in raw[full]:
      writer.write(record)
  np.savez(
    f'{folder}/pretraining.npz', **{k: v[full] for k, v in columns.items()}
  )


def sst_2(data_dir: str, job: BenchmarkJob, folder: str, num_rows: int) -> None:
  """Makes the data of the other jobs from SST-2's first training rows.

  Writes `fine_tuning.tfrecord`; `distillation.tfrecord`, a logits dump; the
  arrays of both in `sst_2.npz`; and the texts in `scoring.json`. The logits are
  random, because they do not affect the cost of a step.
  """
  task = glue.get_task('SST-2')
  tokenizer = BertTokenizer(job.vocab_file, do_lower_case=True)
  examples = task.read_split(data_dir, 'train')[:num_rows]
  classifier_records.write_records(
    *(f'{folder}/fine_tuning.tfrecord', examples, task, tokenizer),
    job.max_seq_length,
  )
  texts = [example.text_a for example in examples]
  ids, segments = text_encoding.encode_texts(
    tokenizer, texts, None, job.max_seq_length
  )
  logits = np.random.default_rng(0).normal(size=[len(texts), 2])
  logits = logits.astype(np.float32)
  rows = [
    dump_shards.Row(str(number), *row)
    for number, row in enumerate(
      zip(
        dump_shards.split_rows(ids),
        dump_shards.split_rows(segments),
        logits,
        strict=True,
      )
    )
  ]
  path = f'{folder}/distillation.tfrecord'
  dump_shards.write(path, rows, is_regression=False)
  np.savez(
    f'{folder}/sst_2.npz',
    input_ids=ids.to_tensor(shape=[None, job.max_seq_length]),
    lengths=ids.row_lengths(),
    label_ids=[task.encode_label(example.label) for example in examples],
    teacher_logits=logits,
  )
  with open(f'{folder}/scoring.json', 'w') as file:
    json.dump(texts, file)
