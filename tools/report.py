r"""Makes tables, figures and one HTML page of the results of experiments.

  python -m tools.report --results_dir=recipes/results/sst2 --output_dir=report

The folder, or each folder in it, is an experiment: an experiment.json says what
to show (`tools/reporting/experiments.py` describes its keys), and next to it
are the results that `tools.record_result` writes. The tool writes index.html,
the same as README.md, and for each experiment its table <name>.md, all its runs
<name>.csv, and its figure <name>.svg and <name>.png. The same results give the
same bytes.
"""

import pathlib
from collections.abc import Sequence

from absl import flags

from cli import flag_group, script
from system import local_files
from tools.reporting import experiments, figures, grid, markdown, page, tables

FLAGS = flags.FLAGS


def define_flags() -> None:
  """Defines this script's flags."""
  flags.DEFINE_string(
    'results_dir', None, 'The folder of one experiment, or a folder of several.'
  )
  flags.DEFINE_string('output_dir', None, 'The folder to write the report to.')


def write(results_dir: str, output_dir: str) -> list[grid.Grid]:
  """Writes the report.

  Returns:
    The experiments' results, arranged.

  Raises:
    UserError: a file is malformed, or the folder to write to is not local.
  """
  local_files.require_local(output_dir)
  grids = [grid.arrange(e) for e in experiments.read_all(results_dir)]
  # Nothing is written unless everything can be.
  drawings = {each.experiment.name: figures.draw(each) for each in grids}
  folder = pathlib.Path(output_dir)
  for each in grids:
    name = each.experiment.name
    for kind, content in drawings[name].items():
      local_files.write(folder / f'{name}.{kind}', content)
    local_files.write(folder / f'{name}.md', markdown.tables_of(each))
    runs = tables.runs_csv(each.experiment.results)
    local_files.write(folder / f'{name}.csv', runs)
  local_files.write(folder / 'README.md', markdown.build(grids))
  svgs = {name: images['svg'] for name, images in drawings.items()}
  local_files.write(folder / 'index.html', page.build(grids, svgs))
  return grids


def print_tables(grids: Sequence[grid.Grid]) -> None:
  """Prints each experiment's tables."""
  for each in grids:
    print(f'{each.experiment.title}\n\n{markdown.tables_of(each)}')


def main(_: list[str]) -> None:
  """Writes the report and prints its tables."""
  flag_group.require('results_dir', 'output_dir')
  print_tables(write(FLAGS.results_dir, FLAGS.output_dir))
  print(f'saved {FLAGS.output_dir}/index.html, README.md and the figures')


if __name__ == '__main__':
  define_flags()
  script.run(main)
