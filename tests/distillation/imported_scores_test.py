"""Imported scores as a transfer set: leaks, repeated texts, the dev split."""

import numpy as np
import pytest

from data.tasks import glue
from data.tasks.examples import Example
from data.tasks.held_out import HeldOut
from distillation import imported_scores
from distillation.score_options import ScoreOptions
from system.errors import UserError

_TASK = glue.get_task('SST-2')
_HEADER = 'sentence,probability_0,probability_1\n'


def _tables(*paths, leaves_out_bad=False):
  return imported_scores.read_tables(
    [str(path) for path in paths],
    ('sentence',),
    _TASK,
    ScoreOptions(),
    leaves_out_bad,
  )


def _table(folder, rows, name='a.csv'):
  path = folder / name
  path.write_text(_HEADER + rows)
  return path


def _collect(tables, held_out=()):
  held_out = [Example(str(i), x, None, '0') for i, x in enumerate(held_out)]
  return imported_scores.collect(tables, _TASK, HeldOut(held_out))


def test_texts_of_dev_and_test_are_left_out_and_counted(tmp_path, caplog):
  path = _table(tmp_path, 'One .,.5,.5\nTwo .,.25,.75\n')
  found = _collect(_tables(path), held_out=['one.'])
  assert [tuple(text) for text in found.texts] == [
    ('a.csv:3', 'Two .', None, None)
  ]
  np.testing.assert_allclose(np.exp(found.logits), [[0.25, 0.75]], rtol=1e-5)
  assert found.facts['num_held_out'] == 1
  assert found.facts['predicted_labels'] == {'0': 0, '1': 1}
  assert 'Left out 1 of 2 texts, which are in dev or test' in caplog.text
  with pytest.raises(UserError, match='each of the 2 texts'):
    _collect(_tables(path), held_out=['one.', 'two.'])


def test_repeated_texts_are_kept_counted_and_named(tmp_path, caplog):
  path = _table(tmp_path, 'x,.5,.5\ny,.9,.1\nX ,.5,.5\ny,.8,.2\n')
  found = _collect(_tables(path))
  assert len(found.texts) == 4
  assert found.facts['num_repeated_texts'] == 2
  assert found.facts['num_texts_with_different_scores'] == 1
  assert "1 texts have several scores that differ, the first: 'y'" in (
    caplog.text
  )


def test_bad_rows_are_refused_or_left_out_and_counted(tmp_path, caplog):
  path = _table(tmp_path, 'x,.5,.5\ny,nan,.1\nz,.5,.7\n')
  expected = r'1 rows have a score that is not a finite number: line 3 .*; 1 ro'
  with pytest.raises(UserError, match=expected):
    _tables(path)
  found = _collect(_tables(path, leaves_out_bad=True))
  assert [text.text_a for text in found.texts] == ['x']
  (facts,) = found.facts['tables']
  assert facts['num_rows'] == 3
  assert sum(facts['left_out'].values()) == 2
  assert 'left out: 1 rows have a score that is not a finite' in caplog.text
  only_bad = _table(tmp_path, 'y,nan,.1\n', 'b.csv')
  with pytest.raises(UserError, match='if others remain'):
    _tables(only_bad, leaves_out_bad=True)


def test_files_of_one_name_have_ids_with_their_paths(tmp_path):
  paths = []
  for name in 'ab':
    (tmp_path / name).mkdir()
    paths.append(_table(tmp_path / name, f'{name},.5,.5\n'))
  found = _collect(_tables(*paths, paths[0]))
  assert [text.example_id for text in found.texts] == [
    f'{path}:2' for path in paths
  ]


def test_texts_of_dev_are_found_as_they_are_or_regardless_of_case(tmp_path):
  tables = _tables(_table(tmp_path, 'One .,.5,.5\nB,.25,.75\nb,.9,.1\nc,1,0\n'))
  dev = [Example('0', 'b', None, '0'), Example('1', 'one.', None, '1')]
  np.testing.assert_allclose(
    np.exp(imported_scores.on_dev(tables, dev)),
    [[0.9, 0.1], [0.5, 0.5]],
    rtol=1e-5,
  )


@pytest.mark.parametrize(
  ('rows', 'message'),
  [
    ('a,.5,.5\n', "1 of 2 texts of dev have no score in .*, the first: 'b'"),
    (
      'a,.5,.5\nb,.5,.5\nb,.4,.6\n',
      "1 of 2 texts of dev have several scores that differ.*, the first: 'b'",
    ),
  ],
)
def test_dev_without_one_score_a_text_is_refused(tmp_path, rows, message):
  dev = [Example(str(i), x, None, '0') for i, x in enumerate('ab')]
  with pytest.raises(UserError, match=message):
    imported_scores.on_dev(_tables(_table(tmp_path, rows)), dev)
