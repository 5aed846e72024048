"""The teacher from scikit-learn writes what --do_import_logits reads."""

import pytest

from distillation import score_rows
from distillation.score_options import ScoreOptions
from recipes import scikit_learn_teacher

pytest.importorskip('sklearn')


def test_its_scores_are_read_as_they_are(tmp_path):
  texts = ['a good film', 'a bad film', 'good , good', 'bad plot', 'so "good"']
  model = scikit_learn_teacher.fit(texts, ['1', '0', '1', '0', '1'])
  path = str(tmp_path / 'scores.csv')
  scikit_learn_teacher.write_scores(model, texts, path)
  found = score_rows.read(path, ('sentence',), ('0', '1'), ScoreOptions())
  assert [row.text_a for row in found.rows] == texts
  assert [row.logits.argmax() for row in found.rows] == [1, 0, 1, 0, 1]
