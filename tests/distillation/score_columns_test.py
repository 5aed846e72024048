"""Which columns of a table hold a teacher's scores."""

import pytest

from distillation import score_columns
from distillation.score_options import ScoreOptions
from system.errors import UserError

_LABELS = ('0', '1')


def _find(columns, labels=_LABELS, **options):
  return score_columns.find('t.csv', columns, ScoreOptions(**options), labels)


@pytest.mark.parametrize(
  ('columns', 'options', 'kind', 'names'),
  [
    (
      ['sentence', 'probability_1', 'probability_0', 'label'],
      {},
      'probabilities',
      ('probability_0', 'probability_1'),
    ),
    (['logit_1', 'logit_0'], {}, 'logits', ('logit_0', 'logit_1')),
    (['text', 'probabilities'], {}, 'probabilities', ('probabilities',)),
    (['text', 'logits'], {}, 'logits', ('logits',)),
    (['label', 'prediction'], {}, 'labels', ('prediction',)),
    (['label', 'text'], {}, 'labels', ('label',)),
    (
      ['POS', 'NEG'],
      {'teacher_score_prefix': '', 'teacher_label_names': ('NEG', 'POS')},
      'probabilities',
      ('NEG', 'POS'),
    ),
    (
      ['scores'],
      {'teacher_score_column': 'scores', 'teacher_score_type': 'logits'},
      'logits',
      ('scores',),
    ),
    (
      ['probabilities', 'answer'],
      {'teacher_label_column': 'answer'},
      'labels',
      ('answer',),
    ),
    (
      ['probabilities', 'label'],
      {'teacher_score_type': 'labels'},
      'labels',
      ('label',),
    ),
  ],
)
def test_the_kind_of_scores_follows_from_the_columns(
  columns, options, kind, names
):
  found = _find(columns, **options)
  assert (found.kind, found.names) == (kind, names)


def test_a_confidence_is_found_beside_a_label():
  assert _find(['label', 'confidence']).confidence == 'confidence'
  assert _find(['label', 'c'], teacher_confidence_column='c').all() == (
    *('label', 'c'),
  )
  assert _find(['label']).confidence is None


def test_a_score_beside_a_label_is_named(caplog):
  with caplog.at_level('WARNING'):
    assert _find(['label', 'score']).confidence is None
  assert 't.csv: the column score is not used' in caplog.text
  found = _find(['label', 'score'], teacher_confidence_column='score')
  assert found.confidence == 'score'
  assert caplog.text.count('not used') == 1


def test_a_task_of_numbers_reads_one_number():
  found = _find(['label', 'score'], (), teacher_label_column='score')
  assert (found.kind, found.names) == ('numbers', ('score',))
  with pytest.raises(UserError, match='`teacher_score_type` cannot take eff'):
    _find(['label'], (), teacher_score_type='labels')


@pytest.mark.parametrize(
  ('columns', 'options', 'message'),
  [
    (['probability_0'], {}, "lacks the columns 'probability_1'"),
    (
      ['probability_0', 'probability_1', 'probability_2'],
      {},
      "has 'probability_2', which name no label of the task",
    ),
    (['probabilities', 'logits'], {}, 'choose one of them with `teacher_score'),
    (['text'], {}, "has no scores.* Found 'text'"),
    (
      ['probability_0', 'probability_1'],
      {'teacher_score_type': 'logits'},
      'has no scores for `teacher_score_type`=logits',
    ),
    (['a'], {'teacher_score_column': 'b'}, 'for `teacher_score_column`=b'),
    (['a'], {'teacher_label_column': 'b'}, 'for `teacher_label_column`=b'),
    (
      ['label'],
      {'teacher_confidence_column': 'c'},
      "expected a column 'c' .`teacher_confidence_column`",
    ),
    (
      ['probabilities'],
      {'teacher_label_confidence': 0.9},
      '`teacher_label_confidence` cannot take effect: .* holds probabilities',
    ),
    (
      ['logits'],
      {'teacher_confidence_column': 'c'},
      '`teacher_confidence_column` cannot take effect: .* holds logits',
    ),
    (['label'], {'teacher_label_confidence': 0.4}, 'expected 1/2 or more'),
    (['label'], {'teacher_label_names': ('a',)}, 'expected 2 different names'),
  ],
)
def test_columns_that_do_not_fit_are_refused(columns, options, message):
  with pytest.raises(UserError, match=message):
    _find(columns, **options)


@pytest.mark.parametrize(
  'options',
  [
    {'teacher_score_prefix': '', 'teacher_score_column': 'a'},
    {'teacher_label_column': 'a', 'teacher_score_type': 'logits'},
    {'teacher_score_prefix': 'a', 'teacher_score_type': 'labels'},
  ],
)
def test_settings_that_exclude_each_other_are_refused(options):
  with pytest.raises(UserError):
    ScoreOptions(**options).check_names()
