"""A vocabulary, a model, a task and texts small enough for every test."""

import contextlib
import importlib
import json
import pathlib
import random

from absl import flags, logging
from absl.testing import flagsaver

from cli import flag_group, run_flags
from system.errors import UserError

_WORDS = (
  'good fine great nice bad poor awful dull film plot a the is was'.split()
)
VOCABULARY = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', '.', *_WORDS]
CONFIG = {
  'attention_probs_dropout_prob': 0.1,
  'hidden_act': 'gelu',
  'hidden_dropout_prob': 0.1,
  'hidden_size': 8,
  'initializer_range': 0.2,
  'intermediate_size': 16,
  'max_position_embeddings': 32,
  'num_attention_heads': 2,
  'num_hidden_layers': 2,
  'type_vocab_size': 2,
  'vocab_size': len(VOCABULARY),
}


def make(folder: pathlib.Path) -> pathlib.Path:
  """Fills a folder with `vocab.txt`, `bert_config.json`, `task/`, `text.txt`.

  The task has SST-2's layout; a sentence's only adjective decides its label.
  """
  rng = random.Random(0)

  def sentence(label):
    adjective = rng.choice(_WORDS[:4] if label else _WORDS[4:8])
    return f'the {rng.choice(["film", "plot"])} is {adjective} .'

  (folder / 'vocab.txt').write_text('\n'.join(VOCABULARY) + '\n')
  (folder / 'bert_config.json').write_text(json.dumps(CONFIG))
  (folder / 'task').mkdir()
  for split, count in (('train', 48), ('dev', 11)):
    rows = [f'{sentence(i % 2)}\t{i % 2}' for i in range(count)]
    _write(folder / 'task' / f'{split}.tsv', ['sentence\tlabel', *rows])
  rows = [f'{i}\tthe {w} is bad .' for i, w in enumerate(_WORDS[:7])]
  _write(folder / 'task' / 'test.tsv', ['index\tsentence', *rows])
  _write(folder / 'transfer.txt', [f'the film was {w} .' for w in _WORDS[:8]])
  documents = [
    '\n'.join(sentence(rng.random() < 0.5) for _ in range(6)) for _ in range(12)
  ]
  (folder / 'text.txt').write_text('\n\n'.join(documents) + '\n')
  return folder


def make_records(folder: pathlib.Path | str, *outputs: str, **options) -> None:
  """Makes pre-training records of 16 tokens from a folder's text."""
  from data.pretraining import creation
  from data.pretraining.options import RecordOptions
  from data.text.corpus import Corpus
  from data.text.corpus_options import CorpusOptions
  from data.text.vocabulary_options import TokenizerOptions

  creation.create_records(
    Corpus(CorpusOptions(f'{folder}/text.txt')),
    outputs,
    TokenizerOptions(f'{folder}/vocab.txt'),
    RecordOptions(
      **{
        'max_predictions_per_seq': 3,
        'max_seq_length': 16,
        'dupe_factor': 3,
        **options,
      }
    ),
  )


def task_flags(world: pathlib.Path, **changes) -> list[str]:
  """Returns the flags of a short training run on the task; None omits one."""
  values = {
    'task_name': 'SST-2',
    'data_dir': world / 'task',
    'vocab_file': world / 'vocab.txt',
    'bert_config_file': world / 'bert_config.json',
    'output_dir': world / 'out',
    'max_seq_length': 16,
    'learning_rate': 1e-2,
    'num_train_epochs': 10,
    'train_batch_size': 8,
    **changes,
  }
  return named_flags(values)


def named_flags(values: dict) -> list[str]:
  """Returns '--name=value' for each value except None."""
  return [f'--{k}={v}' for k, v in values.items() if v is not None]


def _write(path: pathlib.Path, lines: list[str]) -> None:
  path.write_text('\n'.join(lines) + '\n')


def run(script: str, *arguments: str) -> None:
  """Runs a script's main in this process, with only these flags.

  Raises:
    UserError: with the message that the script would show.
  """
  with parsed(script, *arguments) as module:
    try:
      module.main([script])
    except UserError as error:
      raise UserError(flag_group.as_flags(str(error))) from error


@contextlib.contextmanager
def parsed(script: str, *arguments: str):
  """Parses these flags and no others; yields the script's module."""
  module = importlib.import_module(script)
  with flagsaver.flagsaver():
    flags.FLAGS.unparse_flags()
    run_flags.parse([script, *arguments])
    logging.set_verbosity(logging.INFO)
    yield module
