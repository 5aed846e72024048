"""Faults in real runs of the scripts: kills, damage, full disks, second starts.

Each script is killed and started again many times, in phases that the test
recognises by the files being written. In the end its files have the same bytes
as those of an undisturbed run, with dropout 0.1, shuffling and buckets, over
several epochs.
"""

import collections
import dataclasses
import json
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest
import tiny_world

from system import files
from system.errors import UserError

pytestmark = pytest.mark.slow

# A table of so many positions makes checkpoints of 6 MB, which are written in
# about 10 ms.
_POSITIONS = 60_000
_MINUTES = 60.0
# Phase → the folder, and the temporary file that it holds in this phase.
_PHASES = {
  'records': ('', r'\.train\.tf_record\..*'),
  'merge': ('dump', r'\.logits-.*'),
  'shard': ('', r'\.logits-.*'),
  'checkpoint': ('checkpoints', r'\.ckpt-.*'),
  'export': ('', r'\.model\.ckpt-.*'),
  'log': ('', r'\.metrics\.jsonl\..*'),
  'evaluation': ('', r'\.eval_metrics\.jsonl\..*'),
  'best': ('best', r'\.model\.ckpt-.*'),
}
# Phase → which of its files to wait for, if not for the first: killed at the
# first file of every start, a job would make no progress.
_COUNTS = {'checkpoint': 2, 'export': 2, 'log': 4, 'shard': 2}


@dataclasses.dataclass(frozen=True)
class _Kill:
  """One kill.

  Attributes:
    script: the script.
    phase: a key of `_PHASES`, or start or steps.
    is_inside: whether the phase's file was unfinished.
  """

  script: str
  phase: str
  is_inside: bool


_kills: list[_Kill] = []


class _Victim:
  """A command that is started and killed many times."""

  def __init__(self, script: str, flags: list[str], folder: pathlib.Path):
    self.script = script
    self.log = folder.parent / f'{folder.name}.log'
    self._command = [sys.executable, f'{script}.py', *flags]
    self._folder = folder
    self._random = random.Random(script)

  def finish(self) -> None:
    assert self._start().wait(5 * _MINUTES) == 0, self.log.read_text()

  def kill(self, phase: str, meanwhile=None) -> None:
    """Starts the command and kills it in a phase.

    Args:
      phase: a key of `_PHASES`; or start, a random moment in the first seconds;
        or steps, a random moment after the first steps.
      meanwhile: called with the process before the kill, while it is paused.
    """
    process = self._start()
    if phase == 'start':
      time.sleep(self._random.uniform(0.0, 5.0))
    elif phase == 'steps':
      self._wait(process, 'log', 2)
      time.sleep(self._random.uniform(0.0, 0.1))
    else:
      self._wait(process, phase, _COUNTS.get(phase, 1))
    process.send_signal(signal.SIGSTOP)
    assert process.poll() is None, self.log.read_text()
    while _state(process) != 'T':
      time.sleep(0.001)
    _kills.append(_Kill(self.script, phase, bool(self._unfinished(phase))))
    if meanwhile:
      meanwhile(process)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL

  def ask_to_stop(self, number: int, status: int) -> None:
    """Starts the command and sends it a signal after the first steps."""
    process = self._start()
    self._wait(process, 'log', 2)
    process.send_signal(number)
    assert process.wait(_MINUTES) == status, self.log.read_text()
    assert 'STOPPED: saved at step' in self.log.read_text()

  def _start(self) -> subprocess.Popen:
    with open(self.log, 'a') as log:
      return subprocess.Popen(self._command, stdout=log, stderr=log)

  def _wait(self, process, phase: str, count: int) -> None:
    """Waits until a phase has begun `count` times."""
    seen = self._unfinished(phase)  # Left by earlier starts.
    num_seen = len(seen)
    while len(seen) - num_seen < count:
      assert process.poll() is None, (phase, self.log.read_text())
      seen |= self._unfinished(phase)
      time.sleep(0.0003)

  def _unfinished(self, phase: str) -> set[str]:
    """Returns the names of a phase's temporary files, one for each file."""
    if phase not in _PHASES:
      return set()
    subfolder, pattern = _PHASES[phase]
    folder = self._folder / subfolder
    names = os.listdir(folder) if folder.is_dir() else []
    return {
      name.partition('.tmp')[0] for name in names if re.fullmatch(pattern, name)
    }


def _state(process: subprocess.Popen) -> str:
  """Returns the letter of a process's state: T if it is paused."""
  stat = pathlib.Path(f'/proc/{process.pid}/stat').read_text()
  return stat.rpartition(')')[2].split()[0]


@pytest.fixture(autouse=True)
def _report_kills(capsys):
  """Prints how often the test killed a script in each phase."""
  before = len(_kills)
  yield
  counts = collections.Counter(
    (kill.phase, kill.is_inside) for kill in _kills[before:]
  )
  phases = ', '.join(
    f'{phase}{" (inside)" * is_inside} {count}'
    for (phase, is_inside), count in sorted(counts.items())
  )
  if phases:
    with capsys.disabled():
      print(f'\n{_kills[-1].script}, killed in: {phases}')


