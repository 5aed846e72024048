"""SIGKILL at a moment that nobody chose, then the same command again."""

import pathlib
import signal
import subprocess
import sys
import time

import pytest
import tiny_world

# The scripts' processes outlive few steps of the tiny world: many are needed.
_STEPS = 400
_MOMENTS = (0.0, 0.15, 0.4)  # Seconds after the first checkpoint is there.


def _command(world, output_dir):
  flags = tiny_world.task_flags(
    world,
    output_dir=output_dir,
    num_train_epochs=_STEPS / 6,  # 48 examples in batches of 8.
    save_checkpoints_steps=25,
    log_steps=10,
    keep_checkpoint_max=2,
  )
  return [sys.executable, 'run_classifier.py', *flags, '--do_train']


def _kill_in_the_middle(command, folder: pathlib.Path, seconds: float) -> bool:
  """Starts the command, kills it, says whether it was still at work."""
  process = subprocess.Popen(
    command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
  )
  before = set(folder.glob('model.ckpt-*.index'))
  while process.poll() is None:
    if set(folder.glob('model.ckpt-*.index')) - before:
      time.sleep(seconds)
      break
    time.sleep(0.005)
  process.send_signal(signal.SIGKILL)
  return process.wait() == -signal.SIGKILL


@pytest.mark.slow
def test_a_killed_process_started_again_ends_with_the_same_bytes(world):
  whole, killed = world / 'whole', world / 'killed'
  subprocess.run(_command(world, whole), check=True, capture_output=True)
  kills = [
    _kill_in_the_middle(_command(world, killed), killed, seconds)
    for seconds in _MOMENTS
  ]
  assert any(kills)
  subprocess.run(_command(world, killed), check=True, capture_output=True)
  for name in (
    f'model.ckpt-{_STEPS}.index',
    f'model.ckpt-{_STEPS}.data-00000-of-00001',
    'metrics.jsonl',
  ):
    assert (killed / name).read_bytes() == (whole / name).read_bytes(), name
