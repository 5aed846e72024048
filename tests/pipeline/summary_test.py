"""The final table, from result files and predictions."""

import dataclasses
import json
import types

import pytest

from pipeline import models, summary
from pipeline.plan import Plan


@dataclasses.dataclass
class _Plan:
  """The parts of a plan that the table needs."""

  root: object
  kind: str = models.ENCODER
  metric: str = 'accuracy'
  manifest: object = None

  labelled = property(
    lambda self: types.SimpleNamespace(
      metric=self.metric, is_regression=self.metric == 'pearson'
    )
  )
  models = property(
    lambda self: types.SimpleNamespace(
      teacher=models.Teacher(
        self.kind, 'large', None, None, 512, None, self.manifest
      )
    )
  )
  folder = Plan.folder
  predictions = Plan.predictions

  def path(self, *names):
    return str(self.root.joinpath(*names))

  def result(self, method):
    return self.path(f'{method}.json')


def _write(plan, method, predicted=None, parameters=None, **scores):
  record = {'scores': scores, 'parameters': parameters}
  plan.root.joinpath(f'{method}.json').write_text(json.dumps(record))
  if predicted:
    path = plan.root / ('student' if method == 'distilled' else method)
    path.mkdir()
    rows = [f'{i}\t{label}' for i, label in enumerate(predicted)]
    lines = ['example_id\tprediction', *rows]
    (path / 'predictions.tsv').write_text('\n'.join(lines) + '\n')


@pytest.fixture
def plan(tmp_path):
  plan = _Plan(tmp_path)
  _write(plan, 'bag-of-words', accuracy=0.8, parameters=10)
  _write(plan, 'labels-only', 'abbb', 4385920, accuracy=0.75, macro_f1=0.7)
  _write(plan, 'distilled', 'abab', 4385920, accuracy=0.85, macro_f1=0.8)
  _write(plan, 'teacher', 'abaa', 22713216, accuracy=0.9, macro_f1=0.88)
  return plan


def test_methods_stand_side_by_side(plan):
  assert summary.table(plan) == [
    'method                  accuracy  macro_f1  agreement with teacher'
    '  parameters',
    'bag of words               0.800         -                       -'
    '          10',
    'student on labels only     0.750     0.700                   0.500'
    '   4,385,920',
    'student, distilled         0.850     0.800                   0.750'
    '   4,385,920',
    'teacher                    0.900     0.880                       -'
    '  22,713,216',
  ]


def test_a_method_without_result_is_left_out(plan):
  (plan.root / 'labels-only.json').unlink()
  assert len(summary.table(plan)) == 4


def test_the_teacher_of_a_dump_is_known_by_its_scores_on_dev(plan):
  (plan.root / 'teacher.json').unlink()
  manifest = types.SimpleNamespace(teacher_scores={'eval_accuracy': 0.91})
  _write(plan, 'distilled', accuracy=0.85, teacher_agreement=0.95)
  lines = summary.table(
    dataclasses.replace(plan, kind=models.DUMP, manifest=manifest)
  )
  assert lines[-1].split() == [
    *'teacher of the dump, on dev 0.910 - - -'.split()
  ]
  assert lines[-2].split()[-2] == '0.950'


def test_a_teacher_below_the_bag_of_words_is_warned_of(plan):
  assert summary.weaker_than_words(plan) is None
  _write(plan, 'teacher', accuracy=0.8)
  warning = summary.weaker_than_words(plan)
  assert warning.startswith(
    "the teacher's accuracy is 0.800, that of a bag of words 0.800: "
  )
  assert '`teacher_epochs`' in warning
  given = dataclasses.replace(plan, kind=models.FINE_TUNED)
  warning = summary.weaker_than_words(given)
  assert warning.endswith('; another `teacher` may help.')


def test_labels_agree_whatever_their_case(plan):
  before = summary.table(plan)
  path = plan.root / 'teacher' / 'predictions.tsv'
  head, *rows = path.read_text().splitlines()
  path.write_text('\n'.join([head, *(row.upper() for row in rows)]) + '\n')
  assert summary.table(plan) == before


def test_other_predictions_give_no_agreement(plan, caplog):
  path = plan.root / 'student' / 'predictions.tsv'
  rows = path.read_text().splitlines()
  for changed in (rows[:-1], [*rows[:-1], rows[-1].replace('3', '7')]):
    path.write_text('\n'.join(changed) + '\n')
    assert len(summary.table(plan)) > 3
    assert 'another command has predicted there' in caplog.text
    caplog.clear()


def test_numbers_have_correlations_and_no_agreement(plan):
  plan = dataclasses.replace(plan, metric='pearson')
  for name in ('labels-only', 'distilled', 'teacher'):
    _write(plan, name, pearson=0.5, spearman=0.25)
  header, *rows = (line.split('  ') for line in summary.table(plan))
  assert [x.strip() for x in header if x][1:3] == ['pearson', 'spearman']
  for row in rows[1:]:
    values = [x.strip() for x in row if x]
    assert values[1:] == ['0.500', '0.250', '-', '-']


def test_imported_scores_of_a_teacher_have_no_prefix(plan):
  (plan.root / 'teacher.json').unlink()
  manifest = types.SimpleNamespace(teacher_scores={'accuracy': 0.91})
  lines = summary.table(
    dataclasses.replace(plan, kind=models.DUMP, manifest=manifest)
  )
  assert lines[-1].split()[-4:] == ['0.910', '-', '-', '-']
