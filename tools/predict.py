r"""Labels the lines of standard input with a trained model.

  python -m tools.predict --model_dir=student < reviews.txt
  python -m tools.predict --model_dir=student --format=jsonl < reviews.txt
  python -m tools.predict --model_dir=student --text_column=review < reviews.tsv

Prints a line for each line: the label, its probability and the text, separated
by tabs; or the predicted number and the text. A model of pairs takes the two
texts of a line separated by a tab. With --text_column the input is a table with
a header. The folder gives everything else: weights, vocabulary, casing, labels,
the longest input.

Lines are labelled as they come, so the tool may stand inside a pipe.
"""

import itertools
import json
import queue
import sys
import threading
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from absl import flags, logging

from cli import flag_group, script
from system import text_files
from system.errors import UserError

if TYPE_CHECKING:
  from serving.text_model import Prediction, TextModel

FLAGS = flags.FLAGS

_STDIN = 'standard input'
# Lines labelled in one call; longer waits for input end a call earlier.
_MAX_LINES = 2048
_END = None


def define_flags() -> None:
  """Defines this script's flags."""
  flags.DEFINE_string(
    'model_dir',
    None,
    "The folder of the model: a run's --output_dir, its best/, or a copy.",
  )
  flags.DEFINE_string(
    'input_file', None, 'A file to read instead of standard input; .gz is read.'
  )
  flags.DEFINE_string(
    'text_column',
    None,
    'The column with the text, or the first of a pair: the input is a table.',
  )
  flags.DEFINE_string(
    'text_pair_column', None, 'The column with the second text of a pair.'
  )
  flags.DEFINE_enum(
    'input_format',
    'tsv',
    ('tsv', 'csv', 'jsonl'),
    'The format of a table, with --text_column.',
  )
  flags.DEFINE_enum(
    'format',
    'tsv',
    ('tsv', 'jsonl'),
    'tsv: columns; jsonl: an object a line.',
  )
  flags.DEFINE_integer(
    'top_k',
    None,
    'How many labels to print, the most probable first, each with its '
    'probability. By default one in TSV, all in JSONL.',
    lower_bound=1,
  )
  flags.DEFINE_bool('show_text', True, 'Whether to print the text.')
  flags.DEFINE_integer('batch_size', 64, 'Texts scored at once.', lower_bound=1)


def main(_: list[str]) -> None:
  """Reads lines and prints their labels."""
  logging.set_verbosity(logging.WARNING)
  flag_group.require('model_dir')
  if FLAGS.text_pair_column and not FLAGS.text_column:
    raise UserError('--text_pair_column needs --text_column')
  if FLAGS.input_format != 'tsv' and not FLAGS.text_column:
    raise UserError(
      f'--input_format={FLAGS.input_format} cannot take effect without '
      '--text_column'
    )
  _check_model()
  # Reading starts first: the input may arrive while TensorFlow is imported.
  inputs = _in_background(_inputs())
  from serving import text_model

  model = text_model.load(FLAGS.model_dir)
  script.show(_labelled(model, inputs), flushes=True)


def _check_model() -> None:
  """Raises a `UserError` if the folder holds no model, without TensorFlow."""
  from modeling.checkpoints.location import locate

  locate(FLAGS.model_dir)


def _inputs() -> Iterator[tuple[str, str | tuple[str, str]]]:
  """Yields where a text stands, for messages, and the text or pair."""
  path = FLAGS.input_file
  name = path or _STDIN
  lines = text_files.read_lines(path) if path else _stdin_lines()
  first, second = FLAGS.text_column, FLAGS.text_pair_column
  if not first:
    for number, line in enumerate(lines, 1):
      yield f'{name}, line {number}', line
    return
  required = [first, *filter(None, [second])]
  from data.tasks import tables

  rows = tables.rows_in(lines, name, FLAGS.input_format, required)
  for number, row in rows:
    where = f'{name}, line {number}'
    if isinstance(row, str):
      raise UserError(f'{where}: {row}')
    yield where, (row[first], row[second]) if second else row[first]


