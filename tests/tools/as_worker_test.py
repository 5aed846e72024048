"""Tests of tools/as_worker.py: the command that it becomes."""

import json
import os

import pytest

from tools import as_worker

_POD = {
  'JOB_COMPLETION_INDEX': '1',
  'NUM_WORKERS': '2',
  'JOB_NAME': 'bert-worker-0',
  'SUBDOMAIN': 'bert',
}


@pytest.fixture
def started(monkeypatch):
  """The commands that replaced the process, in a pod's environment."""
  monkeypatch.setenv('TF_CONFIG', '')
  for name, value in _POD.items():
    monkeypatch.setenv(name, value)
  commands = []

  def execute(name, command):
    if name == 'nothing':
      raise FileNotFoundError(2, 'No such file or directory')
    commands.append(command)

  monkeypatch.setattr(os, 'execvp', execute)
  return commands


def _error(capsys, *arguments):
  with pytest.raises(SystemExit) as end:
    as_worker.main(list(arguments))
  assert end.value.code == 1
  return capsys.readouterr().err


def test_the_command_replaces_the_process_and_finds_its_cluster(started):
  as_worker.main(['python', 'run.py', '--x=a b'])
  assert started == [['python', 'run.py', '--x=a b']]
  assert json.loads(os.environ['TF_CONFIG']) == {
    'cluster': {
      'worker': ['bert-worker-0-0.bert:2222', 'bert-worker-0-1.bert:2222']
    },
    'task': {'type': 'worker', 'index': 1},
  }


def test_a_command_that_does_not_start_is_one_error(started, capsys):
  error = _error(capsys, 'nothing')
  assert error == 'ERROR: nothing: No such file or directory\n'


def test_a_malformed_environment_is_one_error(started, monkeypatch, capsys):
  monkeypatch.setenv('NUM_WORKERS', 'two')
  assert _error(capsys, 'true') == (
    "ERROR: the environment variable NUM_WORKERS is 'two'; expected a number\n"
  )
  assert not started


def test_tf_config_is_not_overwritten(started, monkeypatch, capsys):
  monkeypatch.setenv('TF_CONFIG', '{}')
  assert 'TF_CONFIG is set already' in _error(capsys, 'true')


def test_without_a_command_it_shows_the_usage(capsys):
  with pytest.raises(SystemExit) as end:
    as_worker.main([])
  assert end.value.code == 1
  assert 'python -m tools.as_worker' in capsys.readouterr().out
