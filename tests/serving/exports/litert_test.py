"""Tests for the format of LiteRT: a fixed length, builtin ops, small files."""

import json
import pathlib
import runpy
import sys

import numpy as np
import pytest
import tensorflow as tf

from serving import litert_model, runtimes
from serving.exports import (
  conformance,
  dev_set,
  exporting,
  isolated_script,
  litert,
  parts,
  quantization,
  reference,
)

_TEXTS = ['the film is good .', '', 'THE PLOT !', 'nice ' * 30]
_PAIRS = [('the film', 'a plot is bad'), ('dull', 'nice'), ('is it', 'x')]


def _run(model, found):
  """Runs a `FixedModel` on texts, one after the other."""
  features = reference.features_of(model[0], found)
  inputs = litert_model.padded(features, model[0].max_seq_length)
  rows = [
    model[1].predict(**{k: v[i : i + 1] for k, v in inputs.items()})['logits']
    for i in range(len(found))
  ]
  return np.concatenate(rows)


@pytest.mark.parametrize('kind', ['classifier', 'pairs', 'regressor'])
@pytest.mark.parametrize(('score', 'bound'), [(-10000.0, 1e-6), (-12.0, 1e-3)])
def test_the_fixed_model_computes_what_our_model_does(
  parts_of, kind, score, bound
):
  model = parts_of(kind)
  found = _TEXTS if kind == 'classifier' else _PAIRS
  logits = _run((model, litert.FixedModel(model, score)), found)
  ours = model.text_model.logits(found)
  np.testing.assert_allclose(logits, ours, rtol=0, atol=bound)


@pytest.mark.slow
def test_litert_alone_computes_the_same(parts_of, needs, exported, tmp_path):
  needs('litert')
  model = parts_of('classifier')
  report = exported(litert.FORMAT, model)
  assert report['largest_difference'] <= 1e-5
  assert report['equal_labels'] == 1.0
  assert report['equal_token_ids'] is None
  assert report['versions'].keys() == {'ai-edge-litert'}
  folder = tmp_path / 'exports' / 'litert'
  assert sorted(x.name for x in folder.iterdir()) == [
    *('config.json', 'conformance.jsonl', 'export.json', 'labels.txt'),
    *('model.tflite', 'special_tokens_map.json', 'tokenizer.json'),
    *('tokenizer_config.json', 'vocab.txt'),
  ]
  assert (folder / 'labels.txt').read_text() == 'bad\ngood\nso so\n'
  settings = json.loads((folder / 'tokenizer_config.json').read_text())
  assert (settings['do_lower_case'], settings['model_max_length']) == (True, 16)
  lines = (folder / 'conformance.jsonl').read_text().splitlines()
  assert len(lines) == conformance.NUM_TEXTS
  # And as `tools.predict` runs it, by the files in the folder.
  pytest.importorskip('tokenizers')
  found = runtimes.load(str(folder)).predict(_TEXTS)
  ours = model.text_model.predict(_TEXTS)
  assert [x.label for x in found] == [x.label for x in ours]
  for one, other in zip(found, ours, strict=True):
    assert one.probabilities == pytest.approx(other.probabilities, abs=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize('kind', ['pairs', 'regressor'])
def test_pairs_and_numbers_are_computed_too(
  parts_of, needs, exported, tmp_path, kind
):
  needs('litert')
  model = parts_of(kind)
  report = exported(litert.FORMAT, model)
  assert report['largest_difference'] <= 1e-5
  assert report['equal_labels'] == (1.0 if model.labels else None)
  folder = tmp_path / 'exports' / 'litert'
  assert (folder / 'labels.txt').exists() is bool(model.labels)
  loaded = runtimes.load(str(folder))
  assert loaded.takes_pairs is True
  np.testing.assert_allclose(
    loaded.logits(_PAIRS), model.text_model.logits(_PAIRS), atol=1e-5
  )


@pytest.mark.slow
def test_each_variant_is_smaller_and_as_good(teacher_world, needs, tmp_path):
  needs('litert')
  model = parts.read(str(teacher_world / 'teacher'))
  dev = dev_set.read(model)
  ours = reference.compute(model, dev.texts)
  out = str(tmp_path / 'exports')
  exporting.export(litert.FORMAT, model, out, ours, 'dev', exporting.Limits())
  folder = pathlib.Path(out, 'litert')
  kinds = ('float16', 'dynamic', 'static')
  adding = quantization.Quantizer(model, dev, kinds, 0.01, None, sys.executable)
  lines = [*adding.add(litert.FORMAT, str(folder))]
  adding.raise_refusals()
  assert [each[0].split(', ')[-1] for each in lines] == [
    *('float16', 'int8', 'static int8')
  ]
  found = json.loads((folder / 'export.json').read_text())['quantized']
  for kind, limit in zip(kinds, (1e-2, 0.3, 1.0), strict=True):
    assert found[kind]['before'] == found[kind]['after'] == 1.0
    assert 0 < found[kind]['largest_difference'] < limit
    assert runtimes.load(str(folder), f'litert_{kind}').labels == ('0', '1')
  assert found['static']['num_calibration_texts'] == 11
  _check_types(folder)


def _check_types(folder):
  """Checks the dtypes of the models' weights and activations."""
  from ai_edge_litert import interpreter

  found = {}
  for kind, name in litert_model.FILES.items():
    model = interpreter.Interpreter(str(folder / name))
    details = model.get_tensor_details()
    found[kind] = {np.dtype(x['dtype']).name for x in details}
    if kind == 'static':
      # The mask becomes a float once; the logits do at the end.
      floats = [x for x in details if x['dtype'] == np.float32]
      assert len(floats) < len(details) / 10
  assert 'float16' in found['float16'] and 'int8' not in found['float32']
  assert 'int8' in found['static']


@pytest.mark.slow
def test_an_op_that_is_no_builtin_is_refused():
  pytest.importorskip('ai_edge_litert')
  script = isolated_script.FOLDER / 'checkers/litert.py'
  run = runpy.run_path(str(script))['_ops']
  function = tf.function(
    tf.abs, [tf.TensorSpec([2], tf.float32)], autograph=False
  )
  converter = tf.lite.TFLiteConverter.from_concrete_functions(
    [function.get_concrete_function()]
  )
  converter.target_spec.supported_ops = [tf.lite.OpsSet.SELECT_TF_OPS]
  with pytest.raises(SystemExit, match='has the custom op FlexAbs'):
    run(converter.convert())
