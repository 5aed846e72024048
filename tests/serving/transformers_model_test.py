"""Tests for labelling texts with transformers, as our own model does."""

import numpy as np
import pytest

from serving import runtimes, text_model, transformers_model
from system.errors import UserError

_TEXTS = ['the film is good . ' * 9, 'a dull plot', '', 'THE FILM !', 'nice']
_PAIRS = [('the film', 'a plot is bad'), ('dull', 'nice'), ('', 'x')]


@pytest.mark.slow
@pytest.mark.parametrize('kind', ['classifier', 'pairs', 'regressor'])
def test_logits_are_those_of_the_run(export_folder, needs, kind):
  needs('hugging_face')
  folder, parts = export_folder('hugging_face', kind, temperature=2.0)
  texts = _TEXTS if kind == 'classifier' else _PAIRS
  ours = text_model.load(parts.checkpoint.prefix).logits(texts)
  model = runtimes.load(folder, 'transformers')
  np.testing.assert_allclose(model.logits(texts, 2), ours, atol=1e-5)
  is_number = kind == 'regressor'
  assert model.labels == (() if is_number else parts.labels)
  assert model.temperature == (1.0 if is_number else 2.0)
  assert model.takes_pairs is (kind != 'classifier')
  assert model.max_seq_length == 16


@pytest.mark.slow
def test_a_model_without_a_head_for_a_task_is_refused(export_folder, needs):
  needs('hugging_face')
  folder, _ = export_folder('hugging_face', 'pretraining')
  with pytest.raises(UserError, match='no head for a task'):
    transformers_model.load(folder)


def test_a_folder_without_weights_is_refused(tmp_path):
  with pytest.raises(UserError, match='not a Hugging Face export: it has none'):
    transformers_model.check(str(tmp_path))
