"""run_distillation.py --do_import_logits: any teacher's scores as a dump."""

import csv
import json

import numpy as np
import pytest
import tiny_world

from data.tasks import glue
from distillation import logits_dump
from system.errors import UserError

_TEXTS = ['the film was good .', 'the plot was awful .', 'a great a film']


def _run(*arguments):
  tiny_world.run('run_distillation', *arguments)


def _flags(world, **changes):
  values = {
    'task_name': 'SST-2',
    'data_dir': world / 'task',
    'vocab_file': world / 'vocab.txt',
    'max_seq_length': 16,
    'logits_dir': world / 'dump',
    'teacher_scores': world / 'scores.csv',
    'teacher_dev_scores': world / 'dev.csv',
    'num_logits_shards': 2,
    **changes,
  }
  return [*tiny_world.named_flags(values), '--do_import_logits']


def _texts_of(world, split):
  return [e.text_a for e in glue.get_task('SST-2').read_split(world, split)]


def _write(path, texts, probabilities):
  """Writes probabilities [N, 2] of the labels 1 and 0, in that order."""
  with open(path, 'w', newline='') as file:
    writer = csv.writer(file)
    writer.writerow(['sentence', 'probability_1', 'probability_0'])
    writer.writerows(
      [text, *row]
      for text, row in zip(texts, probabilities.tolist(), strict=True)
    )


def _judged(texts):
  """Returns the probabilities of a teacher that knows the adjectives."""
  good = [any(x in text for x in tiny_world.VOCABULARY[6:10]) for text in texts]
  return np.array([[0.9, 0.1] if x else [0.2, 0.8] for x in good])


@pytest.fixture
def scored(world):
  """A `world` with the scores of three texts, and of dev."""
  _write(world / 'scores.csv', _TEXTS, _judged(_TEXTS))
  dev = _texts_of(world / 'task', 'dev')
  _write(world / 'dev.csv', dev, _judged(dev))
  return world


def _dump(folder):
  (dump,) = logits_dump.open_dumps([str(folder)], glue.get_task('SST-2'))
  return dump


def test_an_imported_dump_is_one_like_any_other(scored):
  _run(*_flags(scored), '--keep_text', '--teacher_name=gpt-4')
  dump = _dump(scored / 'dump')
  rows = list(dump.rows())
  assert [row.example_id for row in rows] == [
    f'scores.csv:{n}' for n in (2, 3, 4)
  ]
  assert [row.text_a for row in rows] == _TEXTS
  np.testing.assert_allclose(
    np.exp([row.teacher_logits for row in rows]),
    _judged(_TEXTS)[:, ::-1],
    rtol=1e-5,
  )
  words = [tiny_world.VOCABULARY[i] for i in rows[0].input_ids]
  assert words == '[CLS] the film was good . [SEP]'.split()
  manifest = dump.manifest
  assert (manifest.teacher, manifest.num_examples) == ('gpt-4', 3)
  assert manifest.origins[0].describe() == 'imported scores of `gpt-4`'
  assert manifest.teacher_scores['eval_accuracy'] == 1.0
  results = (scored / 'dump' / 'eval_results.txt').read_text()
  assert 'global_step = 0\n' in results
  assert manifest.keeps_text and manifest.num_labelled == 0
  facts = json.loads((scored / 'dump' / 'imported_scores.json').read_text())
  assert facts['tables'][0]['kind'] == 'probabilities'


def test_a_dump_is_continued_but_not_replaced(scored, caplog):
  folder = scored / 'dump'
  _run(*_flags(scored))
  whole = {p.name: p.read_bytes() for p in folder.glob('logits-*')}
  (folder / 'manifest.json').unlink()
  (folder / 'logits-00001-of-00002').unlink()
  _run(*_flags(scored))
  assert {p.name: p.read_bytes() for p in folder.glob('logits-*')} == whole
  _run(*_flags(scored))
  assert f'The dump in {folder} is complete already.' in caplog.text
  _write(scored / 'scores.csv', _TEXTS[:2], _judged(_TEXTS[:2]))
  with pytest.raises(UserError, match='holds a run with another configuration'):
    _run(*_flags(scored))


