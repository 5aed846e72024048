"""The host's loop: the clock, requests to stop, profiles, and bad steps."""

import functools
import itertools
import json
import logging as std_logging
import os

import numpy as np
import pytest
import replicas
from absl import logging
from tiny_training import exported, make_settings, make_source, train

from system import files, stop_request
from system.errors import Stopped, UserError
from training import train_loop
from training.profiling import profiled_steps
from training.resuming import Checkpointer
from training.step_timer import StepTimer


@pytest.fixture(scope='module')
def source(tmp_path_factory):
  return make_source(tmp_path_factory.mktemp('source') / 'records')


@pytest.fixture(scope='module')
def whole(source, tmp_path_factory):
  """The folder of an undisturbed run of 20 steps."""
  folder = tmp_path_factory.mktemp('whole')
  train(source, make_settings(folder))
  return folder


def _metrics(folder):
  return (folder / 'metrics.jsonl').read_text()


def _lines(folder):
  return [json.loads(line) for line in _metrics(folder).splitlines()]


class _WhenLogged(std_logging.Handler):
  """Calls a function when a step's line is logged, in a `with` block."""

  def __init__(self, step, act):
    super().__init__()
    self._start, self._act = f'step {step} of', act

  def emit(self, record):
    if record.getMessage().startswith(self._start):
      self._act()

  def __enter__(self):
    logging.get_absl_logger().addHandler(self)

  def __exit__(self, *error):
    logging.get_absl_logger().removeHandler(self)


@pytest.fixture
def fast_clock(monkeypatch):
  """A clock that moves on by ten seconds whenever a run looks at it.

  The host then takes control after each step, and logs a line.
  """
  clock = functools.partial(next, itertools.count(0.0, 10.0))
  monkeypatch.setattr(
    train_loop, 'StepTimer', functools.partial(StepTimer, clock=clock)
  )


@pytest.fixture
def saves(monkeypatch):
  """The list of the steps that are saved."""
  steps, save = [], Checkpointer.save

  def save_and_note(self, step):
    save(self, step)
    steps.append(step)

  monkeypatch.setattr(Checkpointer, 'save', save_and_note)
  return steps


def _contents(folder):
  """Returns the bytes of everything that a run writes, except the events."""
  return {
    str(path.relative_to(folder)): path.read_bytes()
    for path in folder.rglob('*')
    if path.is_file() and 'events' not in path.parts
  }


def _steps_logged(caplog):
  lines = [x for x in caplog.messages if x.startswith('step ')]
  return [int(line.split()[1]) for line in lines]


def _train_and_stop(source, settings, step):
  """Trains, and asks the run to stop when a step's line is logged.

  Returns:
    The message with which it stopped.
  """
  with _WhenLogged(step, stop_request.make), pytest.raises(Stopped) as stopped:
    train(source, settings)
  return str(stopped.value)


@pytest.mark.slow
def test_the_last_step_alone_is_logged_in_a_run_of_few_seconds(
  source, tmp_path, caplog, monkeypatch
):
  # A run looks at the clock some dozen times.
  clock = functools.partial(next, itertools.count(0.0, 0.001))
  timer = functools.partial(StepTimer, clock=clock)
  monkeypatch.setattr(train_loop, 'StepTimer', timer)
  train(source, make_settings(tmp_path))
  assert _steps_logged(caplog) == [20]


@pytest.mark.slow
def test_the_clock_changes_nothing_that_a_run_writes(
  source, whole, tmp_path, fast_clock, saves, caplog
):
  train(source, make_settings(tmp_path, save_checkpoints_minutes=0))
  assert _steps_logged(caplog) == [*range(1, 21)]
  assert saves == [4, 8, 12, 16, 20]
  assert _contents(tmp_path) == _contents(whole)


