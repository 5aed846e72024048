r"""Summarises the results of a recipe's runs in one table and one plot.

  python -m tools.report --results_dir=quickstart/results \
    --output_dir=quickstart --split=test

For comparing methods over seeds. The tool reads every <method>-seed<k>.json of
the folder: an object with the keys method (one of `METHODS`), seed, accuracy
(in [0, 1], on the split --split), parameters and examples_per_second. It
ignores other keys. It prints the table and writes report.md, report.json and
report.png. All three name the methods that have no result.
"""

import dataclasses
import io
import json
import pathlib
import statistics
from collections.abc import Mapping, Sequence

from absl import flags

from cli import flag_group, script
from system import json_text
from system.errors import UserError, shown
from tools import local_files

FLAGS = flags.FLAGS

# In the order of their costs. The four between bag-of-words and the teacher
# train the same student: on labels or on the teacher's logits (distillation),
# without or with pre-training (PF, PD).
METHODS = ('bag-of-words', 'basic', 'PF', 'distillation', 'PD', 'teacher')

_NUMBERS = ('seed', 'accuracy', 'parameters', 'examples_per_second')


@dataclasses.dataclass(frozen=True)
class Row:
  """The results of one method.

  Attributes:
    method: one of `METHODS`.
    seeds: the seeds, ascending.
    accuracies: the accuracy for each seed, in [0, 1].
    parameters: the number of the model's parameters.
    examples_per_second: the median over the seeds.
  """

  method: str
  seeds: tuple[int, ...]
  accuracies: tuple[float, ...]
  parameters: int
  examples_per_second: float

  @property
  def median(self) -> float:
    """The median accuracy."""
    return statistics.median(self.accuracies)


def define_flags() -> None:
  """Defines this script's flags."""
  flags.DEFINE_string(
    'results_dir', None, 'The folder with <method>-seed<k>.json files.'
  )
  flags.DEFINE_string('output_dir', None, 'The folder to write report.* to.')
  flags.DEFINE_string('split', 'dev', 'The split of the accuracies.')


def read_results(folder: str | pathlib.Path) -> list[dict]:
  """Reads all results in a folder.

  Raises:
    UserError: there is no result, or a file is malformed, lacks a key, names an
      unknown method, or repeats a method and seed; the message names the file.
  """
  paths = sorted(pathlib.Path(folder).glob('*-seed*.json'))
  if not paths:
    raise UserError(f'--results_dir: no <method>-seed<k>.json in {folder}')
  results: dict[tuple[str, int], dict] = {}
  for path in paths:
    result = _read_result(path)
    key = result['method'], result['seed']
    if key in results:
      raise UserError(f'{path}: a second result of {key[0]}, seed {key[1]}')
    results[key] = result
  return list(results.values())


def summarise(results: Sequence[Mapping]) -> list[Row]:
  """Makes a row for each method that has results, in the order of `METHODS`.

  Raises:
    UserError: models of one method differ in size.
  """
  rows = []
  for method in METHODS:
    own = [result for result in results if result['method'] == method]
    own.sort(key=lambda result: result['seed'])
    sizes = sorted({result['parameters'] for result in own})
    if len(sizes) > 1:
      raise UserError(
        f'the models of {method} have different sizes: '
        f'{", ".join(f"{size:,}" for size in sizes)} parameters'
      )
    if own:
      speeds = [result['examples_per_second'] for result in own]
      rows.append(
        Row(
          method,
          tuple(result['seed'] for result in own),
          tuple(result['accuracy'] for result in own),
          sizes[0],
          statistics.median(speeds),
        )
      )
  return rows


def missing_methods(rows: Sequence[Row]) -> list[str]:
  """Returns the methods without results."""
  return [name for name in METHODS if name not in {row.method for row in rows}]


def as_markdown(rows: Sequence[Row], split: str) -> str:
  """Returns the aligned table, followed by the missing methods."""
  header = ['method', f'{split} accuracy', 'lowest–highest', 'seeds']
  header += ['parameters', 'examples/s']
  cells = [header] + [_cells(row) for row in rows]
  widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
  # The trailing colon right-aligns the columns of numbers.
  rule = ['-' * widths[0], *('-' * (width - 1) + ':' for width in widths[1:])]
  lines = []
  for line in [cells[0], rule, *cells[1:]]:
    padded = [line[0].ljust(widths[0])]
    padded += [
      cell.rjust(width)
      for cell, width in zip(line[1:], widths[1:], strict=True)
    ]
    lines.append(f'| {" | ".join(padded)} |')
  missing = missing_methods(rows)
  if missing:
    lines += ['', f'Missing, no result yet: {", ".join(missing)}.']
  return '\n'.join(lines) + '\n'