@pytest.fixture(scope='module')
def large_world(tmp_path_factory):
  """A world whose model has many positions, and which has more data."""
  folder = tiny_world.make(tmp_path_factory.mktemp('large'))
  config = {**tiny_world.CONFIG, 'max_position_embeddings': _POSITIONS}
  config['num_hidden_layers'] = 1
  (folder / 'bert_config.json').write_text(json.dumps(config))
  rng = random.Random(0)
  words = tiny_world.VOCABULARY[6:]
  texts = (
    ' '.join(rng.choices(words, k=rng.randint(3, 12))) for _ in range(3000)
  )
  (folder / 'transfer.txt').write_text('\n'.join(dict.fromkeys(texts)) + '\n')
  return folder


def _training(world, output_dir, **changes):
  """Returns the flags of a run of 500 steps."""
  return tiny_world.task_flags(
    world,
    output_dir=output_dir,
    learning_rate=1e-3,
    save_checkpoints_steps=12,
    log_steps=5,
    keep_checkpoint_max=3,
    **changes,
  )


def _assert_same(ours: pathlib.Path, expected: pathlib.Path) -> None:
  """Checks that two runs have the same results and no temporary files."""
  patterns = ['model.ckpt-*', 'metrics.jsonl', 'eval_metrics.jsonl', 'best/*']
  patterns += ['checkpoints/*', 'checkpoint', 'logits-*', 'manifest.json']
  patterns += ['dump/*', '*.npy']

  def names(folder):
    paths = (path for pattern in patterns for path in folder.glob(pattern))
    return {path.relative_to(folder) for path in paths}

  assert names(ours) == names(expected)
  assert len(names(expected)) > 5
  for name in sorted(names(expected)):
    assert (ours / name).read_bytes() == (expected / name).read_bytes(), name
  assert not list(ours.rglob('.*.tmp*'))


def _kill_often(script, make_flags, world, plan, meanwhile=None):
  """Kills a script as planned, and compares it with an undisturbed run."""
  alone, killed = world / f'{script}-alone', world / f'{script}-killed'
  _Victim(script, make_flags(alone), alone).finish()
  victim = _Victim(script, make_flags(killed), killed)
  for phase in plan.split():
    if phase == 'SIGTERM':
      victim.ask_to_stop(signal.SIGTERM, 75)
    elif phase == 'SIGINT':
      victim.ask_to_stop(signal.SIGINT, 130)
    else:
      victim.kill(phase, meanwhile if phase == 'steps' else None)
  victim.finish()
  _assert_same(killed, alone)


@pytest.mark.long
def test_pretraining_ends_with_the_same_bytes(large_world):
  world = large_world
  tiny_world.make_records(world, str(world / 'records'))

  def flags(output_dir):
    return [
      *_training(
        world,
        output_dir,
        task_name=None,
        data_dir=None,
        num_train_epochs=None,
        input_file=world / 'records',
        max_predictions_per_seq=3,
        num_train_steps=500,
        num_warmup_steps=50,
      ),
      '--do_train',
    ]

  def start_another(process):
    output_dir = world / 'run_pretraining-killed'
    message = f'is in use: process {process.pid} on .* trains there'
    with pytest.raises(UserError, match=message):
      tiny_world.run('run_pretraining', *flags(output_dir))

  _kill_often(
    'run_pretraining',
    flags,
    world,
    'start checkpoint start export steps start checkpoint log start checkpoint '
    'SIGTERM export start checkpoint steps start checkpoint start checkpoint',
    meanwhile=start_another,
  )


@pytest.mark.long
def test_fine_tuning_ends_with_the_same_bytes(large_world):
  def flags(output_dir):
    return [
      *_training(large_world, output_dir, num_train_epochs=84, eval_steps=20),
      *['--do_train', '--metric_for_best=loss'],
    ]

  _kill_often(
    'run_classifier',
    flags,
    large_world,
    'records start checkpoint best start steps checkpoint evaluation start '
    'export checkpoint start log SIGINT checkpoint start records checkpoint',
  )


@pytest.fixture(scope='module')
def two_teachers(large_world):
  """The large world with two teachers."""
  for seed in (1, 2):
    tiny_world.run(
      'run_classifier',
      *tiny_world.task_flags(
        large_world,
        output_dir=large_world / f'teacher-{seed}',
        seed=seed,
        learning_rate=1e-2,
      ),
      '--do_train',
    )
  return large_world


def _dump_flags(world, logits_dir, teacher=1):
  return [
    *tiny_world.task_flags(
      world,
      output_dir=None,
      bert_config_file=None,
      learning_rate=None,
      num_train_epochs=None,
      train_batch_size=None,
      logits_dir=logits_dir,
      num_logits_shards=6,
      predict_batch_size=64,
      teacher_checkpoint=world / f'teacher-{teacher}',
      transfer_file=world / 'transfer.txt',
    ),
    *['--do_dump_logits', '--allow_weak_teacher'],
  ]


