"""Tasks by flag, through the scripts: where data and labels come from."""

import json

import numpy as np
import pytest
import tensorflow_datasets as tfds
import tiny_tfds
import tiny_world

from system.errors import UserError


def _run(world, *arguments, script='run_classifier', **changes):
  flags = tiny_world.task_flags(world, **{'num_train_epochs': 1, **changes})
  tiny_world.run(script, *flags, *arguments)


def _write_pairs(world, split, labels):
  rows = [
    {'a': 'the film', 'b': f'is {"good" if i % 2 else "bad"} .', 'y': label}
    for i, label in enumerate(labels)
  ]
  text = ''.join(json.dumps(row) + '\n' for row in rows)
  (world / 'task' / f'{split}.jsonl').write_text(text)


_PAIRS = {
  'task_name': 'custom',
  'text_column': 'a',
  'text_pair_column': 'b',
  'label_column': 'y',
  'file_format': 'jsonl',
}


def test_labels_that_were_found_stay_with_the_model(world):
  _write_pairs(world, 'train', [10, 9, 10, 9, 8, 8, 10, 9])
  _run(world, '--do_train', **_PAIRS)
  labels = world / 'out' / 'labels.txt'
  assert labels.read_text() == '8\n9\n10\n'
  configuration = json.loads((world / 'out' / 'run.json').read_text())
  assert configuration['configuration']['labels'] == ['8', '9', '10']
  # The training data is not needed any more, and would say something else.
  _write_pairs(world, 'train', [10, 9])
  _write_pairs(world, 'dev', [10, 10, 9])
  _write_pairs(world, 'test', [None, None])
  _run(world, '--do_eval', '--do_predict', **_PAIRS)
  assert np.loadtxt(world / 'out' / 'test_results.tsv').shape == (2, 3)
  header = (world / 'out' / 'predictions.tsv').read_text().splitlines()[0]
  assert header.split('\t')[2:] == [f'probability_{n}' for n in (8, 9, 10)]
  with pytest.raises(UserError, match='order 10, 9, 8; .* are 8, 9, 10'):
    _run(world, '--do_eval', labels='10,9,8', **_PAIRS)


@pytest.mark.slow
def test_a_dump_and_a_student_take_the_order_of_the_teacher(world):
  custom = {'task_name': 'custom'}
  teacher = {'output_dir': world / 'teacher', **custom}
  _run(world, '--do_train', labels='1,0', num_train_epochs=10, **teacher)
  dump = {
    'teacher_checkpoint': world / 'teacher',
    'transfer_split': 'train',
    'logits_dir': world / 'dump',
    'num_logits_shards': 1,
    'bert_config_file': None,
    'output_dir': None,
    **dict.fromkeys(('learning_rate', 'num_train_epochs', 'train_batch_size')),
  }
  distil = 'run_distillation'
  _run(world, '--do_dump_logits', script=distil, **custom, **dump)
  manifest = json.loads((world / 'dump' / 'manifest.json').read_text())
  assert manifest['labels'] == ['1', '0']
  student = {'output_dir': world / 'student', 'logits_dir': world / 'dump'}
  _run(world, '--do_train', script=distil, **custom, **student)
  assert (world / 'student' / 'labels.txt').read_text() == '1\n0\n'
  # Its fine-tuning keeps the head, and so the order.
  student = {'init_checkpoint': world / 'student', 'output_dir': world / 'pdf'}
  _run(world, '--do_train', **custom, **student)
  assert (world / 'pdf' / 'labels.txt').read_text() == '1\n0\n'


@pytest.mark.slow
def test_ax_is_predicted_by_a_model_of_mnli(world):
  head = 'index\tsentence1\tsentence2\tgold_label\n'
  rows = [
    f'{i}\ta film\tthe plot\t{label}\n'
    for i, label in enumerate(['neutral', 'entailment', 'contradiction'] * 3)
  ]
  (world / 'task' / 'train.tsv').write_text(head + ''.join(rows))
  _run(world, '--do_train', task_name='mnli')
  assert (world / 'out' / 'labels.txt').read_text().split() == [
    *('contradiction', 'entailment', 'neutral')
  ]
  (world / 'task' / 'diagnostic').mkdir()
  (world / 'task' / 'diagnostic' / 'diagnostic.tsv').write_text(
    'index\tsentence1\tsentence2\n0\ta\tb\n1\tc\td\n'
  )
  ax = {'task_name': 'ax', 'output_dir': world / 'ax'}
  _run(world, '--do_predict', init_checkpoint=world / 'out', **ax)
  header, *lines = (world / 'ax' / 'predictions.tsv').read_text().splitlines()
  assert header.split('\t')[:2] == ['example_id', 'prediction']
  assert [line.split('\t')[0] for line in lines] == ['0', '1']


