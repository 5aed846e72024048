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


def test_a_summary_names_what_is_fresh_and_counts_the_rest():
  report = load_report.LoadReport('x', ['bert/y'], [], ['cls/a', 'cls/b'], {})
  assert report.summary() == 'Loaded 1 of 1 variables from x; unused: 2'
  report = load_report.LoadReport(
    'x',
    loaded=['bert/y'],
    missing=['output_bias'],
    unused=[],
    mismatched={'output_weights': ((3, 2), (2, 2))},
    extended={'bert/p': ((4, 2), (6, 2))},
    left_fresh=[*(f'bert/encoder/layer_{i}/x' for i in range(3)), 'a', 'b'],
    layers=[2, 5],
  )
  assert report.summary() == (
    'Loaded 2 of 9 variables from x; from its layers 2, 5; bert/p (4 rows '
    'loaded, 2 freshly initialised); fresh: output_bias, output_weights '
    '(checkpoint [3, 2], model [2, 2]), bert/encoder/layer_{0..2}/x, a and 1 '
    'more'
  )


def test_names_are_logged_for_those_who_ask(caplog):
  report = load_report.LoadReport('x', ['bert/y'], [], [], {})
  caplog.set_level('INFO', logger='absl')
  report.log()
  assert caplog.messages == ['Loaded 1 of 1 variables from x']
  caplog.clear()
  caplog.set_level('DEBUG', logger='absl')
  report.log()
  assert caplog.messages == ['Loaded 1 of 1 variables from x', *report.lines()]


def test_empty_sections_are_left_out():
  report = load_report.LoadReport('x', ['bert/y'], [], [], {})
  assert report.lines() == [
    'Initialised from x:',
    '  loaded (1):',
    '    bert/y',
  ]
