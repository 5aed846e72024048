r"""Keeps a teacher's logits in one small file, and makes tables of them again.

  python -m recipes.paper.teacher_logits --task_name=SST-2 --data_dir=SST-2 \
    --transfer_file=films.txt --logits_file=films.safetensors --logits_dir=dump
  python -m recipes.paper.teacher_logits --task_name=SST-2 --data_dir=SST-2 \
    --transfer_file=films.txt --logits_file=films.safetensors --output_dir=new

With --logits_dir, the logits of a dump go into --logits_file, as float16 and
without the texts. With --output_dir, they become tables next to their texts,
for `run_distillation.py --do_import_logits`. So students can be trained on
another machine without training the teacher again. The texts must be the same:
a checksum tells. The labels of --transfer_split are not kept.
"""

import json
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from absl import flags

from cli import flag_group, script
from modeling.checkpoints import run_files
from system import local_files
from system.errors import UserError

if TYPE_CHECKING:
  from data.tasks.examples import Example
  from data.tasks.task import Task
  from distillation.transfer_set import TransferSet

FLAGS = flags.FLAGS

# The tables in --output_dir.
TRANSFER_TABLE, DEV_TABLE = 'transfer.jsonl', 'dev.jsonl'


def define_flags() -> None:
  """Defines this script's flags."""
  flags.DEFINE_string('task_name', None, 'The task, one of GLUE.')
  flags.DEFINE_string('data_dir', None, "The folder of the task's files.")
  flags.DEFINE_string('transfer_file', None, 'The texts, one per line.')
  flags.DEFINE_string(
    'transfer_split', None, "A split with the texts, instead: 'train'."
  )
  flags.DEFINE_string('logits_file', None, 'The file of logits, .safetensors.')
  flags.DEFINE_string('logits_dir', None, 'A dump to take the logits from.')
  flags.DEFINE_string('output_dir', None, 'The folder of the tables to write.')


def main(_: list[str]) -> None:
  """Writes the file of logits, or the tables."""
  flag_group.require('task_name', 'data_dir', 'logits_file')
  if bool(FLAGS.logits_dir) == bool(FLAGS.output_dir):
    raise UserError('give either --logits_dir or --output_dir')
  if bool(FLAGS.transfer_file) == bool(FLAGS.transfer_split):
    raise UserError('give either --transfer_file or --transfer_split')

  from data.tasks import glue

  task = glue.get_task(FLAGS.task_name)
  texts = transfer_texts(
    task, FLAGS.data_dir, FLAGS.transfer_file, FLAGS.transfer_split
  )
  if FLAGS.logits_dir:
    keep(FLAGS.logits_dir, texts, FLAGS.logits_file)
  else:
    dev = task.read_split(FLAGS.data_dir, 'dev')
    write_tables(FLAGS.logits_file, task, texts, dev, FLAGS.output_dir)


def transfer_texts(
  task: 'Task', data_dir: str, path: str | None, split: str | None = None
) -> 'TransferSet':
  """Returns the texts that a teacher of ours scores, of a file or a split."""
  from data.tasks.options import TaskOptions
  from distillation import transfer_set
  from distillation.transfer_options import TransferOptions

  options = TransferOptions((path,) if path else (), transfer_split=split)
  columns = transfer_set.columns_of(task, TaskOptions(), options)
  return transfer_set.make(task, data_dir, options, columns)


def keep(dump_dir: str, texts: 'TransferSet', logits_file: str) -> None:
  """Writes the logits of a dump that a teacher of ours made.

  They are float16 [N, C]; those of dev are float32.

  Raises:
    UserError: the dump is of other texts, or damaged.
  """
  from safetensors import numpy

  from distillation import dump_manifest, logits_dump

  manifest = dump_manifest.read(dump_dir)
  configuration = run_files.read(dump_dir).get('configuration', {})
  if configuration.get('texts') != texts.checksum():
    raise UserError(f'{dump_dir} is a dump of another transfer set')
  rows = logits_dump.Dump(dump_dir, manifest).rows()
  tensors = {
    'logits': np.float16([row.teacher_logits for row in rows]),
    'dev_logits': np.load(
      os.path.join(dump_dir, logits_dump.DEV_LOGITS), allow_pickle=False
    ),
  }
  facts = {
    'texts': texts.checksum(),
    'dev': manifest.dev_split,
    'teacher': manifest.teacher_checksum,
  }
  local_files.write(logits_file, numpy.save(tensors, facts))


def write_tables(
  logits_file: str,
  task: 'Task',
  texts: 'TransferSet',
  dev: Sequence['Example'],
  output_dir: str,
) -> None:
  """Writes the texts with the logits of `keep`, and those of dev.

  Raises:
    UserError: the file is missing or damaged, or of other texts.
  """
  from data.tasks import classifier_records

  tensors, facts = _read(logits_file)
  expected = {
    'texts': texts.checksum(),
    'dev': classifier_records.checksum(dev),
  }
  names = {'texts': 'transfer set', 'dev': 'dev split'}
  for key, value in expected.items():
    if facts[key] != value:
      raise UserError(f'{logits_file} is of another {names[key]}')
  os.makedirs(output_dir, exist_ok=True)
  for name, examples, logits in (
    (DEV_TABLE, dev, tensors['dev_logits']),
    (TRANSFER_TABLE, texts.texts, tensors['logits']),
  ):
    lines = [
      json.dumps(_row(task, example, values)) + '\n'
      for example, values in zip(examples, logits.tolist(), strict=True)
    ]
    local_files.write(os.path.join(output_dir, name), ''.join(lines))


def _row(task: 'Task', example: Any, logits: list[float]) -> dict[str, Any]:
  """Returns a row of a table, in the columns that the import expects."""
  columns = task.splits['train'].text_columns
  texts = dict(zip(columns, (example.text_a, example.text_b), strict=False))
  if not task.labels:
    return {**texts, 'prediction': logits[0]}
  return {**texts, 'logits': dict(zip(task.labels, logits, strict=True))}


def _read(path: str) -> tuple[dict[str, np.ndarray], dict[str, str]]:
  """Returns the arrays and the checksums of a file that `keep` wrote."""
  import safetensors

  try:
    with safetensors.safe_open(path, 'numpy') as file:
      arrays = {x: file.get_tensor(x) for x in ('logits', 'dev_logits')}
      facts = file.metadata() or {}
      return arrays, {name: facts[name] for name in ('texts', 'dev')}
  except (OSError, KeyError, safetensors.SafetensorError) as error:
    raise UserError(f'--logits_file={path}: {error}') from error


if __name__ == '__main__':
  define_flags()
  script.run(main)