def test_an_import_keeps_the_record_of_a_run(scored):
  (scored / 'dump').mkdir()
  record = '{"configuration": {"script": "run_classifier"}}'
  (scored / 'dump' / 'run.json').write_text(record)
  with pytest.raises(UserError, match='/dump holds a run of run_classifier'):
    _run(*_flags(scored))
  assert (scored / 'dump' / 'run.json').read_text() == record


def test_a_teacher_with_exchanged_labels_is_refused(scored):
  names = {'teacher_label_names': '1,0', 'teacher_name': 'me'}
  with pytest.raises(UserError, match='teacher me is far below chance level'):
    _run(*_flags(scored, **names))
  # The folder is free for the next teacher.
  _run(*_flags(scored))


def test_a_teacher_without_dev_scores_is_accepted_if_allowed(scored):
  flags = _flags(scored, teacher_dev_scores=None)
  with pytest.raises(UserError, match='--teacher_dev_scores, or --allow_weak'):
    _run(*flags)
  _run(*flags, '--allow_weak_teacher')
  manifest = _dump(scored / 'dump').manifest
  assert manifest.dev_split == ''
  assert (
    manifest.origins[0]
    .describe()
    .startswith('imported scores with the SHA-256 `')
  )


@pytest.mark.parametrize(
  ('changes', 'jobs', 'message'),
  [
    ({'teacher_scores': None}, (), '--teacher_scores must be given'),
    ({'teacher_scores': '/none.csv'}, (), '--teacher_scores: '),
    ({'logits_dir': 'a,b'}, (), '--do_import_logits writes one dump'),
    (
      {'hard_label_weight': 0.5, 'output_dir': 'o'},
      ('--do_train',),
      '--hard_label_weight=0.5 cannot take effect: imported scores have neith',
    ),
    (
      {
        'teacher_checkpoint': 'checkpoint',
        'transfer_split': 'train',
      },
      ('--do_dump_logits',),
      'either --do_dump_logits or --do_import_logits|--teacher_checkpoint: ',
    ),
    ({'transfer_split': 'train'}, (), '--transfer_split cannot take effect'),
    ({'teacher_name': ' '}, (), '--teacher_name is blank'),
  ],
)
def test_mistakes_are_refused_before_work(scored, changes, jobs, message):
  with pytest.raises(UserError, match=message):
    _run(*_flags(scored, **changes), *jobs)


def test_flags_of_an_import_need_one(scored):
  flags = _flags(scored, num_logits_shards=None)[:-1]
  with pytest.raises(UserError, match='--teacher_scores, .*cannot take effect'):
    _run(*flags, '--do_train', f'--output_dir={scored}/student')


@pytest.mark.slow
def test_a_student_learns_from_scikit_learn_and_agrees_with_it(world):
  pytest.importorskip('sklearn')
  from recipes import scikit_learn_teacher

  task = glue.get_task('SST-2')
  train = task.read_split(str(world / 'task'), 'train')
  model = scikit_learn_teacher.fit(
    [e.text_a for e in train], [e.label for e in train]
  )
  texts = (world / 'transfer.txt').read_text().splitlines()
  texts += [f'{text} and {text}' for text in texts]
  for name, own in (
    ('scores', texts * 6),
    ('dev', _texts_of(world / 'task', 'dev')),
  ):
    scikit_learn_teacher.write_scores(model, own, str(world / f'{name}.csv'))
  student = tiny_world.named_flags(
    {
      'bert_config_file': world / 'bert_config.json',
      'output_dir': world / 'student',
      'learning_rate': 1e-2,
      'num_train_epochs': 20,
      'train_batch_size': 8,
    }
  )
  _run(*_flags(world), *student, '--do_train', '--do_eval')
  results = (world / 'student' / 'eval_results.txt').read_text()
  scores = dict(line.split(' = ') for line in results.splitlines())
  assert float(scores['eval_teacher_agreement']) > 0.9
  assert float(scores['eval_accuracy']) > 0.9


