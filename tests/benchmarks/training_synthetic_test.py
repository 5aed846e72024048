"""Synthetic data for the benchmark of training."""

from benchmarks import training_data, training_synthetic
from data.tasks import glue
from data.text.vocabulary import load_vocabulary


def test_the_vocabulary_has_bert_s_size_and_no_word_twice(tmp_path):
  training_synthetic.vocabulary(str(tmp_path / 'vocab.txt'))
  loaded = load_vocabulary(str(tmp_path / 'vocab.txt'))
  assert len(set(loaded.tokens)) == 30522


def test_every_word_of_the_text_is_in_the_vocabulary(tmp_path, monkeypatch):
  monkeypatch.setattr(training_synthetic, '_NUM_DOCUMENTS', 20)
  training_synthetic.vocabulary(str(tmp_path / 'vocab.txt'))
  training_synthetic.text(str(tmp_path / 'text.txt'))
  words = set((tmp_path / 'vocab.txt').read_text().split())
  text = (tmp_path / 'text.txt').read_text()
  assert text.count('\n\n') == 19
  assert set(text.split()) <= words


def test_the_task_has_sst_2_s_form(tmp_path, monkeypatch):
  monkeypatch.setattr(training_synthetic, '_NUM_PHRASES', 50)
  training_synthetic.sst_2(str(tmp_path))
  examples = glue.get_task('SST-2').read_split(str(tmp_path), 'train')
  assert len(examples) == 50
  assert {example.label for example in examples} == {'0', '1'}


def test_only_missing_data_that_jobs_need_is_made(tmp_path):
  vocab_file = str(tmp_path / 'vocab.txt')
  given = training_data.Data(vocab_file, None, 'glue/SST-2')
  folder = tmp_path / 'new'
  completed = given.completed(str(folder), {'scoring'})
  assert (completed.vocab_file, completed.sst_2_dir) == (
    vocab_file,
    'glue/SST-2',
  )
  assert not list(folder.iterdir())
