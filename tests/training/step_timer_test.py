"""Lines and saves by the clock, with a clock that the test moves."""

import io

import pytest

from system.progress import Progress
from training.options import RunSettings
from training.step_timer import StepTimer


class _Run:
  """A run of 1,000 steps of 32 examples, from step `start` on."""

  def __init__(self, start=0, stream=None, **changes):
    self.now, self.start = 100.0, start
    settings = RunSettings(
      train_batch_size=32, num_train_steps=1000, log_steps=5, **changes
    )
    self.progress = Progress(
      1000, ' steps', stream or io.StringIO(), lambda: self.now, start
    )
    self.timer = StepTimer(settings, self.progress, start, lambda: self.now)

  def train(self, step, seconds):
    """Lets the device run to a step; returns how long it was allowed to."""
    allowed = self.timer.begin()
    self.now += seconds
    assert self.timer.end(step) == pytest.approx(seconds)
    self.timer.report(0.5)
    return allowed


class _Terminal(io.StringIO):
  def isatty(self):
    return True


def test_the_host_has_control_after_the_first_step_and_then_every_ten_seconds():
  run = _Run()
  assert run.train(1, 60.0) == 0.0
  assert run.train(5, 4.0) == 10.0
  assert run.train(10, 5.0) == 6.0
  assert run.train(12, 2.0) == 1.0
  assert run.train(15, 3.0) == 10.0


def test_lines_are_ten_seconds_apart_and_do_not_count_the_first_step(caplog):
  run = _Run()
  run.train(1, 60.0)
  run.train(5, 4.0)
  run.train(9, 4.0)
  assert caplog.messages == []
  run.train(13, 4.0)
  # 12 steps took 12 seconds, and 987 are left.
  first = 'step 13 of 1000 (1 %) · loss 0.5000 · 32.0 examples/s · 0:16:27 left'
  assert caplog.messages == [first]
  run.train(17, 8.0)
  run.now += 100.0  # An evaluation, which is no training.
  run.train(19, 4.0)
  # 6 steps in 12 seconds.
  second = (
    'step 19 of 1000 (2 %) · loss 0.5000 · 16.0 examples/s · 0:32:42 left'
  )
  assert caplog.messages == [first, second]


def test_the_last_step_has_a_line(caplog):
  run = _Run(start=998)
  run.train(999, 2.0)
  run.train(1000, 1.0)
  assert caplog.messages == [
    'step 1000 of 1000 (100 %) · loss 0.5000 · 32.0 examples/s · 0:00:00 left'
  ]


def test_a_run_of_one_step_has_a_line_without_a_rate(caplog):
  _Run(start=999).train(1000, 2.0)
  assert caplog.messages == ['step 1000 of 1000 (100 %) · loss 0.5000']


def test_a_bar_moves_every_two_seconds_and_nothing_is_logged(caplog):
  terminal = _Terminal()
  run = _Run(stream=terminal)
  with run.progress:
    run.train(1, 5.0)
    assert run.train(7, 3.0) == 2.0
    assert run.train(8, 0.5) == 2.0
    assert run.train(9, 0.5) == 1.5
  assert '9/1000' in terminal.getvalue()
  assert 'loss 0.5000, 64.0 examples/s' in terminal.getvalue().replace(
    ' · ', ', '
  )
  assert caplog.messages == []


def test_a_save_is_due_when_the_minutes_have_passed_since_the_last():
  run = _Run(save_checkpoints_minutes=1.5)
  run.now += 89.0
  assert not run.timer.is_save_due()
  run.now += 1.0
  assert run.timer.is_save_due()
  run.timer.note_save()
  assert not run.timer.is_save_due()
  never = _Run(save_checkpoints_minutes=0)
  never.now += 1e9
  assert not never.timer.is_save_due()
