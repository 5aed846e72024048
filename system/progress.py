"""Progress of long jobs: a bar on a terminal, a line every 10 s in a log.

`announced` is for work whose end cannot be foreseen, such as compiling.
"""

import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import TextIO

import tqdm
from absl import logging

_SECONDS_BETWEEN_LINES = 10.0  # In a log.
# Of `announced`.
_SECONDS_TO_FIRST = 2.0
_SECONDS_BETWEEN = 20.0


@contextlib.contextmanager
def announced(
  work: str,
  first: float = _SECONDS_TO_FIRST,
  between: float = _SECONDS_BETWEEN,
  clock: Callable[[], float] = time.monotonic,
) -> Iterator[None]:
  """Logs what a block does if it takes long, and then how long it took.

  Args:
    work: such as 'Tracing the step'.
    first: seconds until the first line; a shorter block logs nothing.
    between: seconds between the lines after it.
    clock: returns the seconds that the lines show.
  """
  start, is_done = clock(), threading.Event()
  has_begun = threading.Event()

  def say() -> None:
    wait = first
    while not is_done.wait(wait):
      seconds = clock() - start
      so_far = f' ({seconds:.0f} s so far)' if has_begun.is_set() else ''
      logging.info('%s ...%s', work, so_far)
      has_begun.set()
      wait = between

  speaker = threading.Thread(target=say, name='announced', daemon=True)
  speaker.start()
  try:
    yield
  finally:
    is_done.set()
    speaker.join()
  if has_begun.is_set():
    logging.info('%s: done in %.0f s.', work, clock() - start)


class Progress:
  """Shows the share done, a note and the time left; use as a context manager.

  Without a terminal, a job shorter than 10 s prints nothing.

  Attributes:
    is_bar: whether the stream is a terminal, which shows a bar.
  """

  def __init__(
    self,
    total: int,
    unit: str,
    stream: TextIO | None = None,
    clock: Callable[[], float] = time.monotonic,
    initial: int = 0,
  ):
    """Starts the clock.

    Args:
      total: the size of the job, in `unit`; may be an estimate.
      unit: the unit of the counts, such as 'B' for bytes.
      stream: where to write; standard error if None.
      clock: returns seconds.
      initial: how much of the total was done earlier, by a stopped run.
    """
    self._stream = stream or sys.stderr
    self._total = max(total, 1)
    self._unit = unit
    self._clock = clock
    self._initial = initial
    self._start = self._last = clock()
    self._bar = None
    self.is_bar = self._stream.isatty()

  def __enter__(self) -> 'Progress':
    if self.is_bar:
      self._bar = tqdm.tqdm(
        total=self._total,
        initial=self._initial,
        unit=self._unit,
        unit_scale=self._unit == 'B',
        file=self._stream,
        leave=None,  # Removes a nested bar when it ends.
        **_size_arguments(self._stream),
      )
      _LogAboveBars.install(self._stream)
    return self

  def __exit__(self, *error) -> None:
    if self._bar is not None:
      _LogAboveBars.uninstall(self._stream)
      self._bar.close()

  @property
  def seconds(self) -> float:
    """Seconds since the start."""
    return self._clock() - self._start

  def update(self, done: float, note: str = '') -> None:
    """Updates the display.

    Args:
      done: how much of the total is done by now, `initial` included.
      note: text to show as well.
    """
    done = min(done, self._total)
    if self._bar is not None:
      self._bar.set_postfix_str(note, refresh=False)
      self._bar.update(int(done) - self._bar.n)
      return
    now = self._clock()
    if now - self._last >= _SECONDS_BETWEEN_LINES:
      self._last = now
      print(self._line(done, note), file=self._stream, flush=True)

  def _line(self, done: float, note: str) -> str:
    """Returns '40 % of 20.0MB, <note>, 0:01:30 left'."""
    is_bytes = self._unit == 'B'
    size = (tqdm.tqdm.format_sizeof if is_bytes else '{:,}'.format)(self._total)
    parts = [f'{100 * done / self._total:.0f} % of {size}{self._unit}']
    if note:
      parts.append(note)
    if done > self._initial:
      left = self.seconds * (self._total - done) / (done - self._initial)
      parts.append(f'{tqdm.tqdm.format_interval(left)} left')
    return ', '.join(parts)


def _size_arguments(stream: TextIO) -> dict[str, int | bool]:
  """Returns tqdm's arguments for the terminal's size."""
  try:
    has_size = os.get_terminal_size(stream.fileno()).columns > 0
  except OSError:
    has_size = False
  # Pseudo-terminals, such as those of `script` and containers, may report a
  # width of 0, with which tqdm would write nothing.
  return {'dynamic_ncols': True} if has_size else {'ncols': 80, 'nrows': 24}


class _LogAboveBars:
  """A stream for the log that writes above the progress bars."""

  _num_bars = 0

  def __init__(self, stream: TextIO):
    self._stream = stream

  def write(self, text: str) -> int:
    with tqdm.tqdm.external_write_mode(file=self._stream):
      return self._stream.write(text)

  def flush(self) -> None:
    self._stream.flush()

  @classmethod
  def install(cls, stream: TextIO) -> None:
    """Writes Absl's log above the bars from now on, if it goes to `stream`.

    Bars may be nested: the first installs this stream, the last uninstalls it.
    """
    cls._num_bars += 1
    handler = logging.get_absl_handler().python_handler
    if handler.stream is stream:
      handler.setStream(cls(stream))

  @classmethod
  def uninstall(cls, stream: TextIO) -> None:
    """Restores the log's stream when the last bar ends."""
    cls._num_bars -= 1
    handler = logging.get_absl_handler().python_handler
    if not cls._num_bars and isinstance(handler.stream, cls):
      handler.setStream(stream)