@pytest.mark.slow
@pytest.mark.parametrize('num_replicas', [1, 2])
def test_a_run_that_is_killed_after_a_save_by_the_clock_resumes_there(
  source, whole, tmp_path, fast_clock, monkeypatch, saves, num_replicas
):
  def run(folder):
    strategy = replicas.mirrored() if num_replicas > 1 else None
    settings = make_settings(folder, save_checkpoints_minutes=1.5)
    train(source, settings, strategy)

  if num_replicas > 1:
    whole = tmp_path / 'alone'
    with monkeypatch.context() as patch:
      patch.setattr(train_loop, 'StepTimer', StepTimer)
      run(whole)
    saves.clear()
  written = Checkpointer._write

  def write_and_die(self, step):
    written(self, step)
    assert len(list(tmp_path.glob('out/checkpoints/*.index'))) <= 2
    if step in (6, 7, 11, 15) and step not in seen:
      seen.append(step)
      raise KeyError('killed')

  seen = []
  monkeypatch.setattr(Checkpointer, '_write', write_and_die)
  for step in itertools.count():
    assert step < 10
    try:
      run(tmp_path / 'out')
      break
    except KeyError:
      exports = [x.name for x in (tmp_path / 'out').glob('model.ckpt-*.index')]
      assert f'model.ckpt-{seen[-1]}.index' not in exports
  # Of the killed runs' saves, some are by the clock.
  assert seen and {x for x in seen if x % 4}
  assert _contents(tmp_path / 'out') == _contents(whole)


@pytest.mark.slow
def test_an_object_store_gets_the_metrics_before_each_checkpoint(
  source, tmp_path, monkeypatch
):
  folder, writes = f'ram://{tmp_path}', []
  write = files.write_text

  def write_and_note(path, text):
    write(path, text)
    if path.endswith('metrics.jsonl'):
      writes.append(len(text.splitlines()))

  def save_and_note(self, step, save=Checkpointer.save):
    writes.append(f'save {step}')
    save(self, step)

  monkeypatch.setattr(files, 'write_text', write_and_note)
  monkeypatch.setattr(Checkpointer, 'save', save_and_note)
  train(source, make_settings(folder, log_steps=2, iterations_per_loop=2))
  # Lines, steps.
  assert writes == [
    *(2, 'save 4', 4, 'save 8', 6, 'save 12', 8, 'save 16', 10, 'save 20')
  ]


# With `fast_clock` the host stops at each step. Step 4 ends an interval; 7 and
# 19, the last but one, do not.
@pytest.mark.slow
@pytest.mark.parametrize('asked_at', [[12], [3, 6, 18]])
def test_a_run_that_is_asked_to_stop_saves_its_next_step_and_resumes_there(
  source, whole, tmp_path, fast_clock, asked_at
):
  settings = make_settings(tmp_path)
  for step in asked_at:
    message = _train_and_stop(source, settings, step)
    assert message == f'saved at step {step + 1} of 20'
    assert (tmp_path / 'checkpoints' / f'ckpt-{step + 1}.index').exists()
    # A run that is asked to stop exports nothing.
    assert not (tmp_path / f'model.ckpt-{step + 1}.index').exists()
  train(source, settings)
  assert not stop_request.has_listener()
  assert exported(tmp_path, 20) == exported(whole, 20)
  assert _metrics(tmp_path) == _metrics(whole)


@pytest.mark.slow
def test_a_profile_of_some_steps_does_not_change_the_run(
  source, whole, tmp_path, caplog
):
  train(source, make_settings(tmp_path, profile=True))
  assert exported(tmp_path, 20) == exported(whole, 20)
  assert _metrics(tmp_path) == _metrics(whole)
  [profile] = tmp_path.glob('events/plugins/profile/*/*.xplane.pb')
  assert b'MatMul' in profile.read_bytes()
  assert f'from 11 on to {tmp_path}/events/plugins/profile' in caplog.text


@pytest.mark.parametrize(
  ('step', 'num_steps', 'steps'),
  [(0, 100, (10, 20)), (90, 100, (90, 100)), (93, 100, (93, 100))],
)
def test_profiled_steps_lie_in_the_run(step, num_steps, steps):
  assert profiled_steps(step, num_steps) == range(*steps)


