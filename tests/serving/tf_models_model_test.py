"""Tests for labelling texts with an export for tf-models-official."""

import pathlib

import numpy as np
import pytest

from serving import runtimes, tf_models_model
from system.errors import UserError


@pytest.mark.parametrize('kind', ['classifier', 'pairs', 'regressor'])
def test_the_logits_are_ours(export_folder, kind):
  folder, parts = export_folder('tf_models', kind, temperature=2.0)
  texts = ['the film is good .', 'It is, frankly, awful!', 'x ' * 50]
  if kind != 'classifier':
    texts = [(text, 'a dull plot') for text in texts]
  model = runtimes.load(folder)
  np.testing.assert_array_equal(
    model.logits(texts), parts.text_model.logits(texts)
  )
  assert model.labels == parts.labels
  assert model.max_seq_length == parts.max_seq_length
  assert model.temperature == (1.0 if kind == 'regressor' else 2.0)


def test_labels_of_another_number_are_refused(export_folder):
  folder, _ = export_folder('tf_models', 'classifier')
  pathlib.Path(folder, 'labels.txt').write_text('bad\ngood\n')
  with pytest.raises(UserError, match='with 3 outputs, but 2 labels'):
    runtimes.load(folder)
  pathlib.Path(folder, 'labels.txt').unlink()
  assert runtimes.load(folder).labels == ('bad', 'good', 'so so')


def test_what_is_missing_is_named(export_folder, tmp_path):
  with pytest.raises(UserError, match='params.yaml is missing'):
    tf_models_model.load(str(tmp_path))
  folder, _ = export_folder('tf_models', 'pretraining')
  assert runtimes.of(folder) == 'tf_models'
  with pytest.raises(UserError, match='no head for a task'):
    runtimes.load(folder)
