"""The files of a run's folder."""

import pytest

from modeling.checkpoints import run_files
from system.errors import UserError


def test_a_run_without_a_record_has_none(tmp_path):
  assert run_files.read(str(tmp_path)) == {}
  (tmp_path / 'run.json').write_text('{"versions": {}}')
  assert run_files.read(str(tmp_path)) == {'versions': {}}


def test_a_record_must_be_an_object(tmp_path):
  (tmp_path / 'run.json').write_text('[]')
  with pytest.raises(UserError, match='run.json'):
    run_files.read(str(tmp_path))


@pytest.mark.parametrize(
  'run',
  [
    {},
    [],
    {'command': 'python train.py'},
    {'command': {'script': 'run_classifier'}},
    {'command': {'script': 'run_classifier', 'flags': '--do_train'}},
    {'command': {'script': 'run_classifier', 'flags': [5]}},
    {'command': {'flags': ['--do_train']}},
  ],
)
def test_a_record_of_another_program_has_no_command(run):
  assert run_files.recorded_command(run) is None
