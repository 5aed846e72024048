"""A logits dump of three rows in two shards."""

import dataclasses
import pathlib

import numpy as np

from data.tasks import glue
from data.text.tokenization import BertTokenizer
from distillation import dump_manifest, dump_shards, logits_dump
from distillation.dump_manifest import Manifest
from distillation.dump_shards import Row
from distillation.logits_dump import Dump

WORDS = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', 'good', 'bad', 'film']
MANIFEST = Manifest(
  task='SST-2',
  labels=['0', '1'],
  teacher='teacher/model.ckpt-1',
  teacher_checksum='00',
  teacher_scores={},
  vocabulary='',
  vocab_size=len(WORDS),
  do_lower_case=True,
  max_seq_length=8,
  num_examples=3,
  num_held_out=0,
  shards=[],
)
ROWS = [
  Row('a:1', np.array([2, 5, 3]), np.zeros(3, int), None, 1, 'good', None),
  Row('a:2', np.array([2, 6, 3]), np.zeros(3, int), None, None, 'bad', None),
  Row('a:3', np.array([2, 7, 6, 3]), np.zeros(4, int), None, 0, 'film bad'),
]
LOGITS = np.float32([[0, 1], [2, 0], [0, 0]])


def make_tokenizer(folder: pathlib.Path, words: list[str]) -> BertTokenizer:
  """Writes a vocabulary of these words and returns its tokenizer."""
  path = folder / f'vocab-{words[-1]}.txt'
  path.write_text('\n'.join(words) + '\n')
  return BertTokenizer(str(path), True)


def write(
  folder: pathlib.Path,
  tokenizer: BertTokenizer,
  logits: np.ndarray = LOGITS,
  rows: list[Row] = ROWS,
  **changes,
) -> Dump:
  """Writes a dump into a new folder.

  Args:
    folder: a new folder. Its name becomes part of the teacher's checksum, so
      that dumps in different folders have different teachers.
    tokenizer: the teacher's.
    logits: float32 [3, 2].
    rows: three rows; their logits are replaced.
    **changes: of the manifest's fields.
  """
  folder.mkdir()
  rows = [
    row._replace(teacher_logits=values)
    for row, values in zip(rows, logits, strict=True)
  ]
  paths = dump_shards.paths(str(folder), 2)
  for path, part in zip(paths, (rows[:1], rows[1:]), strict=True):
    dump_shards.write(path, part, is_regression=False)
  manifest = dataclasses.replace(
    MANIFEST,
    vocabulary=tokenizer.vocab_checksum,
    keeps_text=rows[0].text_a is not None,
    shards=[dump_shards.describe(path) for path in paths],
    **{
      'num_labelled': sum(row.label is not None for row in rows),
      'teacher_checksum': f'of {folder.name}',
      **changes,
    },
  )
  dump_manifest.write(str(folder), manifest)
  return Dump(str(folder), manifest)


def open_dumps(*folders: pathlib.Path | str) -> list[Dump]:
  """Opens dumps as those of SST-2."""
  return logits_dump.open_dumps(map(str, folders), glue.get_task('SST-2'))


def rewrite_shard(path: pathlib.Path | str) -> None:
  """Replaces a shard of one row by one of the same size with other logits."""
  (row,) = dump_shards.read(str(path))
  row = row._replace(teacher_logits=row.teacher_logits + 1)
  dump_shards.write(str(path), [row], is_regression=False)
