"""Tests for the texts that an export is compared on."""

import json
import pathlib

import pytest
from absl import flags

from data.tasks import custom
from data.tasks.examples import Example
from serving.exports import parts, texts
from system.errors import UserError


@pytest.fixture
def teacher(teacher_world):
  return parts.read(str(teacher_world / 'teacher'))


def test_the_dev_set_is_that_of_the_run(teacher, teacher_world):
  dev = texts.dev_set(teacher)
  assert (dev.task.name, len(dev.examples)) == ('SST-2', 11)
  lines = (teacher_world / 'task' / 'dev.tsv').read_text().splitlines()[1:]
  assert dev.texts == [line.split('\t')[0] for line in lines]
  source, chosen = texts.choose(teacher, None, dev)
  assert source == 'the dev set of SST-2' and chosen == dev.texts


def test_data_that_has_moved_is_found_where_told(
  teacher, teacher_world, caplog
):
  path = teacher_world / 'teacher' / 'run.json'
  run = json.loads(path.read_text())
  run['command']['flags'] = ['--task_name=SST-2', '--data_dir=/none']
  path.write_text(json.dumps(run))
  with pytest.raises(UserError, match='dev'):
    texts.dev_set(teacher)
  assert texts.dev_set_at_hand(teacher) is None
  assert "The run's dev set is not used: " in caplog.text
  assert '/none' in caplog.text
  with pytest.raises(UserError, match='/elsewhere'):
    texts.dev_set_at_hand(teacher, '/elsewhere')
  moved = texts.dev_set(teacher, str(teacher_world / 'task'))
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
  dev = texts.dev_set(parts)
  assert (dev.texts, dev.task.labels) == ([('a', 'b')], ('no', 'yes'))


def test_a_model_without_a_run_has_the_dev_set_in_data_dir(parts_of, tmp_path):
  # As the folders of tools.prune_vocab and of imports.
  parts = parts_of('pairs')
  with pytest.raises(UserError, match=r'no run\.json of .* give `data_dir`'):
    texts.dev_set(parts)
  rows = 'sentence\tsentence2\tlabel\na\tb\tyes\n'
  (tmp_path / 'dev.tsv').write_text(rows)
  dev = texts.dev_set(parts, str(tmp_path))
  assert (dev.texts, dev.task.labels) == ([('a', 'b')], ('no', 'yes'))
  assert texts.dev_set_at_hand(parts, str(tmp_path)) == dev


def test_a_model_without_a_run_or_a_task_has_no_dev_set(parts_of, tmp_path):
  with pytest.raises(UserError, match=r'no run\.json of a run in \S+$'):
    texts.dev_set(parts_of('pretraining'), str(tmp_path))


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
  assert texts.dev_set(parts).task.labels == ('no', 'yes')


def test_texts_are_spread_over_a_large_dev_set(monkeypatch):
  monkeypatch.setattr(texts, '_MAX_DEV_TEXTS', 4)
  examples = [Example(f'{i}', f'text {i}', None, 'yes') for i in range(9)]
  dev = texts.DevSet(custom.classification(('no', 'yes')), examples)
  source, chosen = texts.choose(None, None, dev)
  assert source == 'the dev set of custom with 9 texts, one in 3'
  assert chosen == ['text 0', 'text 3', 'text 6']
  few = texts.DevSet(dev.task, examples[:4])
  assert texts.choose(None, None, few) == ('the dev set of custom', few.texts)


def test_a_file_precedes_the_dev_set(teacher, tmp_path):
  path = tmp_path / 'texts.txt'
  path.write_text('a film\nthe plot\n')
  source, chosen = texts.choose(teacher, str(path), texts.dev_set(teacher))
  assert (source, chosen) == (str(path), ['a film', 'the plot'])
  path.write_text('a film\n\nthe plot\n\n \n')
  chosen = texts.choose(teacher, str(path), None)[1]
  assert chosen == ['a film', '', 'the plot']


def test_a_line_for_a_model_of_pairs_holds_two_texts(parts_of, tmp_path):
  path = tmp_path / 'texts.txt'
  path.write_text('a film\tthe plot\n\n')
  model = parts_of('pairs')
  assert texts.choose(model, str(path), None)[1] == [('a film', 'the plot')]
  path.write_text('a film\n')
  with pytest.raises(UserError, match='line 1: found 1 texts, expected two'):
    texts.choose(model, str(path), None)


def test_built_in_texts_are_pairs_where_the_model_takes_them(parts_of):
  source, single = texts.choose(parts_of('classifier'), None, None)
  assert source == '16 built-in texts'
  assert len(single) == len(set(single)) == 16
  pairs = texts.choose(parts_of('pairs'), None, None)[1]
  assert pairs and all(a in single and b in single for a, b in pairs)
  assert all(b for _, b in pairs)  # Their tokenizer ends an empty B by [SEP].


def test_settings_of_the_task_are_read_from_recorded_flags():
  flags = ['--labels=a,b', '--regression', '--seed=3', '--task_name=custom']
  assert texts._task_settings(flags) == {
    'labels': ('a', 'b'),
    'regression': True,
    'task_name': 'custom',
  }


def test_recorded_labels_may_hold_commas():
  defined = flags.FlagValues()
  flags.DEFINE_list('labels', [], '', flag_values=defined)
  defined(['', '--labels="no, thanks",yes'])
  recorded = defined['labels'].serialize()
  assert texts._task_settings([recorded]) == {'labels': ('no, thanks', 'yes')}
  with pytest.raises(UserError, match='--labels="no is not a list of values'):
    texts._task_settings(['--labels="no'])
