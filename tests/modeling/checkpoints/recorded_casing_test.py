"""Tests of modeling/checkpoints/recorded_casing.py, also in whole runs."""

import json

import pytest
import tiny_world

from modeling.checkpoints import recorded_casing
from system.errors import UserError


# The names of google-research/bert's validate_case_matches_checkpoint, its
# whole-word-masking and compact models, and names of other models.
@pytest.mark.parametrize(
  ('name', 'is_lower'),
  [
    ('uncased_L-24_H-1024_A-16', True),
    ('uncased_L-12_H-768_A-12', True),
    ('multilingual_L-12_H-768_A-12', True),
    ('chinese_L-12_H-768_A-12', True),
    ('wwm_uncased_L-24_H-1024_A-16', True),
    ('uncased_L-2_H-128_A-2', True),
    ('cased_L-12_H-768_A-12', False),
    ('cased_L-24_H-1024_A-16', False),
    ('multi_cased_L-12_H-768_A-12', False),
    ('wwm_cased_L-24_H-1024_A-16', False),
    ('cased_runs', None),
    ('my_uncased_L-12_H-768_A-12', None),
    ('bert-base-cased', None),
  ],
)
@pytest.mark.parametrize('path', ['{}', 'a/{}/'])
def test_a_released_model_s_folder_tells_its_casing(path, name, is_lower):
  expected = None if is_lower is None else (name, is_lower)
  assert recorded_casing.of_name(path.format(name)) == expected


@pytest.mark.parametrize(
  ('file', 'content', 'expected'),
  [
    ('tokenizer_config.json', {'do_lower_case': False}, False),
    ('tokenizer_config.json', {'model_max_length': 512}, None),
    ('tokenizer.json', {'normalizer': {'lowercase': False}}, False),
    ('tokenizer.json', {'normalizer': None}, None),
    ('run.json', {'configuration': {'do_lower_case': True}}, True),
    ('run.json', {'configuration': {'seed': 1}}, None),
    ('other.json', {'do_lower_case': True}, None),
  ],
)
def test_files_beside_a_checkpoint_tell_its_casing(
  tmp_path, file, content, expected
):
  path = tmp_path / file
  path.write_text(json.dumps(content))
  found = None if expected is None else (str(path), expected)
  assert recorded_casing.beside(str(tmp_path / 'model.ckpt-3')) == found
  if file == 'run.json':
    assert (
      recorded_casing.beside(str(tmp_path / 'best' / 'model.ckpt-3')) == found
    )


def test_the_files_that_tell_the_casing_have_an_order(tmp_path):
  prefix = str(tmp_path / 'model.ckpt-3')
  for name, content in (
    ('run.json', {'configuration': {'do_lower_case': True}}),
    ('model.json', {'do_lower_case': False}),
    ('tokenizer_config.json', {'do_lower_case': True}),
  ):
    path = tmp_path / name
    path.write_text(json.dumps(content))
    found = recorded_casing.beside(prefix)
    assert found == (str(path), name != 'model.json')


@pytest.mark.slow
@pytest.mark.parametrize(
  ('script', 'arguments'),
  [
    ('run_classifier', {'init_checkpoint': 'teacher', 'do_train': True}),
    (
      'run_distillation',
      {
        'teacher_checkpoint': 'teacher',
        'do_dump_logits': True,
        'transfer_split': 'train',
        'logits_dir': 'dump',
      },
    ),
  ],
)
def test_a_run_of_the_other_casing_is_refused(teacher_world, script, arguments):
  values = {
    name: teacher_world / value if value in ('teacher', 'dump') else value
    for name, value in arguments.items()
  }
  flags = tiny_world.task_flags(
    teacher_world, do_lower_case=False, output_dir=None, **values
  )
  flags = [f for f in flags if script == 'run_classifier' or 'bert_c' not in f]
  if script == 'run_classifier':
    flags.append(f'--output_dir={teacher_world}/out')
  with pytest.raises(
    UserError,
    match=r'do_lower_case=False does not fit --\w+: .*/model\.json says that '
    'it is an uncased model',
  ):
    tiny_world.run(script, *flags)


@pytest.mark.slow
def test_a_cased_model_tells_words_apart_that_differ_in_case(world):
  """The label is whether 'Good' is capital; the model has 16 segment types."""
  words = [*tiny_world.VOCABULARY, 'Good', 'ä', 'Ä']
  (world / 'vocab.txt').write_text('\n'.join(words) + '\n')
  config = {**tiny_world.CONFIG, 'vocab_size': len(words)}
  config['type_vocab_size'] = 16
  (world / 'bert_config.json').write_text(json.dumps(config))
  rows = ['the film is Good ä\t1', 'the film is good Ä\t0'] * 24
  for split in ('train', 'dev'):
    text = '\n'.join(['sentence\tlabel', *rows]) + '\n'
    (world / 'task' / f'{split}.tsv').write_text(text)
  flags = tiny_world.task_flags(world, do_lower_case=False)
  tiny_world.run('run_classifier', *flags, '--do_train', '--do_eval')
  results = (world / 'out' / 'eval_results.txt').read_text()
  assert 'eval_accuracy = 1.0' in results
