"""create_pretraining_data.py on worker processes of Beam writes the same bytes.

The workers are killed, or belong to a job server.
"""

import contextlib
import pathlib
import signal
import socket
import subprocess
import sys
import time

import psutil
import pytest

pytest.importorskip('apache_beam')

from data_job import contents, finish, folder

__all__ = ['folder']
pytestmark = [pytest.mark.slow, pytest.mark.long]

_ROOT = pathlib.Path(__file__).resolve().parents[4]
_PROCESSES = 'direct_running_mode=multi_processing,direct_num_workers=2'


@pytest.fixture(scope='module')
def expected(folder) -> dict[str, bytes]:
  """The files that are written without Beam."""
  finish(start(folder, 'local'))
  return contents(folder / 'local')


def start(folder, name: str, *flags: str) -> subprocess.Popen:
  return subprocess.Popen(
    [
      *[sys.executable, str(_ROOT / 'data' / 'create_pretraining_data.py')],
      f'--input_file={folder}/text.txt',
      f'--output_file={folder}/{name}/out',
      f'--vocab_file={folder}/vocab.txt',
      *['--num_shards=3', '--dupe_factor=2', '--max_seq_length=32'],
      *['--max_predictions_per_seq=5', *flags],
    ],
    stderr=subprocess.PIPE,
    text=True,
  )


def start_in_processes(folder, name: str = 'beam') -> subprocess.Popen:
  return start(
    *(folder, name, '--beam_runner=DirectRunner'),
    f'--beam_pipeline_options={_PROCESSES}',
  )


def wait_for_part(
  folder: pathlib.Path, process: subprocess.Popen, suffix: str
) -> None:
  """Waits until a file of a part with this suffix exists."""
  parts = folder / '.out.parts'
  while process.poll() is None:
    if any('-00000' in path.name for path in parts.glob(f'*/*{suffix}')):
      return
    time.sleep(0.05)
  raise AssertionError(process.communicate())


def test_job_resumes_after_killed_workers_and_launchers(folder, expected):
  process = start_in_processes(folder)
  wait_for_part(folder / 'beam', process, '.tmp')
  killed, other = psutil.Process(process.pid).children(recursive=True)
  killed.kill()
  _, messages = process.communicate(timeout=300)
  assert process.returncode == 1
  assert messages.splitlines()[-1].startswith(
    'ERROR: --beam_runner=DirectRunner: the pipeline failed: RuntimeError: '
    'Worker subprocess exited with return code -9; what is complete stays'
  )
  assert 'Traceback' not in messages
  assert not other.is_running()

  process = start_in_processes(folder)
  wait_for_part(folder / 'beam', process, '.index.json')
  left = psutil.Process(process.pid).children(recursive=True)
  process.send_signal(signal.SIGKILL)
  process.communicate()
  psutil.wait_procs(left, timeout=300)
  assert not any(child.is_running() for child in left)
  names = {path.name for path in (folder / 'beam').iterdir()}
  assert names == {'.out.parts', '.out.lock'}

  finish(start_in_processes(folder))
  assert contents(folder / 'beam') == expected


def test_interrupted_launcher_ends_with_its_workers(folder):
  process = start_in_processes(folder, 'interrupted')
  wait_for_part(folder / 'interrupted', process, '.tmp')
  left = psutil.Process(process.pid).children(recursive=True)
  process.send_signal(signal.SIGINT)
  _, messages = process.communicate(timeout=120)
  assert process.returncode == 130
  assert messages.splitlines()[-1].startswith('INTERRUPTED')
  psutil.wait_procs(left, timeout=300)
  assert not any(child.is_running() for child in left)


@contextlib.contextmanager
def running(module: str, *flags: str):
  process = subprocess.Popen([sys.executable, '-m', module, *flags])
  try:
    yield
  finally:
    for child in psutil.Process(process.pid).children(recursive=True):
      child.kill()
    process.kill()
    process.wait()


def free_port() -> int:
  with socket.create_server(('localhost', 0)) as server:
    return server.getsockname()[1]


def wait_for_server(port: int) -> None:
  for _ in range(3000):
    with contextlib.suppress(OSError):
      return socket.create_connection(('localhost', port)).close()
    time.sleep(0.1)
  raise AssertionError(port)


def test_a_job_server_and_a_worker_pool_make_the_same_bytes(folder, expected):
  """As on a Flink cluster, the server and the workers run before the job."""
  server, pool = free_port(), free_port()
  portability = 'apache_beam.runners.portability'
  with (
    running(f'{portability}.local_job_service_main', f'--port={server}'),
    running(
      'apache_beam.runners.worker.worker_pool_main', f'--service_port={pool}'
    ),
  ):
    wait_for_server(server)
    wait_for_server(pool)
    finish(
      start(
        *(folder, 'served', '--beam_runner=FlinkRunner'),
        f'--beam_pipeline_options=job_endpoint=localhost:{server},'
        f'environment_type=EXTERNAL,environment_config=localhost:{pool}',
      )
    )
  assert contents(folder / 'served') == expected
