"""Tests for int8 weights: what is kept, and what is refused."""

import json
import sys

import pytest

pytest.importorskip('onnx')
pytest.importorskip('onnxruntime')

from serving.exports import (
  exporting,
  onnx_format,
  onnx_int8,
  parts,
  reference,
  texts,
)
from system.errors import UserError


@pytest.fixture
def job(teacher_world, needs, tmp_path):
  """A float32 export with its model and its dev set."""
  needs('onnx')
  model = parts.read(str(teacher_world / 'teacher'))
  dev = texts.dev_set(model)
  exporting.export(
    onnx_format.FORMAT,
    model,
    str(tmp_path / 'exports'),
    reference.compute(model, dev.texts),
    'dev',
    exporting.Limits(),
  )
  return tmp_path / 'exports' / 'onnx', model, dev


def _add(job, max_metric_loss=0.01):
  target, model, dev = job
  return onnx_int8.add(str(target), model, dev, max_metric_loss, sys.executable)


def _models(target):
  return sorted(path.name for path in (target / 'onnx').iterdir())


def test_a_model_as_good_is_kept_and_reported(job):
  report = _add(job)
  target = job[0]
  assert _models(target) == ['model.onnx', 'model_quantized.onnx']
  assert (report['metric'], report['num_texts']) == ('accuracy', 11)
  assert report['before'] == report['after'] == 1.0
  assert report['equal_labels'] == 1.0
  # int8 is not float32; on this model it is close.
  assert 1e-5 < report['largest_difference'] < 1.0
  stored = json.loads((target / 'export.json').read_text())
  assert stored['int8'] == report
  assert stored['files']['onnx/model_quantized.onnx'] > 0
  assert 'export.json' not in stored['files']


def test_a_worse_model_is_refused_with_both_figures(job, monkeypatch):
  target, *_ = job
  before = (target / 'export.json').read_bytes()
  scores = iter([0.9, 0.85])
  monkeypatch.setattr(
    onnx_int8.scoring, 'score', lambda *_: {'eval_accuracy': next(scores)}
  )
  message = (
    r'accuracy 0\.8500 on dev, the float32 model 0\.9000: it loses 0\.05'
  )
  with pytest.raises(UserError, match=message):
    _add(job)
  assert _models(target) == ['model.onnx']
  assert (target / 'export.json').read_bytes() == before


def test_a_loss_up_to_the_limit_is_accepted(job, monkeypatch):
  scores = iter([0.9, 0.85])
  monkeypatch.setattr(
    onnx_int8.scoring, 'score', lambda *_: {'eval_accuracy': next(scores)}
  )
  assert _add(job, max_metric_loss=0.0501)['after'] == 0.85
