"""Tasks by setting, alone and through the scripts: their data and labels."""

import json

import numpy as np
import pytest
import tensorflow_datasets as tfds
import tiny_tfds
import tiny_world

from data.tasks import label_order
from data.tasks.examples import Example
from data.tasks.options import TaskOptions, make_task
from system.errors import UserError


def _run(world, *arguments, script='run_classifier', **changes):
  flags = tiny_world.task_flags(world, **{'num_train_epochs': 1, **changes})
  tiny_world.run(script, *flags, *arguments)


def _options(folder, **changes):
  return TaskOptions(str(folder), **{'task_name': 'custom', **changes})


def _write_texts(folder, *labels, split='train'):
  rows = ''.join(f'a text\t{label}\n' for label in labels)
  (folder / f'{split}.tsv').write_text('sentence\tlabel\n' + rows)


def _model(folder, *labels):
  """Writes a model's labels; returns its folder."""
  folder.mkdir()
  label_order.write(str(folder), labels)
  return str(folder)


def test_labels_are_those_of_the_training_split(tmp_path):
  _write_texts(tmp_path, 10, 9, 10)
  task = make_task(_options(tmp_path), [], is_training=True)
  assert task.labels == ('9', '10') and task.metrics[0] == 'accuracy'
  _write_texts(tmp_path, 'b', 'a')
  assert make_task(_options(tmp_path), []).labels == ('a', 'b')


def test_a_model_that_is_not_trained_gives_the_labels(tmp_path):
  model = _model(tmp_path / 'model', 'x', 'c', 'b')
  assert make_task(_options(tmp_path), [model]).labels == ('x', 'c', 'b')


def test_data_may_spell_the_labels_of_a_model_in_another_case(tmp_path, caplog):
  model = _model(tmp_path / 'model', 'POSITIVE', 'Straße', 'negative')
  _write_texts(tmp_path, 'negative', 'positive', 'strasse', split='dev')
  task = make_task(_options(tmp_path), [model])
  labels = [e.label for e in task.read_split(str(tmp_path), 'dev')]
  assert labels == ['negative', 'POSITIVE', 'Straße']
  assert [task.encode_label(label) for label in labels] == [2, 0, 1]
  logged = "The label 'positive' of the data is 'POSITIVE' of the model."
  assert caplog.text.count(logged) == 1
  assert "'negative' of the model" not in caplog.text
  # The user's own labels are taken literally.
  options = _options(tmp_path, labels=('POSITIVE', 'Straße', 'negative'))
  with pytest.raises(UserError, match="line 3: unknown label 'positive'"):
    make_task(options, [model]).read_split(str(tmp_path), 'dev')


def test_a_label_in_two_spellings_is_not_taken_for_a_label_of_a_model(tmp_path):
  model = _model(tmp_path / 'model', 'POSITIVE', 'NEGATIVE')
  task = make_task(_options(tmp_path), [model])
  _write_texts(tmp_path, 'positive', 'Positive', split='dev')
  with pytest.raises(
    UserError,
    match="dev.tsv, line 3: found the label 'Positive', and 'positive' before: "
    "the model has one label for both, 'POSITIVE'",
  ):
    task.read_split(str(tmp_path), 'dev')
  both = _model(tmp_path / 'both', 'good', 'Good')
  task = make_task(_options(tmp_path), [both])
  _write_texts(tmp_path, 'Good', 'good', split='dev')
  examples = task.read_split(str(tmp_path), 'dev')
  assert [e.label for e in examples] == ['Good', 'good']
  _write_texts(tmp_path, 'GOOD', split='dev')
  with pytest.raises(UserError, match="line 2: unknown label 'GOOD'"):
    task.read_split(str(tmp_path), 'dev')


def test_training_keeps_the_order_of_a_model_with_the_same_labels(tmp_path):
  _write_texts(tmp_path, 'a', 'b')
  same = _model(tmp_path / 'same', 'b', 'a')
  other = _model(tmp_path / 'other', 'b', 'c')
  options = _options(tmp_path)
  assert make_task(options, [same], is_training=True).labels == ('b', 'a')
  assert make_task(options, [other], is_training=True).labels == ('a', 'b')


def test_a_dump_decides_before_the_model_and_the_training_split(tmp_path):
  _write_texts(tmp_path, 'a', 'b')
  dump = _model(tmp_path / 'dump', 'd', 'c')
  model = _model(tmp_path / 'model', 'b', 'a')
  task = make_task(_options(tmp_path), [model], [dump], is_training=True)
  assert task.labels == ('d', 'c')
  reordered = _model(tmp_path / 'reordered', 'c', 'd')
  with pytest.raises(UserError, match='order d, c; .*reordered.* are c, d'):
    make_task(_options(tmp_path), [reordered], [dump], is_training=True)


def test_given_labels_decide_before_all_others(tmp_path):
  dump = _model(tmp_path / 'dump', 'd', 'c')
  options = _options(tmp_path, labels=('b', 'a'))
  assert make_task(options, [], [dump]).labels == ('b', 'a')
  (tmp_path / 'mine.txt').write_text('y\nx\n')
  options = _options(tmp_path, labels_file=str(tmp_path / 'mine.txt'))
  assert make_task(options, [], [dump]).labels == ('y', 'x')
  task = make_task(_options(tmp_path, regression=True), [], [dump])
  assert task.is_regression and task.metrics[:2] == ('pearson', 'spearman')


