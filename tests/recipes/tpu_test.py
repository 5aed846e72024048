"""recipes/tpu/*.sh, with a fake gcloud whose TPU is a folder."""

import os
import pathlib
import signal
import subprocess
import time

import pytest

_RECIPES = pathlib.Path(__file__).resolve().parents[2] / 'recipes' / 'tpu'

# The folder `vm` is the machine, and a file holds its state. Remote commands
# run in the folder. A machine that is not ACTIVE cannot be reached. Without the
# network, which a file `offline` stands for, gcloud fails.
_GCLOUD = r"""#!/usr/bin/env bash
cd "$FAKE"
echo "$*" >> calls
[ ! -e offline ] || { echo 'no network' >&2; exit 1; }
state=$(cat state 2> /dev/null || echo NONE)
case "$3 $4" in
  'queued-resources create')
    [ ! -e quota ] || { echo 'quota exceeded' >&2; exit 1; }
    rm -rf vm; mkdir -p vm; echo ACTIVE > state ;;
  'queued-resources delete') rm state ;;
  'queued-resources describe')
    [ "$state" != NONE ] || { echo 'ERROR: NOT_FOUND: Resource' >&2; exit 1; }
    echo "$state" ;;
  'tpu-vm scp')
    [ "$state" = ACTIVE ] || exit 255
    for path in "${@:5}"; do
      [ ! -f "$path" ] || cp "$path" vm/
    done ;;
  'tpu-vm ssh')
    [ "$state" = ACTIVE ] || exit 255
    for word in "$@"; do
      case $word in --command=*) command=${word#--command=} ;; esac
    done
    cd vm
    case $command in
      *install.sh*)
        [ ! -e ../no_disk ] || exit 1
        mkdir -p project/.venv/bin
        mv job.sh project/
        cp ../python project/.venv/bin/python ;;
      *) HOME=$PWD bash -c "$command" ;;
    esac ;;
esac
"""


@pytest.fixture
def cloud(tmp_path):
  """The fake's folder; the file `python` in it is the job."""
  (tmp_path / 'bin').mkdir()
  _write(tmp_path / 'bin' / 'gcloud', _GCLOUD)
  return tmp_path


def _write(path, script):
  path.write_text(script)
  path.chmod(0o755)


def _job(cloud, lines):
  _write(cloud / 'python', f'#!/usr/bin/env bash\n{lines}\n')


def _start(cloud, recipe, *flags, **environment):
  return subprocess.Popen(
    ['bash', str(_RECIPES / recipe), 'run_pretraining.py', *flags],
    stdout=subprocess.PIPE,
    stderr=subprocess.PIPE,
    text=True,
    cwd=cloud,
    env={
      **os.environ,
      'PATH': f'{cloud}/bin:{os.environ["PATH"]}',
      'FAKE': str(cloud),
      'PROJECT': 'p',
      'ZONE': 'z',
      'PATIENCE': '0.05',
      **environment,
    },
  )


def _run(cloud, recipe, *flags, **environment):
  """Runs a recipe to its end; returns its status and standard error."""
  process = _start(cloud, recipe, *flags, **environment)
  _, stderr = process.communicate(timeout=300)
  return subprocess.CompletedProcess(
    process.args, process.returncode, stderr=stderr
  )


def _leave_a_job(cloud, *flags):
  """Starts a job that writes `starts`, and kills its recipe."""
  recipe = _start(cloud, 'one_host.sh', *flags)
  while not (cloud / 'starts').exists() and recipe.poll() is None:
    time.sleep(0.05)
  recipe.kill()
  recipe.communicate()


def _calls(cloud, command):
  path = cloud / 'calls'
  lines = path.read_text().splitlines() if path.exists() else []
  return [line for line in lines if f' {command} ' in line]


def test_a_job_on_one_host_runs_and_its_machine_is_deleted(cloud):
  _job(cloud, 'printf "%s\\n" "$@" > "$FAKE/arguments"')
  done = _run(cloud, 'one_host.sh', '--input_file=gs://b/rec*', "--x=it's a b")
  assert done.returncode == 0, done.stderr
  assert (cloud / 'arguments').read_text().splitlines() == [
    'run_pretraining.py',
    '--input_file=gs://b/rec*',
    "--x=it's a b",
    '--use_tpu',
    '--tpu_name=local',
    '--num_tpu_cores=8',
  ]
  (created,) = _calls(cloud, 'queued-resources create')
  assert '--accelerator-type=v5litepod-8' in created
  assert len(_calls(cloud, 'queued-resources delete')) == 1
  assert not (cloud / 'state').exists()


