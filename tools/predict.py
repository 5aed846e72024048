r"""Labels the lines of standard input with a trained model.

  python -m tools.predict --model_dir=student < reviews.txt
  python -m tools.predict --model_dir=student --format=jsonl < reviews.txt
  python -m tools.predict --model_dir=student --text_column=review < reviews.tsv
  python -m tools.predict --model_dir=exported/onnx < reviews.txt
  python -m tools.predict --model_dir=student --compare=exported/onnx \
    --compare_runtime=onnx_int8 < reviews.txt

Prints a line for each line: the label, its probability and the text, separated
by tabs; or the predicted number and the text. A model of pairs takes the two
texts of a line separated by a tab. With --text_column the input is a table with
a header. The folder gives everything else: weights, vocabulary, casing, labels,
the maximum input length.

Lines are labelled as they arrive, so the tool can be used inside a pipe.

The folder may also be an export. ONNX Runtime computes an ONNX export, and
LiteRT a LiteRT export, without TensorFlow, which starts faster. --compare
prints only the lines that two models label differently, as both labels and the
text, and last a line of counts.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from absl import flags, logging

from cli import flag_group, script
from serving import comparison, runtimes
from serving.comparison import Comparison
from serving.model import Model
from system import files
from system.errors import UserError
from tools.predict_input import Source, in_background
from tools.predict_output import Style

FLAGS = flags.FLAGS


def define_flags() -> None:
  """Defines this script's flags."""
  flags.DEFINE_string(
    'model_dir',
    None,
    "The folder of the model: a run's --output_dir, its best/, a copy, or an "
    'export.',
  )
  flags.DEFINE_enum(
    'runtime',
    None,
    runtimes.NAMES,
    'What runs the model. By default onnx for an ONNX export, litert for '
    'a LiteRT export, and else tensorflow, which also reads a Hugging Face '
    'export.',
  )
  flags.DEFINE_string(
    'compare',
    None,
    'The folder of a second model: prints the lines that the two label '
    'differently.',
  )
  flags.DEFINE_enum(
    'compare_runtime',
    None,
    runtimes.NAMES,
    'With --compare: what runs the second model.',
  )
  flags.DEFINE_string(
    'input_file',
    None,
    'A file to read instead of standard input; .gz is read. One that ends with '
    '.csv, .jsonl or .parquet is a table and needs --text_column.',
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
    None,
    ('tsv', 'csv', 'jsonl', 'parquet'),
    'The format of a table, with --text_column. By default the format that the '
    'extension of --input_file names, else tsv.',
  )
  flags.DEFINE_enum(
    'format',
    'tsv',
    ('tsv', 'jsonl'),
    'tsv: columns; jsonl: one object per line.',
  )
  flags.DEFINE_integer(
    'top_k',
    None,
    'How many labels to print, the most probable first, each with its '
    'probability. By default one in TSV, all in JSONL. Not for a model that '
    'predicts a number.',
    lower_bound=1,
  )
  flags.DEFINE_bool('show_text', True, 'Whether to print the text.')
  flags.DEFINE_integer('batch_size', 64, 'Texts scored at once.', lower_bound=1)


def main(_: list[str]) -> None:
  """Reads lines and prints their labels, or where two models differ."""
  logging.set_verbosity(logging.WARNING)
  _check_flags()
  runtime = runtimes.check(FLAGS.model_dir, FLAGS.runtime)
  other = None
  if FLAGS.compare:
    other = runtimes.check(FLAGS.compare, FLAGS.compare_runtime)
  source = Source(
    FLAGS.input_file,
    _table_format(),
    FLAGS.text_column,
    FLAGS.text_pair_column,
  )
  style = Style(FLAGS.format == 'jsonl', FLAGS.top_k, FLAGS.show_text)
  # Reading starts first: the input may arrive while TensorFlow is imported.
  inputs = in_background(source.read())
  model = runtimes.load(FLAGS.model_dir, runtime)
  if FLAGS.top_k and not model.labels:
    raise UserError(
      f'--top_k={FLAGS.top_k} cannot take effect: the model in '
      f'{FLAGS.model_dir} predicts a number'
    )
  if other is None:
    lines = _labelled(model, source, inputs, style)
  else:
    second = runtimes.load(FLAGS.compare, other)
    lines = _compared(model, second, source, inputs, style)
  script.show(lines, flushes=True)


def _check_flags() -> None:
  flag_group.require('model_dir')
  if FLAGS.text_pair_column and not FLAGS.text_column:
    raise UserError('--text_pair_column needs --text_column')
  if FLAGS.input_format and not FLAGS.text_column:
    raise UserError(
      f'--input_format={FLAGS.input_format} cannot take effect without '
      '--text_column'
    )
  if FLAGS.input_format == 'parquet' and not FLAGS.input_file:
    raise UserError('--input_format=parquet needs --input_file')
  # The lines of a TSV file may be texts, or pairs.
  if not FLAGS.text_column and _table_format() != 'tsv':
    raise UserError(
      f'--input_file={FLAGS.input_file} is a table by its extension: name the '
      'column with the text, as --text_column=NAME'
    )
  if FLAGS.compare_runtime and not FLAGS.compare:
    raise UserError('--compare_runtime cannot take effect without --compare')
  if FLAGS.compare and FLAGS.top_k:
    raise UserError('--top_k cannot take effect with --compare')
  if FLAGS.input_file:
    files.require_file(FLAGS.input_file, '--input_file')


def _table_format() -> str:
  from data.tasks import tables

  path = FLAGS.input_file
  if FLAGS.input_format or not path or not tables.is_table(path):
    return FLAGS.input_format or 'tsv'
  return tables.format_of(path)


def _labelled(
  model: Model, source: Source, groups: Iterable[list[Any]], style: Style
) -> Iterator[str]:
  """Yields the lines to print, those of a group at once."""
  for group in groups:
    texts, error = source.as_texts(group, model.takes_pairs)
    if texts:
      predictions = model.predict(texts, FLAGS.batch_size)
      yield '\n'.join(map(style.line, texts, predictions))
    if error:
      raise error


def _compared(
  first: Model,
  second: Model,
  source: Source,
  groups: Iterable[list[Any]],
  style: Style,
) -> Iterator[str]:
  """Yields the lines that two models label differently, then the counts."""
  found = Comparison.of(first, second)
  takes_pairs = comparison.take_pairs(first, second)
  for group in groups:
    texts, error = source.as_texts(group, takes_pairs)
    if texts:
      a = first.predict(texts, FLAGS.batch_size)
      b = second.predict(texts, FLAGS.batch_size)
      for i in found.add(a, b):
        yield style.difference(texts[i], a[i], b[i])
    if error:
      raise error
  yield style.summary(found)


if __name__ == '__main__':
  define_flags()
  script.run(main)