@pytest.mark.slow
def test_numbers_of_one_s_own_are_predicted(world):
  for split in ('train', 'dev', 'test'):
    lines = [f'the film {i},{i}.5\n' for i in range(8)]
    (world / 'task' / f'{split}.csv').write_text('text,y\n' + ''.join(lines))
  own = {'text_column': 'text', 'label_column': 'y', 'file_format': 'csv'}
  arguments = ['--do_train', '--do_eval', '--do_predict', '--regression']
  _run(world, *arguments, task_name='custom', **own)
  scores = (world / 'out' / 'eval_results.txt').read_text()
  assert 'eval_pearson' in scores and 'eval_spearman' in scores
  assert np.loadtxt(world / 'out' / 'test_results.tsv').shape == (8,)
  assert not (world / 'out' / 'labels.txt').exists()


@pytest.mark.slow
def test_a_teacher_and_its_dump_are_made_from_tensorflow_datasets(world):
  words = ['positive', 'negative']
  train = [
    {'sentence': f'the film is {x} {w} .', 'label': words[x == 'bad']}
    for x in ('good', 'bad')
    for w in tiny_world.VOCABULARY[6:18]
  ]
  rows = {
    'train': train,
    'validation': train[::5],
    'test': [{'sentence': 'a plot', 'label': -1}] * 3,
  }
  folder = tiny_tfds.glue(world, 'sst2', rows)
  source = {'data_source': 'tfds', 'data_dir': folder, 'num_train_epochs': 20}
  _run(world, '--do_train', '--do_eval', '--do_predict', **source)
  ids = (world / 'out' / 'predictions.tsv').read_text().splitlines()[1:]
  assert sorted(line.split('\t')[0] for line in ids) == ['0', '1', '2']
  flags = [
    *[f'--teacher_checkpoint={world / "out"}', f'--logits_dir={world / "d"}'],
    *['--task_name=sst-2', '--data_source=tfds', f'--data_dir={folder}'],
    *[f'--vocab_file={world / "vocab.txt"}', '--max_seq_length=16'],
    *['--do_dump_logits', '--transfer_split=train', '--num_logits_shards=1'],
  ]
  tiny_world.run('run_distillation', *flags)
  manifest = json.loads((world / 'd' / 'manifest.json').read_text())
  # What stands in dev is left out, and every text has its label.
  assert manifest['num_held_out'] == 5
  assert manifest['num_labelled'] == manifest['num_examples'] == 19


def test_the_default_splits_are_those_of_the_data_set(world):
  rows = [{'sentence': 'a', 'label': 'x'}]
  folder = tiny_tfds.own_texts(
    world,
    {'train': rows, 'test': rows},
    label=tfds.features.ClassLabel(names=['y', 'x']),
  )
  own = {'task_name': 'custom', 'tfds_name': 'own_texts', 'data_dir': folder}
  message = "no split 'validation' or 'dev'; it has train, test|test, train"
  with pytest.raises(UserError, match=message):
    _run(world, '--do_train', '--do_eval', data_source='tfds', **own)


@pytest.mark.parametrize(
  ('arguments', 'changes', 'message'),
  [
    ([], {'regression': True}, '--regression cannot take effect: SST-2 has'),
    ([], {'text_column': 'x'}, '--text_column cannot take effect'),
    ([], {'file_format': 'csv'}, '--file_format cannot take effect'),
    ([], {'xnli_language': 'de'}, '--xnli_language cannot take effect'),
    ([], {'tfds_name': 'x'}, '--tfds_name cannot take .* is not tfds'),
    ([], {'data_dir': None}, '--data_dir must be given'),
    (
      ['--task_name=custom', '--regression'],
      {'labels': 'a,b'},
      '--labels cannot take effect: --regression',
    ),
    (
      ['--task_name=custom'],
      {'labels': 'a,b', 'labels_file': 'x'},
      'either --labels or --labels_file',
    ),
    (
      ['--task_name=custom'],
      {'data_source': 'tfds'},
      '--tfds_name must be given',
    ),
    (
      ['--task_name=custom', '--file_format=csv'],
      {'data_source': 'tfds', 'tfds_name': 'x'},
      '--file_format cannot take effect: --data_source=tfds',
    ),
    (['--task_name=ax'], {}, '--do_train cannot take effect: AX is a test set'),
    (['--task_name=custom'], {'file_format': 'csv'}, "no file '.*/train.csv'"),
    (['--task_name=custom'], {'labels_file': '/none'}, "no file '/none'"),
  ],
)
def test_flags_that_cannot_take_effect_are_refused(
  world, arguments, changes, message
):
  with pytest.raises(UserError, match=message):
    _run(world, '--do_train', *arguments, **changes)
  assert not (world / 'out').exists()
