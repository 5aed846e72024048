"""Real text → what the contestants of `training` read."""

import json
import os
import subprocess
import sys

import numpy as np
from contest import environment
from training_jobs import Job

from system.errors import UserError

_ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..')


def pretraining(input_file: str, job: Job, folder: str) -> None:
  """Makes `pretraining.tfrecord` and `pretraining.npz`, of full records only.

  Shorter records, of which there is one in ten, would make the steps of this
  project cheaper, which puts them together, and only those.
  """
  from data.records import (
    feature_spec,
    length_buckets,
    record_reader,
    record_writer,
  )
  from data.records.record_source import RecordSource

  made = os.path.join(folder, 'made.tfrecord')
  command = [
    *(sys.executable, os.path.join(_ROOT, 'data/create_pretraining_data.py')),
    *(f'--input_file={input_file}', f'--output_file={made}'),
    *(f'--vocab_file={job.vocab_file}', '--dupe_factor=1'),
    f'--max_seq_length={job.max_seq_length}',
  ]
  done = subprocess.run(
    command, env=environment(), capture_output=True, text=True
  )
  if done.returncode:
    raise UserError(f'no pre-training records: {done.stderr[-1000:]}')
  dims = {'S': job.max_seq_length, 'P': job.max_predictions}
  source = RecordSource((made,), feature_spec.PRETRAINING, dims, job.vocab_size)
  raw = np.array(list(record_reader.read(made)), dtype=object)
  columns = {k: v.numpy() for k, v in source.parse(raw).items()}
  last_bucket_begins = length_buckets.bucket_lengths(job.max_seq_length)[-2]
  full = columns['input_mask'].sum(axis=1) > last_bucket_begins
  with record_writer.RecordWriter(f'{folder}/pretraining.tfrecord') as writer:
    for record in raw[full]:
      writer.write(record)
  np.savez(
    f'{folder}/pretraining.npz', **{k: v[full] for k, v in columns.items()}
  )


def sst_2(data_dir: str, job: Job, folder: str, num: int) -> None:
  """Makes of SST-2's first training rows what the other jobs read.

  `fine_tuning.tfrecord`, `distillation.tfrecord`, a dump whose logits are drawn
  at random, because they make no difference to a step's cost; the arrays of
  both in `sst_2.npz`; and the texts, in `scoring.json`.
  """
  from data.tasks import classifier_records, glue
  from data.text.tokenization import BertTokenizer
  from distillation import logits_dump

  task = glue.get_task('SST-2')
  tokenizer = BertTokenizer(job.vocab_file, do_lower_case=True)
  examples = task.read_split(data_dir, 'train')[:num]
  classifier_records.write_records(
    *(f'{folder}/fine_tuning.tfrecord', examples, task, tokenizer),
    job.max_seq_length,
  )
  texts = [example.text_a for example in examples]
  ids, segments = classifier_records.encode_texts(
    tokenizer, texts, None, job.max_seq_length
  )
  logits = np.random.default_rng(0).normal(size=[len(texts), 2])
  logits = logits.astype(np.float32)
  rows = [
    logits_dump.Row(str(number), *row)
    for number, row in enumerate(
      zip(logits_dump.cut(ids), logits_dump.cut(segments), logits, strict=True)
    )
  ]
  path = f'{folder}/distillation.tfrecord'
  logits_dump.write_shard(path, rows, is_regression=False)
  np.savez(
    f'{folder}/sst_2.npz',
    input_ids=ids.to_tensor(shape=[None, job.max_seq_length]),
    lengths=ids.row_lengths(),
    label_ids=[task.encode_label(example.label) for example in examples],
    teacher_logits=logits,
  )
  with open(f'{folder}/scoring.json', 'w') as file:
    json.dump(texts, file)
