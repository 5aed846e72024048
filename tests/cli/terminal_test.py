"""What a user sees on a terminal: progress bars, and log lines above them."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios

import pytest
import tiny_world


def _on_a_terminal(command: list[str]) -> tuple[int, str]:
  """Runs a command on a terminal of 120 columns; returns status and output."""
  ours, theirs = pty.openpty()
  fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack('HHHH', 24, 120, 0, 0))
  process = subprocess.Popen(
    command, stdin=theirs, stdout=theirs, stderr=theirs, close_fds=True
  )
  os.close(theirs)
  chunks = []
  while True:
    try:
      chunks.append(os.read(ours, 1 << 16))
    except OSError:  # The other end is closed.
      break
    if not chunks[-1]:
      break
  os.close(ours)
  return process.wait(), b''.join(chunks).decode()


@pytest.mark.slow
def test_each_job_has_a_bar_with_the_log_above_it(teacher_world):
  flags = tiny_world.task_flags(
    teacher_world,
    log_steps=20,
    eval_steps=30,
    logits_dir=teacher_world / 'dump',
    num_logits_shards=2,
    teacher_checkpoint=teacher_world / 'teacher',
    transfer_split='train',
  )
  jobs = ['--do_dump_logits', '--do_train', '--do_eval', '--do_predict']
  status, text = _on_a_terminal(
    [sys.executable, 'run_distillation.py', *flags, *jobs]
  )
  assert status == 0, text
  number = int(re.search(r'Trains on (\d+) examples', text)[1])
  steps = int(number / 8 * 10)
  last = re.findall(rf'100%\|█+\| {steps}/{steps} \[[^\r]*\]', text)[-1]
  assert re.search(r'steps/s, loss \d\.\d{4} · \d+\.\d examples/s\]$', last)
  assert f'step {steps} of' not in text
  # Evaluation, prediction and the dump.
  for total in (11, 7, number):
    assert f' {total}/{total} [' in text
  for line in text.replace('\r\n', '\n').split('\n'):
    # No bar shares a line with a message.
    if 'best_checkpoint.py' in line:
      shown = line.split('\r')[-1]
      assert re.fullmatch(r'(\x1b\[A)*I\d{4} .* step \d+: eval_.*', shown), line
