"""What a pipeline says before it starts."""

import dataclasses

import pytest
import tiny_pipeline

from pipeline import announcement, run, stages


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
  return tiny_pipeline.make(tmp_path_factory.mktemp('models'))


def _lines(folder, **changes):
  plan = run.make_plan(tiny_pipeline.options(folder, **changes))
  return announcement.before(plan, stages.make(plan))


def test_inputs_values_commands_and_times_are_said(folder):
  lines = _lines(folder)
  assert lines[:6] == [
    'Inputs',
    '  labelled texts: train 128, dev 16, test 16; 2 labels',
    '  all methods are scored on test',
    '  the student is distilled on 168 texts',
    f'  teacher: {folder}/teacher, a BERT checkpoint',
    f'  student: {folder}/encoder',
  ]
  assert '  learning_rate 0.01: given' in lines
  assert (
    '  max_seq_length 32: 99 % of the labelled texts have at most 11 tokens'
  ) in lines
  assert (
    '   1. splits the table: train 128, dev 16, test 16 (under a minute)'
    in lines
  )


def test_the_lack_of_unlabelled_texts_is_said(folder):
  lines = _lines(folder, transfer_file=())
  assert lines[3] == (
    '  the student is distilled on 128 texts, only those of train; '
    '`transfer_file` would add unlabelled ones'
  )


def test_faults_of_the_data_are_said_before_anything_is_made(folder):
  plan = run.make_plan(tiny_pipeline.options(folder))
  example = plan.labelled.splits['train'][0]
  splits = {**plan.labelled.splits}
  splits['train'] = [*splits['train'], dataclasses.replace(example, label='A ')]
  labels = (*plan.labelled.labels, 'a', 'A ')
  labelled = dataclasses.replace(plan.labelled, splits=splits, labels=labels)
  texts = dataclasses.replace(plan.texts, unknown_share=0.5)
  plan = dataclasses.replace(plan, labelled=labelled, texts=texts)
  lines = announcement.before(plan, stages.make(plan))
  warnings = [line for line in lines if line.startswith('  WARNING: ')]
  assert [line[11:48] for line in warnings] == [
    "The labels 'a' and 'A ' are two class",
    'These labels have fewer than 3 texts:',
    '50% of the tokens of train are [UNK]:',
  ]
