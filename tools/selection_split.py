r"""Splits a task's training data, to choose settings without its dev split.

  python -m tools.selection_split --task_name=SST-2 --data_dir=glue/SST-2 \
    --output_dir=selection/SST-2 --num_examples=1000

Use it to choose learning rates and the like, because settings must not be
chosen on the dev split whose scores are reported. The tool writes a training
and a dev file to OUTPUT_DIR, which all scripts take as --data_dir: rows drawn
from the training file are the new dev split, the others the new training split.

No text of the new dev split is part of another row, so drawn rows of SST-2 are
whole sentences, as in its own dev split. Training rows whose text is part of a
drawn row, such as SST-2's phrases, are left out. The pairs of symmetric tasks,
such as MRPC, are compared in both orders.
"""

import dataclasses
import os
import pathlib
import random
import re
from collections.abc import Sequence

from absl import flags, logging

from cli import flag_group, script
from data.tasks import glue
from data.tasks.examples import Example
from data.tasks.task import Task
from system import folders, local_files, text_files
from system.errors import UserError

FLAGS = flags.FLAGS

# The end of a row's place, as `FileSplit.read` gives it.
_LINE = re.compile(r'line (\d+)$')


def define_flags() -> None:
  """Defines this script's flags."""
  flags.DEFINE_string('task_name', None, "The name of one of GLUE's tasks.")
  flags.DEFINE_string('data_dir', None, "The folder with the task's files.")
  flags.DEFINE_string('output_dir', None, 'The folder to write to.')
  flags.DEFINE_integer(
    'num_examples', 1000, 'Examples of the new dev split.', lower_bound=1
  )
  flags.DEFINE_integer('seed', 12345, 'The seed of the draw.')


def draw(
  examples: Sequence[Example],
  num_examples: int,
  seed: int,
  is_symmetric: bool = False,
) -> tuple[list[int], list[int]]:
  """Draws a dev split whose texts are not part of other texts.

  Args:
    examples: N training examples.
    num_examples: the size of the dev split.
    seed: of the draw.
    is_symmetric: whether the texts of a pair may change places.

  Returns:
    The positions in `examples` of the new training split and of the new dev
    split, both ascending. Training examples whose text is part of a text of the
    dev split are in neither.

  Raises:
    UserError: there are not so many such texts, or no training example is left.
  """
  orders = [_normalized(example, is_symmetric) for example in examples]
  texts = [text for text, *_ in orders]
  everything = '\n'.join(['', *texts, ''])
  order = random.Random(seed).sample(range(len(texts)), len(texts))
  dev: list[int] = []
  for number in order:
    if len(dev) == num_examples:
      break
    if _occurs_once(orders[number], everything):
      dev.append(number)
  if len(dev) < num_examples:
    raise UserError(
      f'--num_examples={num_examples}, but only {len(dev)} of {len(texts)} '
      'training texts are not part of another one'
    )
  held_out = '\n'.join(texts[number] for number in dev)
  train = [
    number
    for number, own in enumerate(orders)
    if not any(text in held_out for text in own)
  ]
  if not train:
    raise UserError(
      f'--num_examples={num_examples} of {len(texts)} leaves no training '
      'example'
    )
  return train, sorted(dev)


def _normalized(example: Example, is_symmetric: bool) -> list[str]:
  """Returns an example's words in lower case, each between single spaces.

  The words of a symmetric task are also returned in the pair's other order, if
  they differ.
  """
  texts = [example.text_a, example.text_b or '']
  orders = [texts, texts[::-1]] if is_symmetric else [texts]
  words = (' '.join(own).lower().split() for own in orders)
  return list(dict.fromkeys(f' {" ".join(own)} ' for own in words))


def _occurs_once(orders: Sequence[str], everything: str) -> bool:
  """Returns whether a text is part of only its own row, in any order."""
  text, *others = orders
  first = everything.find(text)
  is_repeated = everything.find(text, first + 1) >= 0
  return not is_repeated and not any(x in everything for x in others)


def read_rows(task: Task, data_dir: str) -> tuple[list[int], list[Example]]:
  """Reads the training split's examples and their line numbers, from 1."""
  lines, examples = [], []
  for where, example in task.splits['train'].read(data_dir):
    lines.append(int(_LINE.search(where)[1]))
    examples.append(example)
  return lines, examples


def write(
  task: Task, data_dir: str, output_dir: str, num_examples: int, seed: int
) -> None:
  """Writes the files of both new splits.

  Raises:
    UserError: the task's files have different columns; a file is missing or
      malformed; see `draw`; or the folder holds other files of these names,
      which stay.
  """
  local_files.require_local(output_dir)
  _check_layouts(task)
  paths = {split: task.locate(data_dir, split) for split in ('train', 'dev')}
  if paths['train'] == paths['dev']:
    raise UserError(
      f'{paths["train"]} holds both splits of {task.name}; expected a file for '
      'each'
    )
  if os.path.realpath(output_dir) == os.path.dirname(
    os.path.realpath(paths['train'])
  ):
    raise UserError(f'--output_dir={output_dir} holds the files to split')
  lines, examples = read_rows(task, data_dir)
  train, dev = draw(examples, num_examples, seed, task.is_symmetric)
  content = list(text_files.read_lines(paths['train']))
  header = content[: lines[0] - 1]
  contents = {}
  for split, numbers in (('dev', dev), ('train', train)):
    rows = header + [content[lines[number] - 1] for number in numbers]
    name = os.path.basename(paths[split])
    contents[name] = ''.join(f'{row}\n' for row in rows)
  # A call that was cut off has written the same rows.
  others = [x for x in contents if not _holds(output_dir, x, contents[x])]
  folders.check_free(
    output_dir, others, 'which have other rows than this command writes'
  )
  for name, text in contents.items():
    local_files.write(os.path.join(output_dir, name), text)
  logging.info(
    '%d of %d training examples are the new dev split; %d are part of one of '
    'its texts and are left out',
    len(dev),
    len(examples),
    len(examples) - len(train) - len(dev),
  )


def _check_layouts(task: Task) -> None:
  """Raises a `UserError` if training rows cannot be rows of the dev file."""
  train, dev = (
    dataclasses.replace(task.splits[name].layouts[0], file='', selection=None)
    for name in ('train', 'dev')
  )
  if train != dev:
    raise UserError(
      f'the training and dev files of {task.name} have different columns; '
      'expected a task with the same ones, as rows move from one to the other'
    )


def _holds(folder: str, name: str, text: str) -> bool:
  """Returns whether a file is there with this content."""
  path = pathlib.Path(folder, name)
  return path.exists() and path.read_bytes() == text.encode()


def main(_: list[str]) -> None:
  """Writes the two files."""
  flag_group.require('task_name', 'data_dir', 'output_dir')
  task = glue.get_task(FLAGS.task_name)
  if 'train' not in task.splits:
    raise UserError(f'{task.name} has no training split')
  write(task, FLAGS.data_dir, FLAGS.output_dir, FLAGS.num_examples, FLAGS.seed)


if __name__ == '__main__':
  define_flags()
  script.run(main)
