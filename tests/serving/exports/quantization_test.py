"""Tests for smaller variants: what is kept, and what is refused."""

import json
import sys

import pytest

pytest.importorskip('onnx')
pytest.importorskip('onnxruntime')

from serving.exports import (
  calibration_texts,
  dev_set,
  exporting,
  formats,
  onnx_format,
  parts,
  quantization,
  reference,
)
from serving.exports.format import VariantJob
from system.errors import UserError

# `make slow` installs the packages.
pytestmark = pytest.mark.slow


@pytest.fixture
def job(teacher_world, needs, tmp_path):
  """A float32 export with its model and its dev set."""
  needs('onnx')
  model = parts.read(str(teacher_world / 'teacher'))
  dev = dev_set.read(model)
  exporting.export(
    onnx_format.FORMAT,
    model,
    str(tmp_path / 'exports'),
    reference.compute(model, dev.texts),
    'dev',
    exporting.Limits(),
  )
  return tmp_path / 'exports' / 'onnx', model, dev


def _add(job, max_metric_loss=0.01, name='dynamic'):
  target, model, dev = job
  (variant,) = formats.variants('onnx', [name])
  source, features = '', None
  if variant.is_calibrated:
    source, features = calibration_texts.choose(model, None, dev)
  return quantization._add(
    onnx_format.FORMAT,
    variant,
    VariantJob(str(target), model, features, source, sys.executable),
    dev,
    reference.compute(model, dev.texts),
    max_metric_loss,
  )


def _give_scores(monkeypatch, *scores):
  """Makes the scores of models these, our own model's first."""
  left = iter(scores)
  monkeypatch.setattr(
    quantization.scoring, 'score', lambda *_: {'eval_accuracy': next(left)}
  )


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
  assert stored['quantized'] == {'dynamic': report}
  assert stored['files']['onnx/model_quantized.onnx'] > 0
  assert 'export.json' not in stored['files']


def test_a_worse_model_is_refused_with_both_figures(job, monkeypatch):
  target, *_ = job
  before = (target / 'export.json').read_bytes()
  _give_scores(monkeypatch, 0.9, 0.85)
  message = (
    r'onnx: the int8 model has accuracy 0\.8500 on dev, the float32 model '
    r'0\.9000: it loses 0\.05'
  )
  with pytest.raises(UserError, match=message):
    _add(job)
  assert _models(target) == ['model.onnx']
  assert (target / 'export.json').read_bytes() == before


def test_a_loss_up_to_the_limit_is_accepted(job, monkeypatch):
  _give_scores(monkeypatch, 0.9, 0.85)
  assert _add(job, max_metric_loss=0.0501)['after'] == 0.85


def test_static_weights_stand_beside_dynamic_ones(job):
  import onnx

  dynamic = _add(job)
  static = _add(job, name='static')
  target = job[0]
  assert _models(target) == [
    *('model.onnx', 'model_quantized.onnx', 'model_static.onnx'),
  ]
  assert static['before'] == static['after'] == 1.0
  assert 1e-5 < static['largest_difference'] < 1.0
  assert static['calibrated_on'] == 'the dev set of SST-2'
  assert static['num_calibration_texts'] == 11
  stored = json.loads((target / 'export.json').read_text())
  assert stored['quantized'] == {'dynamic': dynamic, 'static': static}
  graph = onnx.load(target / 'onnx' / 'model_static.onnx').graph
  by_output = {out: node for node in graph.node for out in node.output}
  products = [node for node in graph.node if node.op_type == 'MatMul']
  assert products
  for node in products:
    assert {by_output[x].op_type for x in node.input} == {'DequantizeLinear'}
  # The ranges are stored: nothing measures them while the model runs.
  kinds = {node.op_type for node in graph.node}
  assert 'DynamicQuantizeLinear' not in kinds


def test_a_refused_variant_does_not_stop_the_others(job, monkeypatch):
  target, model, dev = job
  wanted = ['dynamic', 'static']
  quantizer = quantization.Quantizer(
    model, dev, wanted, 0.01, None, sys.executable
  )
  _give_scores(monkeypatch, 0.9, 0.8, 0.9, 0.895)
  (lines,) = quantizer.add(onnx_format.FORMAT, str(target))
  assert _models(target) == ['model.onnx', 'model_static.onnx']
  assert lines[0].endswith(' MB, static int8')
  assert lines[1] == '  accuracy on dev: 0.8950 (float32 0.9000)'
  assert lines[3] == '  calibrated on the dev set of SST-2 (11)'
  assert lines[4].startswith('  equal labels: ')
  with pytest.raises(UserError, match='onnx: the int8 model .* loses 0.1000'):
    quantizer.raise_refusals()


def test_variants_are_those_of_their_formats():
  found = {
    name: tuple(
      format_name
      for format_name in formats.NAMES
      if name in [x.name for x in formats.get(format_name).variants]
    )
    for name in formats.VARIANTS
  }
  assert found == formats.VARIANTS