@pytest.mark.slow
def test_a_bad_step_ends_the_run_and_is_named_with_its_records(
  source, tmp_path
):
  settings = make_settings(
    tmp_path, learning_rate=1e38, num_warmup_steps=0, log_steps=4
  )
  with pytest.raises(UserError, match='not finite at step 2, .*=1e.38 too'):
    train(source, settings)
  names = [p.name for p in tmp_path.glob('model.ckpt-*.index')]
  assert names == []


@pytest.mark.slow
@pytest.mark.parametrize('precision', ['float32', 'float16'])
def test_a_run_that_skips_bad_steps_resumes_with_the_same_bytes(
  tmp_path, precision, fast_clock, caplog
):
  source = make_source(tmp_path / 'records', nan_in=17)
  alone, stopped = (
    make_settings(
      tmp_path / name,
      skip_nonfinite_steps=9,
      adam_bias_correction=True,
      precision=precision,
    )
    for name in ('alone', 'stopped')
  )
  train(source, alone)
  named = [x for x in caplog.messages if 'is skipped' in x]
  # The bad record comes once in an epoch of 50 / 16 steps.
  assert 6 <= len(named) <= 7
  assert all(f'{tmp_path}/records, records' in x for x in named)
  for message in named:
    records = message.partition('from 0) ')[2].partition('. The')[0].split(', ')
    assert len(records) == 16 and '17' in records
  lines = _lines(tmp_path / 'alone')
  # If an interval's only step is bad, its mean loss is 0.
  assert all(x['loss'] > 1.0 or x['skipped_steps'] == 1.0 for x in lines)
  steps = [0, *(line['step'] for line in lines)]
  counts = [
    line['skipped_steps'] * (line['step'] - before)
    for line, before in zip(lines, steps, strict=False)
  ]
  assert round(sum(counts)) == len(named)
  _train_and_stop(source, stopped, 12)
  train(source, stopped)
  assert exported(tmp_path / 'stopped', 20) == exported(tmp_path / 'alone', 20)
  assert _metrics(tmp_path / 'stopped') == _metrics(tmp_path / 'alone')


@pytest.mark.slow
def test_more_bad_steps_than_allowed_end_the_run(tmp_path):
  source = make_source(tmp_path / 'records', nan_in=17)
  with pytest.raises(UserError, match='`skip_nonfinite_steps`=1 would skip'):
    train(source, make_settings(tmp_path))
  # A run may resume with another number; the steps skipped before count.
  with pytest.raises(UserError, match='`skip_nonfinite_steps`=3 would skip'):
    train(source, make_settings(tmp_path, skip_nonfinite_steps=2))


@pytest.mark.slow
def test_allowing_skipped_steps_changes_nothing_if_none_is_bad(
  source, whole, tmp_path
):
  train(source, make_settings(tmp_path, skip_nonfinite_steps=1))
  assert exported(tmp_path, 20) == exported(whole, 20)
  ours = [{**x, 'skipped_steps': 0.0} for x in _lines(whole)]
  assert _lines(tmp_path) == ours


@pytest.mark.slow
def test_a_folder_that_vanishes_is_named(source, tmp_path, fast_clock):
  folder, gone = tmp_path / 'out', tmp_path / 'gone'
  with (
    _WhenLogged(6, lambda: os.rename(folder, gone)),
    pytest.raises(UserError, match='cannot write .*/out/metrics.jsonl'),
  ):
    train(source, make_settings(folder))
  assert not files.exists(str(folder))


@pytest.mark.slow
def test_two_replicas_skip_the_same_steps_as_one_device(tmp_path):
  source = make_source(tmp_path / 'records', nan_in=17)
  one, two = (
    make_settings(tmp_path / name, skip_nonfinite_steps=9)
    for name in ('one', 'two')
  )
  expected = train(source, one)
  strategy = replicas.mirrored()
  for name, value in train(source, two, strategy).items():
    np.testing.assert_allclose(value, expected[name], atol=1e-5, err_msg=name)
  skipped = [
    [x['skipped_steps'] for x in _lines(tmp_path / name)]
    for name in ('one', 'two')
  ]
  assert skipped[0] == skipped[1]
