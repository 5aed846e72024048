r"""Times tools.predict from TensorFlow's import to the first labelled line.

  python -m benchmarks.first_answer --model_dir=student

Each run is a separate process. The table has, for each run, the seconds of
`import tensorflow` within the command, and the seconds from the end of that
import until the first line can be read. The speed of a shared machine changes,
and the first column shows it.
"""

import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence

from absl import flags

from benchmarks import machine, processes
from cli import flag_group, script
from system import text_table
from system.errors import UserError

FLAGS = flags.FLAGS

# Runs a module as `python -m` does, and prints when TensorFlow's import began
# and ended, by the system's clock.
_TIMED = """
import importlib.machinery, runpy, sys, time

class Timed:
  def find_spec(self, name, path=None, target=None):
    if name != 'tensorflow':
      return None
    spec = importlib.machinery.PathFinder.find_spec(name, path, target)
    run = spec.loader.exec_module
    def exec_module(module):
      began = time.monotonic()
      run(module)
      print('imported', began, time.monotonic(), file=sys.stderr, flush=True)
    spec.loader.exec_module = exec_module
    return spec

sys.meta_path.insert(0, Timed())
sys.argv = sys.argv[1:]
runpy.run_module(sys.argv[0], run_name='__main__', alter_sys=True)
"""


def define_flags() -> None:
  """Defines this script's flags."""
  flags.DEFINE_string('model_dir', None, 'The model.')
  flags.DEFINE_string('text', 'a fine film', 'The line to label.')
  flags.DEFINE_integer('num_runs', 5, 'Runs, each a process.', lower_bound=1)
  flags.DEFINE_string('output_file', None, 'A JSON file for the measurements.')


def main(_: list[str]) -> None:
  """Measures and prints a table."""
  flag_group.require('model_dir')
  load_at_start = os.getloadavg()
  command = ['tools.predict', f'--model_dir={FLAGS.model_dir}']
  runs = []
  for number in range(1, FLAGS.num_runs + 1):
    runs.append(measure(command, FLAGS.text))
    print(f'run {number} of {FLAGS.num_runs}', file=sys.stderr)
  script.show(table(runs))
  measurements = {'import_and_answer_seconds': runs}
  machine.save(FLAGS.output_file, measurements, load_at_start)


def measure(arguments: Sequence[str], text: str) -> tuple[float, float]:
  """Labels one line in a new process.

  Args:
    arguments: the module and its flags.
    text: the line.

  Returns:
    The seconds of TensorFlow's import, and from its end to the answer.

  Raises:
    UserError: the command fails, or does not import TensorFlow.
  """
  with tempfile.TemporaryFile('w+') as log:
    process = subprocess.Popen(
      [sys.executable, '-c', _TIMED, *arguments],
      stdin=subprocess.PIPE,
      stdout=subprocess.PIPE,
      stderr=log,
      env=processes.environment(),
      text=True,
    )
    process.stdin.write(text + '\n')
    process.stdin.close()
    answer = process.stdout.readline()
    answered = time.monotonic()
    status = process.wait()
    log.seek(0)
    errors = log.read()
  if status or not answer:
    raise UserError(f'{arguments[0]} failed: {errors.strip()[-1000:]}')
  times = re.search(r'^imported (\S+) (\S+)$', errors, re.MULTILINE)
  if not times:
    raise UserError(
      f'{arguments[0]} answered without TensorFlow; expected a model that '
      'TensorFlow computes'
    )
  began, ended = map(float, times.groups())
  return ended - began, answered - ended


def table(runs: Sequence[tuple[float, float]]) -> list[str]:
  """Returns a Markdown table: a line for each run, and the medians.

  >>> table([(4.0, 0.75), (6.0, 1.25)])[-1]
  '| median | 5.00 | 1.00 |'
  """
  header = ['run', '`import tensorflow`, s', 'from then to the first answer, s']
  medians = [statistics.median(column) for column in zip(*runs, strict=True)]
  rows = [*enumerate(runs, 1), ('median', medians)]
  return text_table.markdown(
    header, [[name, *(f'{x:.2f}' for x in values)] for name, values in rows]
  )


if __name__ == '__main__':
  define_flags()
  script.run(main)