def test_the_machine_of_a_failed_job_is_deleted(cloud):
  _job(cloud, 'exit 3')
  done = _run(cloud, 'one_host.sh')
  assert done.returncode == 3
  assert not (cloud / 'state').exists()


@pytest.mark.parametrize('recipe', ['one_host.sh', 'spot.sh'])
def test_the_machine_of_a_failed_installation_is_deleted(cloud, recipe):
  (cloud / 'no_disk').touch()
  done = _run(cloud, recipe)
  assert done.returncode == 1
  assert 'The job did not start' in done.stderr
  assert not (cloud / 'state').exists()


def test_a_lost_network_is_no_preemption(cloud):
  # The job takes the network away, and ends after several failed checks.
  _job(
    cloud,
    'touch "$FAKE/offline"\nstart=$(wc -l < "$FAKE/calls")\n'
    'until [ "$(wc -l < "$FAKE/calls")" -gt $((start + 6)) ]; do\n'
    '  sleep 0.05\n'
    'done\n'
    'rm "$FAKE/offline"',
  )
  done = _run(cloud, 'one_host.sh')
  assert done.returncode == 0, done.stderr
  assert 'preempted' not in done.stderr
  assert not (cloud / 'state').exists()


@pytest.mark.parametrize('recipe', ['one_host.sh', 'spot.sh'])
def test_gcloud_that_fails_at_once_ends_a_recipe(cloud, recipe):
  (cloud / 'offline').touch()
  done = _run(cloud, recipe)
  assert done.returncode == 1
  assert 'no network' in done.stderr
  assert not _calls(cloud, 'queued-resources create')


def test_a_machine_that_could_not_be_deleted_is_named(cloud):
  _job(cloud, 'touch "$FAKE/last"')
  fake = (cloud / 'bin' / 'gcloud').read_text()
  # After the job's status has been read, the network is gone for good.
  _write(
    cloud / 'bin' / 'gcloud',
    fake.replace(
      "'tpu-vm scp')", "'tpu-vm scp')\n    [ ! -e last ] || touch offline"
    ),
  )
  done = _run(cloud, 'one_host.sh')
  assert 'could not be deleted' in done.stderr
  assert 'queued-resources delete well-read-bert' in done.stderr
  assert (cloud / 'state').exists()


def test_the_process_that_drives_a_slice_does_not_load_libtpu(cloud):
  _job(cloud, 'echo "$TPU_LOAD_LIBRARY $*" > "$FAKE/arguments"')
  assert _run(cloud, 'pod_slice.sh').returncode == 0
  assert (cloud / 'arguments').read_text() == (
    '0 run_pretraining.py --use_tpu --tpu_name=well-read-bert --tpu_zone=z '
    '--gcp_project=p --num_tpu_cores=32\n'
  )
  (created,) = _calls(cloud, 'queued-resources create')
  assert '--accelerator-type=v5litepod-32' in created


@pytest.mark.slow
def test_a_preempted_spot_machine_is_replaced(cloud):
  # The first machine is preempted; on the second the job asks for a restart.
  _job(
    cloud,
    'echo start >> "$FAKE/starts"\n'
    'case $(wc -l < "$FAKE/starts") in\n'
    '  1) echo SUSPENDED > "$FAKE/state"; sleep 5 ;;\n'
    '  2) exit 75 ;;\n'
    'esac',
  )
  done = _run(cloud, 'spot.sh')
  assert done.returncode == 0, done.stderr
  assert 'preempted' in done.stderr
  assert (cloud / 'starts').read_text() == 'start\n' * 3
  created = _calls(cloud, 'queued-resources create')
  assert len(created) == 2
  assert all(' --spot ' in line for line in created)
  assert not (cloud / 'state').exists()


@pytest.mark.slow
def test_a_job_that_a_reboot_has_killed_is_started_again(cloud):
  _job(
    cloud,
    'echo start >> "$FAKE/starts"\n'
    # Kills the shell that would write the status, too.
    '[ "$(wc -l < "$FAKE/starts")" = 2 ] || kill -9 0',
  )
  done = _run(cloud, 'spot.sh')
  assert done.returncode == 0, done.stderr
  assert 'The job was killed' in done.stderr
  assert (cloud / 'starts').read_text() == 'start\n' * 2
  assert len(_calls(cloud, 'queued-resources create')) == 1


