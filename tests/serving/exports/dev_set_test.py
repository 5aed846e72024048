"""The dev set of a run, and what its run.json records."""

import json
import pathlib

import pytest
from absl import flags

from serving.exports import dev_set, parts
from system.errors import UserError


@pytest.fixture
def teacher(teacher_world):
  return parts.read(str(teacher_world / 'teacher'))


def test_the_dev_set_is_that_of_the_run(teacher, teacher_world):
  dev = dev_set.read(teacher)
  assert (dev.task.name, len(dev.examples)) == ('SST-2', 11)
  lines = (teacher_world / 'task' / 'dev.tsv').read_text().splitlines()[1:]
  assert dev.texts == [line.split('\t')[0] for line in lines]


def test_data_that_has_moved_is_found_where_told(
  teacher, teacher_world, caplog
):
  path = teacher_world / 'teacher' / 'run.json'
  run = json.loads(path.read_text())
  run['command']['flags'] = ['--task_name=SST-2', '--data_dir=/none']
  path.write_text(json.dumps(run))
  with pytest.raises(UserError, match='dev'):
    dev_set.read(teacher)
  assert dev_set.read_if_available(teacher) is None
  assert "The run's dev set is not used: " in caplog.text
  assert '/none' in caplog.text
  with pytest.raises(UserError, match='/elsewhere'):
    dev_set.read_if_available(teacher, '/elsewhere')
  moved = dev_set.read(teacher, str(teacher_world / 'task'))
  assert len(moved.examples) == 11


def test_the_model_says_that_a_custom_task_has_pairs(parts_of, tmp_path):
  # No --text_pair_column was needed, as with splits of tools.split_table.
  parts = parts_of('pairs')
  (tmp_path / 'data').mkdir()
  (tmp_path / 'data' / 'dev.tsv').write_text(
    'sentence\tsentence2\tlabel\na\tb\tyes\n'
  )
  recorded = ['--task_name=custom', '--labels=no,yes']
  recorded.append(f'--data_dir={tmp_path}/data')
  folder = pathlib.Path(parts.checkpoint.prefix).parent
  (folder / 'run.json').write_text(
    json.dumps({'command': {'script': 'run_classifier', 'flags': recorded}})
  )
  dev = dev_set.read(parts)
  assert (dev.texts, dev.task.labels) == ([('a', 'b')], ('no', 'yes'))


def test_a_model_without_a_run_has_the_dev_set_in_data_dir(parts_of, tmp_path):
  # As the folders of tools.prune_vocab and of imports.
  parts = parts_of('pairs')
  with pytest.raises(UserError, match=r'no run\.json of .* give `data_dir`'):
    dev_set.read(parts)
  rows = 'sentence\tsentence2\tlabel\na\tb\tyes\n'
  (tmp_path / 'dev.tsv').write_text(rows)
  dev = dev_set.read(parts, str(tmp_path))
  assert (dev.texts, dev.task.labels) == ([('a', 'b')], ('no', 'yes'))
  assert dev_set.read_if_available(parts, str(tmp_path)) == dev


def test_a_model_without_a_run_or_a_task_has_no_dev_set(parts_of, tmp_path):
  with pytest.raises(UserError, match=r'no run\.json of a run in \S+$'):
    dev_set.read(parts_of('pretraining'), str(tmp_path))


def test_the_labels_are_the_model_s_where_the_labels_file_is_gone(
  parts_of, tmp_path
):
  parts = parts_of('pairs')
  rows = 'sentence\tsentence2\tlabel\na\tb\tyes\n'
  (tmp_path / 'dev.tsv').write_text(rows)
  recorded = ['--task_name=custom', f'--data_dir={tmp_path}']
  recorded.append('--labels_file=/none/labels.txt')
  folder = pathlib.Path(parts.checkpoint.prefix).parent
  (folder / 'run.json').write_text(
    json.dumps({'command': {'script': 'run_classifier', 'flags': recorded}})
  )
  assert dev_set.read(parts).task.labels == ('no', 'yes')


def test_settings_of_the_task_are_read_from_recorded_flags():
  flags = ['--labels=a,b', '--regression', '--seed=3', '--task_name=custom']
  assert dev_set._task_settings(flags) == {
    'labels': ('a', 'b'),
    'regression': True,
    'task_name': 'custom',
  }


def test_recorded_labels_may_hold_commas():
  defined = flags.FlagValues()
  flags.DEFINE_list('labels', [], '', flag_values=defined)
  defined(['', '--labels="no, thanks",yes'])
  recorded = defined['labels'].serialize()
  assert dev_set._task_settings([recorded]) == {'labels': ('no, thanks', 'yes')}
  with pytest.raises(UserError, match='--labels="no is not a list of values'):
    dev_set._task_settings(['--labels="no'])
