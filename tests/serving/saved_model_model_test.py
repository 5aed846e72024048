"""Tests for labelling texts with a SavedModel, as our own model does."""

import json

import numpy as np
import pytest

from serving import runtimes, saved_model_model
from system.errors import UserError

_TEXTS = ['the film is good . ' * 3, 'It is, frankly, awful!', '', 'nice']


def test_what_is_missing_or_damaged_is_named(tmp_path):
  folder = str(tmp_path)
  with pytest.raises(UserError, match='saved_model.pb is missing.*writes it$'):
    saved_model_model.load(folder)
  (tmp_path / '1').mkdir()
  (tmp_path / '1' / 'saved_model.pb').write_bytes(b'x')
  with pytest.raises(UserError, match='does not name the labels'):
    saved_model_model.load(folder)
  (tmp_path / 'export.json').write_text(json.dumps({'labels': ['a', 'b']}))
  with pytest.raises(UserError, match='TensorFlow cannot load'):
    saved_model_model.load(folder)
  (tmp_path / 'export.json').write_text(json.dumps({'labels': 'ab'}))
  with pytest.raises(UserError, match="labels is 'ab'"):
    saved_model_model.load(folder)
  assert runtimes.of(folder) == 'saved_model'


@pytest.mark.slow
@pytest.mark.parametrize('kind', ['classifier', 'pairs', 'regressor'])
def test_the_logits_are_ours(export_folder, kind):
  folder, parts = export_folder('saved_model', kind, temperature=2.0)
  texts = _TEXTS
  if kind != 'classifier':
    texts = [(text, 'a dull plot') for text in _TEXTS]
  model = runtimes.load(folder)
  np.testing.assert_allclose(
    model.logits(texts, batch_size=2),
    parts.text_model.logits(texts),
    rtol=0,
    atol=1e-5,
  )
  assert model.labels == parts.labels
  assert model.temperature == (1.0 if kind == 'regressor' else 2.0)