def _stdin_lines() -> Iterator[str]:
  for number, line in enumerate(sys.stdin.buffer, 1):
    text = line.removesuffix(b'\n')
    yield text_files.decode(text, _STDIN, number)


def _in_background(items: Iterable[Any]) -> Iterator[list[Any]]:
  """Yields lists of those items that have arrived, at least one in a list.

  An exception in `items` is raised after the items before it.
  """
  arrived: queue.Queue = queue.Queue(2 * _MAX_LINES)

  def read() -> None:
    try:
      for item in items:
        arrived.put(item)
      arrived.put(_END)
    except Exception as error:
      arrived.put(error)

  threading.Thread(target=read, daemon=True).start()
  end = None
  while not end:
    group = []
    try:
      group.append(arrived.get())
      while len(group) < _MAX_LINES and not _is_end(group[-1]):
        group.append(arrived.get_nowait())
    except queue.Empty:
      pass
    end = [group.pop()] if _is_end(group[-1]) else None
    if group:
      yield group
  if isinstance(end[0], Exception):
    raise end[0]


def _is_end(item: Any) -> bool:
  return item is _END or isinstance(item, Exception)


def _labelled(model: 'TextModel', groups: Iterable[list[Any]]) -> Iterator[str]:
  """Yields the lines to print, those of a group at once."""
  make = _json_line if FLAGS.format == 'jsonl' else _tsv_line
  for group in groups:
    texts = [_for_model(model, where, text) for where, text in group]
    predictions = model.predict(texts, FLAGS.batch_size)
    yield '\n'.join(map(make, texts, predictions))


def _for_model(
  model: 'TextModel', where: str, text: str | tuple[str, str]
) -> str | tuple[str, str]:
  """Returns what the model takes: a pair's texts are separated by a tab."""
  is_pair = bool(model.takes_pairs)
  if model.takes_pairs is None and FLAGS.text_pair_column:
    is_pair = True
  if isinstance(text, str) and is_pair and not FLAGS.text_column:
    text = tuple(text.split('\t'))
  num_texts = 1 if isinstance(text, str) else len(text)
  if num_texts != 1 + is_pair:
    expected = 'two, separated by a tab' if is_pair else 'one'
    raise UserError(f'{where}: found {num_texts} texts, expected {expected}')
  return text


def _top(prediction: 'Prediction') -> list[tuple[str, float]]:
  ordered = sorted(prediction.probabilities.items(), key=lambda item: -item[1])
  default = None if FLAGS.format == 'jsonl' else 1
  return ordered[: FLAGS.top_k or default]


def _tsv_line(text: str | tuple[str, str], prediction: 'Prediction') -> str:
  if prediction.value is not None:
    columns = [f'{prediction.value:.6g}']
  else:
    named = ((label, f'{p:.6f}') for label, p in _top(prediction))
    columns = list(itertools.chain.from_iterable(named))
  texts = [text] if isinstance(text, str) else [*text]
  columns += [_one_line(each) for each in texts] * FLAGS.show_text
  return '\t'.join(columns)


def _one_line(text: str) -> str:
  """Replaces what would break a row: CSV and JSON texts may hold it."""
  return ' '.join(text.splitlines()).replace('\t', ' ')


def _json_line(text: str | tuple[str, str], prediction: 'Prediction') -> str:
  keys = ('text', 'text_pair')
  texts = [text] if isinstance(text, str) else text
  values: dict[str, Any] = (
    dict(zip(keys, texts, strict=False)) if FLAGS.show_text else {}
  )
  if prediction.value is not None:
    values['value'] = prediction.value
  else:
    values['label'] = prediction.label
    values['probabilities'] = dict(_top(prediction))
  return json.dumps(values, ensure_ascii=False)


if __name__ == '__main__':
  define_flags()
  script.run(main)
