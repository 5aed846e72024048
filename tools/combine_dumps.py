r"""Makes a logits dump of examples from other dumps of the same teacher.

  python -m tools.combine_dumps --logits_dir=dumps/films,dumps/train \
    --num_examples=100000,all --output_dir=dumps/films-100000

For transfer sets of several sizes or sources: the teacher scores each source
once. The examples are drawn by --seed; those of a smaller number are part of
those of a larger one. They keep their order.
"""

import dataclasses
import itertools
import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from absl import flags, logging

from cli import flag_group, script
from distillation import dump_manifest
from system.errors import UserError, shown

if TYPE_CHECKING:
  from distillation.dump_shards import Row
  from distillation.logits_dump import Dump

FLAGS = flags.FLAGS

# In the manifests, what the dumps must have in common.
_SHARED = (
  *('task', 'labels', 'teacher_checksum', 'merged_from', 'temperature'),
  'vocabulary',
  *('do_lower_case', 'keeps_text', 'dev_split', 'cls_layers', 'cls_size'),
)


def define_flags() -> None:
  """Defines this script's flags."""
  flags.DEFINE_list('logits_dir', None, 'The dumps, separated by commas.')
  flags.DEFINE_list(
    'num_examples',
    ['all'],
    "How many examples of each dump to take: a number, or 'all'.",
  )
  flags.DEFINE_string('output_dir', None, 'The folder of the new dump.')
  flags.DEFINE_integer('seed', 12345, 'The seed of the draw.', lower_bound=0)
  flags.DEFINE_integer(
    'num_logits_shards', 16, 'The number of files to write.', lower_bound=1
  )


def sizes(
  counts: Sequence[str], manifests: Sequence[dump_manifest.Manifest]
) -> list[int]:
  """Returns how many examples of each dump to take.

  Raises:
    UserError: there is not one count for each dump, or a count is not 'all' or
      a number that the dump has.
  """
  if list(counts) == ['all']:
    counts = ['all'] * len(manifests)
  if len(counts) != len(manifests):
    raise UserError(
      f'--num_examples has {len(counts)} entries, --logits_dir '
      f'{len(manifests)}: expected one for each dump'
    )
  result = []
  for count, manifest in zip(counts, manifests, strict=True):
    total = manifest.num_examples
    number = total if count == 'all' else int(count) if count.isdecimal() else 0
    if not 1 <= number <= total:
      raise UserError(
        f"--num_examples: {shown(count)}, expected 'all' or 1 to {total}, the "
        'number of examples in the dump'
      )
    result.append(number)
  return result


def check_alike(
  folders: Sequence[str], manifests: Sequence[dump_manifest.Manifest]
) -> None:
  """Raises a `UserError` if the dumps differ in more than their texts.

  The same dump twice is refused, too.
  """
  paths = [os.path.realpath(folder) for folder in folders]
  if len(set(paths)) < len(paths):
    raise UserError(f'--logits_dir names a dump twice: {", ".join(folders)}')
  for folder, manifest in zip(folders[1:], manifests[1:], strict=True):
    for name in _SHARED:
      found, expected = getattr(manifest, name), getattr(manifests[0], name)
      if found != expected:
        raise UserError(
          f'the dumps differ in {name}: {folder} has {shown(found)}, '
          f'{folders[0]} has {shown(expected)}'
        )


def drawn(total: int, number: int, seed: int) -> np.ndarray:
  """Returns which of `total` examples to take: bool [total]."""
  order = np.random.default_rng(seed).permutation(total)
  is_taken = np.zeros(total, bool)
  is_taken[order[:number]] = True
  return is_taken


def combine(
  dumps: 'Sequence[Dump]',
  numbers: Sequence[int],
  output_dir: str,
  num_shards: int,
  seed: int,
) -> None:
  """Writes a dump of some examples of each dump; its manifest comes last.

  Args:
    dumps: the sources, of the same teacher.
    numbers: how many examples of each to take.
    output_dir: the new dump's folder.
    num_shards: its number of files, at most one for each example.
    seed: of the draw.
  """
  from data.tasks import label_order
  from distillation import dump_shards
  from system import files

  manifests = [dump.manifest for dump in dumps]
  total = sum(numbers)
  paths = dump_shards.paths(output_dir, min(num_shards, total))
  files.make_folder(output_dir)
  label_order.write(output_dir, manifests[0].labels)
  rows, num_labelled = _rows(dumps, numbers, seed), 0
  is_regression = not manifests[0].labels

  def counted(part) -> 'Iterator[Row]':
    nonlocal num_labelled
    for row in part:
      num_labelled += row.label is not None
      yield row

  for number, path in enumerate(paths):
    first, last = (total * n // len(paths) for n in (number, number + 1))
    part = itertools.islice(rows, last - first)
    dump_shards.write(path, counted(part), is_regression)
  _copy_dev_logits(dumps[0].folder, output_dir)
  held_out = [manifest.num_held_out for manifest in manifests]
  dump_manifest.write(
    output_dir,
    dataclasses.replace(
      manifests[0],
      max_seq_length=max(x.max_seq_length for x in manifests),
      num_examples=total,
      num_held_out=None if None in held_out else sum(held_out),
      num_labelled=num_labelled,
      shards=[dump_shards.describe(path) for path in paths],
    ),
  )


def _copy_dev_logits(source: str, target: str) -> None:
  from distillation.logits_dump import DEV_LOGITS
  from system import files

  if files.exists(path := os.path.join(source, DEV_LOGITS)):
    with (
      files.open_stream(path) as old,
      files.open_write(os.path.join(target, DEV_LOGITS), 'wb') as new,
    ):
      new.write(old.read())


def _rows(
  dumps: 'Sequence[Dump]', numbers: Sequence[int], seed: int
) -> 'Iterator[Row]':
  for dump, number in zip(dumps, numbers, strict=True):
    is_taken = drawn(dump.manifest.num_examples, number, seed)
    yield from itertools.compress(dump.rows(), is_taken)


def main(_: list[str]) -> None:
  """Writes the dump."""
  flag_group.require('logits_dir', 'output_dir')
  folders = FLAGS.logits_dir
  manifests = [dump_manifest.read(folder) for folder in folders]
  numbers = sizes(FLAGS.num_examples, manifests)
  check_alike(folders, manifests)
  if dump_manifest.exists(FLAGS.output_dir):
    raise UserError(f'--output_dir={FLAGS.output_dir} holds a dump already')
  from distillation.logits_dump import Dump
  from training import output_folder_check, run_folder

  if run_folder.is_claimed(FLAGS.output_dir):
    raise UserError(f'--output_dir={FLAGS.output_dir} is the folder of a run')
  output_folder_check.check_dump(FLAGS.output_dir, manifests[0].labels, ())
  dumps = [Dump(*x) for x in zip(folders, manifests, strict=True)]
  for dump in dumps:
    dump.check_shards()
  combine(dumps, numbers, FLAGS.output_dir, FLAGS.num_logits_shards, FLAGS.seed)
  logging.info(
    '%s holds %d examples: %s',
    FLAGS.output_dir,
    sum(numbers),
    ', '.join(
      f'{number} of {folder}'
      for number, folder in zip(numbers, folders, strict=True)
    ),
  )


if __name__ == '__main__':
  define_flags()
  script.run(main)
