"""A smaller vocabulary computes the same on text of the kept pieces."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
import tiny_world

from data.text.corpus import Corpus
from data.text.corpus_options import CorpusOptions
from data.text.tokenization import BertTokenizer
from modeling.checkpoints import exporting, location
from modeling.configs import BertConfig
from modeling.models import PreTrainer, released_variables
from serving.exports import hugging_face, parts
from system.errors import UserError
from tools import prune_output, prune_vocab

_KEPT = ['good', 'bad', 'film', 'the', 'is', '.', 'a']


def _corpus(path):
  return Corpus(CorpusOptions(str(path)))


def _prune(folder, text, output, heldout=None, **options):
  corpora = {'input_file': _corpus(text)}
  if heldout:
    corpora['heldout_file'] = _corpus(heldout)
  return prune_vocab.prune(
    location.locate(str(folder)), corpora, str(output), **options
  )


def _command(**values):
  """Runs the tool in a process of its own; returns the last line it prints."""
  flags = tiny_world.named_flags(values)
  done = subprocess.run(
    [sys.executable, '-m', 'tools.prune_vocab', *flags],
    capture_output=True,
    text=True,
  )
  return (done.stdout if done.returncode == 0 else done.stderr).splitlines()[-1]


@pytest.fixture
def text(tmp_path):
  path = tmp_path / 'reviews.txt'
  path.write_text('The film is good .\nthe film is bad .\n')
  return path


@pytest.mark.slow
def test_a_pruned_classifier_predicts_the_same(teacher_world, text):
  world, output = teacher_world, teacher_world / 'pruned'
  (world / 'heldout.txt').write_text('the plot is fine .\n')
  report = _prune(world / 'teacher', text, output, world / 'heldout.txt')
  tokens = (output / 'vocab.txt').read_text().split()
  assert tokens == [
    x for x in tiny_world.VOCABULARY if x[0] == '[' or x in _KEPT
  ]
  lines = prune_output.render(report)
  assert lines[1].split() == ['wordpieces', '20', '12']
  assert report == json.loads((output / 'prune.json').read_text())
  costs = report['texts']
  assert costs['input_file']['after'] == costs['input_file']['before']
  # 'plot' and 'fine' have no piece any more, and no characters.
  assert costs['heldout_file']['before']['unknown_words'] == 0
  assert costs['heldout_file']['after']['unknown_words'] == 2
  # 8 tokens of 8 units, and no masked-LM head.
  weights = report['weights']
  assert weights['before'] - weights['after'] == 8 * 8

  (world / 'few.tsv').write_text('sentence\nthe film is good .\na bad film .\n')
  predictions = []
  for number, folder in enumerate((world / 'teacher', output)):
    tiny_world.run(
      'run_classifier',
      *tiny_world.named_flags(
        {
          'task_name': 'SST-2',
          'init_checkpoint': folder,
          'predict_file': world / 'few.tsv',
          'output_dir': world / f'out{number}',
        }
      ),
      '--do_predict',
    )
    name = world / f'out{number}' / 'test_results.tsv'
    predictions.append(np.loadtxt(name))
  np.testing.assert_allclose(*predictions, atol=1e-6)
  content = json.loads((output / 'model.json').read_text())
  assert content['task']['labels'] == ['0', '1']
  assert content['max_seq_length'] == 16
  location.locate(str(output)).check_checksums()


def test_a_pruned_pre_trained_model_keeps_its_masked_lm_head(world, text):
  tokenizer = BertTokenizer(str(world / 'vocab.txt'))
  config = BertConfig.from_json_file(str(world / 'bert_config.json'))
  variables = released_variables(PreTrainer(config))
  bias = variables['cls/predictions/output_bias']
  bias.assign(tf.range(20, dtype=tf.float32))
  folder = world / 'encoder'
  folder.mkdir()
  for name in ('vocab.txt', 'bert_config.json'):
    shutil.copy(world / name, folder)
  exporting.write_released(str(folder / 'bert_model.ckpt'), variables)
  output = world / 'pruned'
  with pytest.raises(UserError, match='give --do_lower_case or --nodo_lower'):
    _prune(folder, text, output)
  _prune(folder, text, output, do_lower_case=True)
  found = tf.train.load_checkpoint(str(output))
  tokens = (output / 'vocab.txt').read_text().split()
  ids = [tokenizer.tokens.index(token) for token in tokens]
  assert found.get_tensor('cls/predictions/output_bias').tolist() == ids
  np.testing.assert_array_equal(
    found.get_tensor('bert/embeddings/word_embeddings'),
    variables['bert/embeddings/word_embeddings'].numpy()[ids],
  )
  assert json.loads((output / 'bert_config.json').read_text())[
    'vocab_size'
  ] == (len(tokens))


def test_a_casing_that_contradicts_the_model_is_refused(teacher_world, text):
  with pytest.raises(UserError, match='`do_lower_case`=False contradicts'):
    _prune(
      teacher_world / 'teacher',
      text,
      teacher_world / 'pruned',
      do_lower_case=False,
    )


def test_a_model_without_its_vocabulary_is_refused(teacher_world, text):
  folder = teacher_world / 'teacher'
  (folder / 'vocab.txt').unlink()
  with pytest.raises(UserError, match='no vocab.txt next to'):
    _prune(folder, text, teacher_world / 'pruned')


def test_a_failed_pruning_leaves_no_folder(teacher_world, text, monkeypatch):
  world = teacher_world
  before = sorted(world.iterdir())

  def fail(*_, **__):
    raise UserError('the disk is full')

  monkeypatch.setattr(exporting, 'export', fail)
  with pytest.raises(UserError, match='the disk is full'):
    _prune(world / 'teacher', text, world / 'pruned')
  assert sorted(world.iterdir()) == before


def test_what_an_export_records_is_kept(teacher_world, text):
  world, export = teacher_world, teacher_world / 'export'
  model = parts.read(str(world / 'teacher'), 'task')
  export.mkdir()
  hugging_face.write(model, str(export))
  record = {
    'labels': ['0', '1'],
    'max_seq_length': 16,
    'takes_pairs': True,
    'temperature': 1.5,
  }
  (export / 'export.json').write_text(json.dumps(record))
  _prune(export, text, world / 'pruned')
  content = json.loads((world / 'pruned' / 'model.json').read_text())
  assert content['max_seq_length'] == 16
  assert content['temperature'] == 1.5
  assert content['task']['is_pair']


@pytest.mark.slow
def test_the_command_checks_its_folder_first(world, text):
  last = _command(
    init_checkpoint='/none', input_file=text, output_dir=world / 'task'
  )
  assert last == f'ERROR: --output_dir={world}/task exists; give a new folder'
  last = _command(
    init_checkpoint='/none', input_file=text, output_dir=text / 'pruned'
  )
  assert last.startswith(f'ERROR: cannot write to {text}: ')


def test_a_language_has_no_effect(text):
  last = _command(
    init_checkpoint='/none',
    input_file=text,
    input_format='text',
    language='de',
    output_dir='/none',
  )
  assert last.startswith('ERROR: --language cannot take effect: sentences are')


@pytest.mark.slow
def test_the_command_prints_the_table(teacher_world, text):
  last = _command(
    init_checkpoint=teacher_world / 'teacher',
    input_file=text,
    output_dir=teacher_world / 'pruned',
  )
  assert last.split() == [
    *['input_file:', '[UNK],', '%', 'of', 'words', '0.0000', '0.0000'],
  ]


@pytest.mark.slow
def test_a_teacher_of_the_whole_vocabulary_teaches_a_pruned_student(
  teacher_world, text
):
  world = teacher_world
  _prune(world / 'teacher', text, world / 'pruned')
  values = {
    'task_name': 'SST-2',
    'data_dir': world / 'task',
    'teacher_checkpoint': world / 'teacher',
    'transfer_file': world / 'transfer.txt',
    'logits_dir': world / 'dump',
  }
  flags = tiny_world.named_flags(values)
  tiny_world.run('run_distillation', *flags, '--do_dump_logits', '--keep_text')
  values = {
    **{name: values[name] for name in ('task_name', 'data_dir', 'logits_dir')},
    'init_checkpoint': world / 'pruned',
    'output_dir': world / 'student',
    'train_batch_size': 2,
    'num_train_epochs': 1,
  }
  tiny_world.run(
    'run_distillation', *tiny_world.named_flags(values), '--do_train'
  )
  vocabulary = (world / 'student' / 'vocab.txt').read_text()
  assert vocabulary == (world / 'pruned' / 'vocab.txt').read_text()