def test_a_mistake_ends_a_spot_job(cloud):
  _job(cloud, 'exit 1')
  assert _run(cloud, 'spot.sh').returncode == 1
  (cloud / 'quota').touch()
  done = _run(cloud, 'spot.sh')
  assert done.returncode == 1
  assert 'quota exceeded' in done.stderr


def test_a_running_job_is_found_again(cloud):
  # Ends after the second recipe has found it, and so reads which job it is.
  _job(
    cloud,
    'echo start >> "$FAKE/starts"\n'
    'until grep -q "cat project/job.sh" "$FAKE/calls"; do sleep 0.05; done',
  )
  _leave_a_job(cloud)
  done = _run(cloud, 'one_host.sh')
  assert done.returncode == 0, done.stderr
  assert 'already running there' in done.stderr
  assert (cloud / 'starts').read_text() == 'start\n'


def test_another_job_is_not_taken_for_the_wanted_one(cloud):
  _job(cloud, 'echo start >> "$FAKE/starts"\nsleep 600')
  _leave_a_job(cloud, '--learning_rate=1e-3')
  for recipe in ('one_host.sh', 'spot.sh'):
    done = _run(cloud, recipe, '--learning_rate=5e-4')
    assert done.returncode == 1
    assert 'Another job is running on well-read-bert: ' in done.stderr
    assert '--learning_rate=1e-3' in done.stderr
  assert (cloud / 'state').read_text() == 'ACTIVE\n'
  pid = int((cloud / 'vm' / 'project' / 'pid').read_text())
  os.killpg(pid, signal.SIGKILL)


def test_a_broken_connection_does_not_end_a_running_job(cloud):
  (cloud / 'bin' / 'gcloud').write_text(
    _GCLOUD.replace(
      '    cd vm\n',
      '    case $command in *job.sh*"|| true"*)\n'
      '      [ -e broken ] || { touch broken; exit 255; } ;; esac\n    cd vm\n',
    )
  )
  _job(
    cloud,
    'echo start >> "$FAKE/starts"\n'
    'until [ -e "$FAKE/end" ]; do sleep 0.05; done',
  )
  _leave_a_job(cloud)
  second = _start(cloud, 'one_host.sh')
  while not (cloud / 'broken').exists() and second.poll() is None:
    time.sleep(0.05)
  (cloud / 'end').touch()
  _, stderr = second.communicate(timeout=60)
  assert second.returncode == 0, stderr
  assert 'already running there' in stderr
  assert (cloud / 'starts').read_text() == 'start\n'


@pytest.mark.parametrize('recipe', ['one_host.sh', 'spot.sh'])
def test_a_request_that_waits_keeps_its_place(cloud, recipe):
  _job(cloud, 'exit 0')
  (cloud / 'vm').mkdir()
  (cloud / 'state').write_text('WAITING_FOR_RESOURCES\n')
  process = _start(cloud, recipe)
  while len(_calls(cloud, 'queued-resources describe')) < 3:
    assert process.poll() is None
    time.sleep(0.05)
  (cloud / 'state').write_text('ACTIVE\n')
  _, stderr = process.communicate(timeout=60)
  assert process.returncode == 0, stderr
  assert 'it is WAITING_FOR_RESOURCES' in stderr
  assert _calls(cloud, 'queued-resources create') == []
  assert len(_calls(cloud, 'queued-resources delete')) == 1  # At the end.


def test_the_job_is_first_checked_offline(cloud):
  _write(
    cloud / 'python', '#!/usr/bin/env bash\necho "$@" > "$FAKE/checked"\nexit 1'
  )
  done = _run(
    cloud,
    'one_host.sh',
    '--train_batch_size=8',
    PREFLIGHT_PYTHON='other',
    PYTHON=str(cloud / 'python'),
  )
  assert done.returncode == 1
  assert (cloud / 'checked').read_text() == (
    '-m tools.tpu_preflight --topology=v5e:2x4 --preflight_python=other '
    '--search=false --script=run_pretraining --train_batch_size=8 --use_tpu '
    '--tpu_name=local --num_tpu_cores=8\n'
  )
  assert not (cloud / 'calls').exists()