def as_json(rows: Sequence[Row]) -> str:
  """Returns the rows and the missing methods as JSON."""
  row_values = [
    dataclasses.asdict(row)
    | {
      'median_accuracy': row.median,
      'lowest_accuracy': min(row.accuracies),
      'highest_accuracy': max(row.accuracies),
    }
    for row in rows
  ]
  report = {'rows': row_values, 'missing': missing_methods(rows)}
  return json.dumps(report, indent=2) + '\n'


def draw(rows: Sequence[Row], split: str) -> bytes:
  """Draws a bar chart of the median accuracies.

  A line over each bar spans the lowest to the highest accuracy; dots mark the
  seeds. The text 'no result' replaces the bars of missing methods.

  Returns:
    The content of a PNG file.

  Raises:
    UserError: Matplotlib is not installed.
  """
  try:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
  except ImportError as error:
    raise UserError(
      "the plot needs Matplotlib: pip install -e '.[quickstart]'"
    ) from error
  # pyplot keeps global state and looks for a display.
  figure = Figure(figsize=(7, 4), layout='constrained')
  FigureCanvasAgg(figure)
  axes = figure.add_subplot()
  for row in rows:
    _draw_bar(axes, METHODS.index(row.method), row)
  for method in missing_methods(rows):
    axes.text(METHODS.index(method), 0.01, 'no result', ha='center', color='.5')
  axes.set_xticks(range(len(METHODS)), METHODS)
  axes.set_xlim(-0.6, len(METHODS) - 0.4)
  axes.set_ylim(bottom=0)
  axes.margins(y=0.12)
  axes.set_ylabel(f'{split} accuracy')
  axes.set_title('Median over seeds; dots are seeds', fontsize='medium')
  axes.spines[['top', 'right']].set_visible(False)
  image = io.BytesIO()
  figure.savefig(image, dpi=150, format='png')
  return image.getvalue()


def main(_: list[str]) -> None:
  """Prints the table and writes the three files."""
  flag_group.require('results_dir', 'output_dir')
  rows = summarise(read_results(FLAGS.results_dir))
  print(as_markdown(rows, FLAGS.split), end='')
  folder = pathlib.Path(FLAGS.output_dir)
  local_files.write(folder / 'report.md', as_markdown(rows, FLAGS.split))
  local_files.write(folder / 'report.json', as_json(rows))
  local_files.write(folder / 'report.png', draw(rows, FLAGS.split))
  print(f'saved {folder}/report.md, report.json and report.png')


def _read_result(path: pathlib.Path) -> dict:
  try:
    result = json_text.parse(path.read_text(encoding='utf-8'))
  except (OSError, ValueError) as error:
    raise UserError(f'cannot read {path}: {error}') from error
  if not isinstance(result, dict) or result.get('method') not in METHODS:
    raise UserError(
      f'{path}: expected an object whose method is one of {", ".join(METHODS)}'
    )
  for key in _NUMBERS:
    value = result.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
      raise UserError(f'{path}: {key} must be a number, got {shown(value)}')
  if not 0 <= result['accuracy'] <= 1:
    raise UserError(
      f'{path}: accuracy must be in [0, 1], got {result["accuracy"]}'
    )
  return result


def _cells(row: Row) -> list[str]:
  spread = f'{min(row.accuracies):.3f}–{max(row.accuracies):.3f}'
  return [
    row.method,
    f'{row.median:.3f}',
    spread if len(row.seeds) > 1 else '',
    str(len(row.seeds)),
    f'{row.parameters:,}',
    f'{row.examples_per_second:,.0f}',
  ]


def _draw_bar(axes, position: int, row: Row) -> None:
  """Draws one method: bar, spread, seeds, and the median as text."""
  is_student = row.method not in ('bag-of-words', 'teacher')
  colour = 'tab:blue' if is_student else '.7'
  axes.bar(position, row.median, width=0.65, color=colour)
  lowest, highest = min(row.accuracies), max(row.accuracies)
  if len(row.seeds) > 1:
    axes.vlines(position, lowest, highest, color='black', linewidth=1)
    positions = [position] * len(row.seeds)
    axes.plot(positions, row.accuracies, 'o', color='black', markersize=3)
  axes.annotate(
    f'{row.median:.3f}',
    (position, highest),
    xytext=(0, 4),
    textcoords='offset points',
    ha='center',
  )


if __name__ == '__main__':
  define_flags()
  script.run(main)