@pytest.mark.long
def test_a_dump_and_its_student_end_with_the_same_bytes(two_teachers):
  world = two_teachers
  _kill_often(
    'run_distillation',
    lambda logits_dir: _dump_flags(world, logits_dir),
    world,
    'start shard shard shard',
  )
  first = world / 'dump-1'
  shutil.move(world / 'run_distillation-killed', first)
  shutil.rmtree(world / 'run_distillation-alone')
  tiny_world.run(
    'run_distillation', *_dump_flags(world, world / 'dump-2', teacher=2)
  )

  def flags(output_dir):
    return [
      *_training(
        world,
        output_dir,
        # An epoch of 3,000 examples is not quite 190 steps.
        num_train_epochs=2.7,
        train_batch_size=16,
        logits_dir=f'{first},{world / "dump-2"}',
      ),
      '--do_train',
    ]

  _kill_often(
    'run_distillation',
    flags,
    world,
    'merge start merge checkpoint start export steps checkpoint start log '
    'SIGTERM checkpoint start checkpoint',
  )


@pytest.mark.long
def test_the_scripts_were_killed_often_enough():
  """Counts the kills of the tests before it."""
  if len({kill.script for kill in _kills}) < 3:
    pytest.skip('not all scripts were killed')
  inside = [kill for kill in _kills if kill.is_inside]
  assert len(_kills) >= 50
  assert sum(kill.phase == 'checkpoint' for kill in inside) >= 10


@pytest.fixture
def small_disk(tmp_path):
  """A folder with room for 25 MB."""
  folder = tmp_path / 'disk'
  folder.mkdir()
  command = ['mount', '-t', 'tmpfs', '-o', 'size=25m', 'tmpfs', str(folder)]
  try:
    subprocess.run(command, check=True, capture_output=True)
  except (OSError, subprocess.CalledProcessError):
    pytest.skip('nothing can be mounted here')
  yield folder
  subprocess.run(['umount', '--lazy', str(folder)], check=True)


def test_a_run_ended_by_a_full_disk_resumes_when_there_is_room(
  large_world, small_disk, tmp_path
):
  def train(output_dir):
    flags = _training(large_world, output_dir, num_train_epochs=12)
    flags += ['--keep_checkpoint_max=0', '--do_train']
    tiny_world.run('run_classifier', *flags)

  full, alone = small_disk / 'out', tmp_path / 'alone'
  with pytest.raises(UserError, match='cannot write .*No space left on device'):
    train(full)
  assert not list(full.rglob('.*.tmp*'))
  # A second try has the same message, and loses nothing.
  with pytest.raises(UserError, match='cannot write .*No space left on device'):
    train(full)
  command = ['mount', '-o', 'remount,size=200m', str(small_disk)]
  subprocess.run(command, check=True)
  train(full)
  train(alone)
  _assert_same(full, alone)


def _flip_bit(path: pathlib.Path, offset: int) -> None:
  with open(path, 'r+b') as file:
    file.seek(offset)
    (byte,) = file.read(1)
    file.seek(offset)
    file.write(bytes([byte ^ 0x10]))


def test_damaged_checkpoints_are_named_and_others_are_used(
  large_world, tmp_path, caplog
):
  def train(output_dir, *more):
    flags = _training(large_world, output_dir, num_train_epochs=6)
    tiny_world.run('run_classifier', *flags, '--do_train', *more)

  alone, damaged = tmp_path / 'alone', tmp_path / 'damaged'
  train(alone)
  shutil.copytree(alone, damaged)
  # First the newest checkpoint to resume from, then the last export.
  _flip_bit(damaged / 'checkpoints' / 'ckpt-36.data-00000-of-00001', 5_000_000)
  train(damaged)
  assert 'ckpt-36 is damaged and is skipped' in caplog.text
  assert 'Resumed at step 24' in caplog.text
  _assert_same(damaged, alone)
  caplog.clear()
  _flip_bit(damaged / 'model.ckpt-36.data-00000-of-00001', 1_000_000)
  train(damaged)
  assert 'Writing model.ckpt-36 again: ' in caplog.text
  _assert_same(damaged, alone)
  _flip_bit(damaged / 'model.ckpt-36.data-00000-of-00001', 1_000_000)
  with pytest.raises(UserError, match='model.ckpt-36.* it may be damaged'):
    tiny_world.run(
      'run_classifier',
      *tiny_world.task_flags(large_world, output_dir=damaged),
      '--do_eval',
    )


def test_a_damaged_training_record_ends_the_run_with_its_name(
  large_world, tmp_path
):
  path = tmp_path / 'records'
  tiny_world.make_records(large_world, str(path))
  _flip_bit(path, files.size(str(path)) // 2)
  with pytest.raises(
    UserError, match=rf'{path} is damaged or cut short: record \d+ .counted'
  ):
    tiny_world.run(
      'run_pretraining',
      *_training(
        large_world,
        tmp_path / 'out',
        task_name=None,
        data_dir=None,
        num_train_epochs=None,
        input_file=path,
        max_predictions_per_seq=3,
        num_train_steps=500,
        num_warmup_steps=50,
      ),
      '--do_train',
    )
