"""Tests of modeling/checkpoints/load_report.py."""

from modeling.checkpoints import load_report


def test_names_of_several_layers_are_joined():
  names = [f'bert/encoder/layer_{layer}/x' for layer in (0, 1, 10, 2, 5)]
  assert load_report.compact([*names, 'bert/y', 'bert/encoder/layer_1/z']) == [
    'bert/encoder/layer_{0..2,5,10}/x',
    'bert/y',
    'bert/encoder/layer_1/z',
  ]


def test_a_report_names_every_variable():
  report = load_report.LoadReport(
    prefix='folder/bert_model.ckpt',
    loaded=['bert/encoder/layer_0/x', 'bert/encoder/layer_1/x'],
    missing=['output_bias'],
    unused=['cls/predictions/output_bias'],
    mismatched={'output_weights': ((3, 2), (2, 2))},
  )
  assert report.lines() == [
    'Initialised from folder/bert_model.ckpt:',
    '  loaded (2):',
    '    bert/encoder/layer_{0..1}/x',
    '  freshly initialised, not in the checkpoint (1):',
    '    output_bias',
    '  freshly initialised, of another shape in the checkpoint (1):',
    '    output_weights (checkpoint [3, 2], model [2, 2])',
    '  in the checkpoint but unused (1):',
    '    cls/predictions/output_bias',
  ]


def test_a_summary_names_the_unused_variables():
  report = load_report.LoadReport('x', ['bert/y'], [], ['cls/a', 'cls/b'], {})
  assert report.summary() == (
    'Loaded 1 variables from x; in the checkpoint but unused: cls/a, cls/b'
  )


def test_empty_sections_are_left_out():
  report = load_report.LoadReport('x', ['bert/y'], [], [], {})
  assert report.lines() == [
    'Initialised from x:',
    '  loaded (1):',
    '    bert/y',
  ]
