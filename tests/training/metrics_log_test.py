"""metrics.jsonl: appended, cut back, never torn."""

from system import files
from training.metrics_log import MetricsLog


def test_lines_of_metrics_are_appended_and_cut_back(tmp_path):
  log, path = MetricsLog(str(tmp_path)), tmp_path / 'metrics.jsonl'
  first, second = '{"step": 1, "loss": 2.0}\n', '{"step": 2, "loss": 1.0}\n'
  log.append(1, {'loss': 2.0})
  inode = path.stat().st_ino
  log.append(2, {'loss': 1.0})
  assert path.read_text() == first + second
  assert path.stat().st_ino == inode  # Not written again.
  # A kill or a full disk left half a line.
  path.write_text(first + second + '{"step": 3, "lo')
  again = MetricsLog(str(tmp_path))
  again.resume(2)
  again.append(3, {'loss': 0.5})
  assert path.read_text() == first + second + '{"step": 3, "loss": 0.5}\n'


def test_a_torn_last_line_is_dropped_before_the_step_of_the_resume(tmp_path):
  path, first = tmp_path / 'eval_metrics.jsonl', '{"step": 3, "loss": 2.0}\n'
  # At step 6; the last checkpoint is of step 4.
  path.write_text(first + '{"step": 6, "lo')
  log = MetricsLog(str(tmp_path), path.name)
  log.resume(4)
  assert log.lines() == [{'step': 3, 'loss': 2.0}]
  assert path.read_text() == first


def test_an_object_store_gets_whole_logs_on_request(tmp_path):
  folder = f'ram://{tmp_path}'
  log, path = MetricsLog(folder), f'{folder}/metrics.jsonl'
  log.append(1, {'loss': 2.0})
  log.append(2, {'loss': 1.0})
  assert not files.exists(path)
  log.flush()
  first = '{"step": 1, "loss": 2.0}\n{"step": 2, "loss": 1.0}\n'
  assert files.read_text(path) == first
  files.remove(path)
  log.flush()  # Nothing is left to write.
  assert not files.exists(path)
