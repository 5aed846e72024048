"""The log of a run's metrics, metrics.jsonl.

One line per log interval, without wall-clock times, so that a resumed run
writes the same bytes as an undisturbed one.
"""

import contextlib
import json
import os
from collections.abc import Mapping

from system import file_systems, files, json_text
from system.errors import UserError


class MetricsLog:
  """Appends JSON objects, one per line, to `metrics.jsonl` or another file."""

  def __init__(self, output_dir: str, name: str = 'metrics.jsonl'):
    self._path = os.path.join(output_dir, name)
    self._lines: list[str] = []
    self._is_written = True

  def resume(self, step: int) -> None:
    """Cuts the log back to the lines up to `step`.

    A torn last line is dropped, too: a run that is killed while it writes a
    line has not saved that step.

    Raises:
      UserError: one of these is damaged. It is not dropped silently, because
        the lines decide the best checkpoint and early stopping.
    """
    if not files.exists(self._path):
      return
    self._lines, last = [], 0
    *lines, end = files.read_text(self._path).split('\n')
    with contextlib.suppress(UserError):  # It is empty, or torn.
      self._step_of(end, len(lines) + 1)
      lines.append(end)
    for number, line in enumerate(lines, 1):
      # Steps ascend, so all further lines are cut off, even damaged ones.
      if last >= step:
        break
      last = self._step_of(line, number)
      self._lines += [line] if last <= step else []
    self._write()

  def append(self, step: int, values: Mapping[str, float]) -> None:
    """Adds a line.

    Object stores cannot append: there `flush` writes the whole log.
    """
    line = json.dumps({'step': step, **values})
    self._lines.append(line)
    path = file_systems.local_path(self._path)
    if path is None:
      self._is_written = False
      return
    with file_systems.explained('write', path), open(path, 'ab') as file:
      file.write(f'{line}\n'.encode())

  def flush(self) -> None:
    """Writes the lines that are not written yet."""
    if not self._is_written:
      self._write()

  def lines(self) -> list[dict[str, float]]:
    """Returns the logged lines: `step` and the values."""
    return [json.loads(line) for line in self._lines]

  def _step_of(self, line: str, number: int) -> int:
    try:
      return int(json_text.parse(line, allows_nan=True)['step'])
    except (ValueError, TypeError, KeyError, OverflowError) as error:
      raise UserError(
        f'{self._path}, line {number} is damaged: expected a JSON object with '
        f'a step, found {line[:40]!r}. If you remove the line, the run resumes '
        'without its values.'
      ) from error

  def _write(self) -> None:
    files.write_text(self._path, ''.join(x + '\n' for x in self._lines))
    self._is_written = True