def _distilbert(folder):
  """Returns a function from texts to an answer of a random DistilBERT."""
  transformers = pytest.importorskip('transformers')
  torch = pytest.importorskip('torch')
  torch.manual_seed(0)
  config = transformers.DistilBertConfig(
    vocab_size=len(tiny_world.VOCABULARY),
    dim=8,
    hidden_dim=16,
    n_layers=1,
    n_heads=2,
    initializer_range=1.0,
    id2label={0: 'NEGATIVE', 1: 'POSITIVE'},
    label2id={'NEGATIVE': 0, 'POSITIVE': 1},
  )
  model = transformers.DistilBertForSequenceClassification(config).eval()
  tokenizer = transformers.DistilBertTokenizer(str(folder / 'vocab.txt'))
  classify = transformers.pipeline(
    'text-classification', model=model, tokenizer=tokenizer, device='cpu'
  )
  return lambda texts: classify(texts, top_k=None)


@pytest.mark.slow
def test_hugging_face_and_a_bert_of_ours_teach_together(teacher_world):
  world = teacher_world
  answer = _distilbert(world)
  for name, texts in (
    ('scores', _TEXTS * 4),
    ('dev', _texts_of(world / 'task', 'dev')),
  ):
    with open(world / f'{name}.jsonl', 'w') as file:
      for text, scores in zip(texts, answer(texts), strict=True):
        row = {'sentence': text, 'probabilities': scores}
        file.write(json.dumps(row) + '\n')
  shared = {
    'teacher_scores': world / 'scores.jsonl',
    'teacher_dev_scores': world / 'dev.jsonl',
    'logits_dir': world / 'imported',
  }
  _run(
    *_flags(world, **shared, teacher_label_names='NEGATIVE,POSITIVE'),
    '--allow_weak_teacher',
  )
  # The texts, and so their ids, are those of the same file.
  own = {
    'teacher_scores': None,
    'teacher_dev_scores': None,
    'teacher_checkpoint': world / 'teacher',
    'transfer_file': world / 'scores.jsonl',
  }
  _run(*_flags(world, **own)[:-1], '--do_dump_logits')
  _run(
    *tiny_world.task_flags(
      world,
      logits_dir=f'{world / "dump"},{world / "imported"}',
      num_train_epochs=1,
      output_dir=world / 'student',
    ),
    *['--do_train', '--do_eval'],
  )
  merged = _dump(world / 'student' / 'dump')
  sources = [_dump(world / name) for name in ('dump', 'imported')]
  expected = [
    np.mean([_softmax(row.teacher_logits) for row in rows], axis=0)
    for rows in zip(*(dump.rows() for dump in sources), strict=True)
  ]
  np.testing.assert_allclose(
    [_softmax(row.teacher_logits) for row in merged.rows()],
    expected,
    atol=1e-6,
  )
  results = (world / 'student' / 'eval_results.txt').read_text()
  assert 'eval_teacher_agreement' in results


def _softmax(logits):
  values = np.exp(logits.astype(np.float64) - logits.max())
  return values / values.sum()


def test_numbers_are_imported_for_pairs(world):
  header = 'index\tsentence1\tsentence2\tscore\n'
  (world / 'sts').mkdir()
  for split in ('train', 'dev'):
    (world / 'sts' / f'{split}.tsv').write_text(
      header + '0\tgood film\tbad film\t1.0\n1\tgood film\tgood plot\t4.0\n'
    )
  (world / 'a.tsv').write_text(
    'sentence1\tsentence2\tprediction\nfine film\tpoor plot\t1.5\n'
    'bad film\tgood film\t9\n'
  )
  (world / 'd.tsv').write_text(
    'sentence1\tsentence2\tprediction\ngood film\tbad film\t2\n'
    'good film\tgood plot\t3\n'
  )
  changes = {
    'task_name': 'STS-B',
    'data_dir': world / 'sts',
    'teacher_scores': world / 'a.tsv',
    'teacher_dev_scores': world / 'd.tsv',
  }
  _run(*_flags(world, **changes))
  (dump,) = logits_dump.open_dumps(
    [str(world / 'dump')], glue.get_task('STS-B')
  )
  # The second pair is one of dev's, whose halves have changed places.
  (row,) = dump.rows()
  assert row.teacher_logits.tolist() == [1.5]
  assert dump.manifest.num_held_out == 1
  assert dump.manifest.teacher_scores['eval_pearson'] == pytest.approx(1.0)