def test_columns_and_format_are_those_of_the_options(tmp_path):
  (tmp_path / 'dev.csv').write_text('id,q,a,y\n7,one,two,0\n')
  (tmp_path / 'dev.tsv').write_text('not read\n')
  columns = {'text_column': 'q', 'text_pair_column': 'a', 'id_column': 'id'}
  options = _options(
    tmp_path, labels=('0', '1'), label_column='y', file_format='csv', **columns
  )
  assert make_task(options, []).read_split(str(tmp_path), 'dev') == [
    Example('7', 'one', 'two', '0')
  ]


def test_named_tasks_have_labels_and_language_of_their_own(tmp_path):
  xnli = make_task(_options(tmp_path, task_name='XNLI', xnli_language='de'), [])
  assert xnli.splits['train'].layouts[0].file.endswith('train.de.tsv')
  sst2 = _options(tmp_path, task_name='sst2', data_source='tfds')
  assert make_task(sst2, []).splits['dev'].dataset == 'glue/sst2'
  swapped = _model(tmp_path / 'model', '1', '0')
  # Its classes are matched by name when it is loaded.
  assert make_task(sst2, [swapped]).labels == ('0', '1')
  other = _model(tmp_path / 'other', 'no', 'yes')
  assert make_task(sst2, [other], is_training=True).labels == ('0', '1')
  with pytest.raises(UserError, match='has the labels no, yes, SST-2 has 0, 1'):
    make_task(sst2, [other])


@pytest.mark.parametrize(
  ('changes', 'message'),
  [
    ({'task_name': 'squad'}, "unknown task 'squad'.* and custom"),
    ({'data_dir': None}, '`data_dir` must be given'),
    ({'data_source': 'tfds'}, '`tfds_name` must be given'),
    (
      {'labels': ('a', 'b'), 'labels_file': 'x'},
      'either `labels` or `labels_file`',
    ),
  ],
)
def test_contradicting_and_missing_settings_are_refused(changes, message):
  options = {'data_dir': '/none', 'task_name': 'custom', **changes}
  with pytest.raises(UserError, match=message):
    TaskOptions(**options).check()
  if changes.get('data_source') == 'tfds':
    TaskOptions(**options, tfds_name='x').check()


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


@pytest.mark.slow
def test_labels_found_in_training_stay_with_the_model(world):
  _write_pairs(world, 'train', [10, 9, 10, 9, 8, 8, 10, 9])
  _run(world, '--do_train', **_PAIRS)
  labels = world / 'out' / 'labels.txt'
  assert labels.read_text() == '8\n9\n10\n'
  configuration = json.loads((world / 'out' / 'run.json').read_text())
  assert configuration['configuration']['labels'] == ['8', '9', '10']
  # Evaluation ignores the training data, which has other labels now.
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
def test_a_dump_and_a_student_keep_the_teacher_s_order_of_labels(world):
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
  # Its fine-tuning keeps the head, and so the order of the labels.
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
def test_a_custom_task_predicts_numbers(world):
  for split in ('train', 'dev', 'test'):
    lines = [f'the film {i},{i}.5\n' for i in range(8)]
    (world / 'task' / f'{split}.csv').write_text('text,y\n' + ''.join(lines))
  columns = {'text_column': 'text', 'label_column': 'y', 'file_format': 'csv'}
  arguments = ['--do_train', '--do_eval', '--do_predict', '--regression']
  _run(world, *arguments, task_name='custom', **columns)
  scores = (world / 'out' / 'eval_results.txt').read_text()
  assert 'eval_pearson' in scores and 'eval_spearman' in scores
  assert np.loadtxt(world / 'out' / 'test_results.tsv').shape == (8,)
  assert not (world / 'out' / 'labels.txt').exists()


@pytest.mark.slow
def test_a_teacher_and_its_dump_read_tensorflow_datasets(world):
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
  # Texts of dev are left out; every other text has its label.
  assert manifest['num_held_out'] == 5
  assert manifest['num_labelled'] == manifest['num_examples'] == 19


def test_the_default_splits_are_those_of_the_data_set(world):
  rows = [{'sentence': 'a', 'label': 'x'}]
  folder = tiny_tfds.own_texts(
    world,
    {'train': rows, 'test': rows},
    label=tfds.features.ClassLabel(names=['y', 'x']),
  )
  source = {'task_name': 'custom', 'tfds_name': 'own_texts'}
  message = "no split 'validation' or 'dev'; it has train, test|test, train"
  with pytest.raises(UserError, match=message):
    _run(
      *[world, '--do_train', '--do_eval'],
      **{'data_source': 'tfds', 'data_dir': folder, **source},
    )


@pytest.mark.parametrize(
  ('arguments', 'changes', 'message'),
  [
    (
      ['--regression'],
      {'label_column': 'x', 'file_format': 'csv'},
      '--file_format, --label_column, --regression cannot take effect: '
      '--task_name is not custom',
    ),
    ([], {'xnli_language': 'de'}, '--xnli_language cannot take .* not xnli'),
    ([], {'tfds_name': 'x'}, '--tfds_name cannot take .* is not tfds'),
    ([], {'data_dir': None}, '--data_dir must be given'),
    (
      ['--task_name=custom', '--regression'],
      {'labels': 'a,b'},
      '--labels cannot take effect: --regression is True',
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
      '--file_format cannot take effect: --data_source is tfds',
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
