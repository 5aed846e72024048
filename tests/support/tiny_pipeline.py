"""A table, unlabelled texts and two tiny checkpoints for run_pipeline.py."""

import csv
import json
import pathlib
import random

from tiny_world import CONFIG, VOCABULARY

from data.text.vocabulary_options import TokenizerOptions
from pipeline.options import (
  ChoiceOptions,
  JobOptions,
  ModelsOptions,
  PipelineOptions,
  SourceOptions,
)

ADJECTIVES = 'good fine great nice bad poor awful dull'.split()
SHORT = {
  'learning_rate': 0.01,
  'teacher_learning_rate': 0.01,
  'teacher_epochs': 4.0,
  'num_train_epochs': 3.0,
  'labels_epochs': 2.0,
}


def text(rng: random.Random, word: str) -> str:
  """Returns a sentence with an adjective, which decides its label."""
  a, b = rng.choices('a the film plot is was .'.split(), k=2)
  return f'{a} film {b} is {word} {a} {b}'


def make(folder: pathlib.Path) -> pathlib.Path:
  """Fills a folder as `make_texts`, and with teacher/ and encoder/."""
  for name, layers in (('teacher', 2), ('encoder', 1)):
    checkpoint(folder / name, num_hidden_layers=layers)
  return make_texts(folder)


def make_texts(folder: pathlib.Path) -> pathlib.Path:
  """Fills a folder with reviews.csv and unlabelled.txt.

  The table has the columns review and stars, and the labels up and down.
  """
  rng = random.Random(0)
  with (folder / 'reviews.csv').open('w', newline='') as file:
    writer = csv.writer(file)
    writer.writerow(['review', 'stars'])
    for i in range(160):
      label = 'up' if i % 8 < 4 else 'down'
      review = (
        f'{text(rng, ADJECTIVES[i % 8])} {rng.choice(VOCABULARY[6:])} {i}'
      )
      writer.writerow([review, label])
  lines = [text(rng, rng.choice(ADJECTIVES)) for _ in range(40)]
  (folder / 'unlabelled.txt').write_text('\n'.join(lines) + '\n')
  return folder


def checkpoint(folder: pathlib.Path, **changes) -> None:
  """Writes a released-BERT checkpoint with random weights and its files."""
  from modeling import models
  from modeling.checkpoints import exporting
  from modeling.configs import BertConfig

  folder.mkdir()
  values = {**CONFIG, **changes}
  (folder / 'bert_config.json').write_text(json.dumps(values))
  (folder / 'vocab.txt').write_text('\n'.join(VOCABULARY) + '\n')
  model = models.PreTrainer(BertConfig.from_dict(values))
  weights = {
    name: variable.numpy()
    for name, variable in models.released_variables(model).items()
  }
  exporting.write_released(str(folder / 'bert_model.ckpt'), weights)


def options(folder: pathlib.Path, **changes) -> PipelineOptions:
  """Returns the options of a short pipeline on the folder of `make`."""
  values = {
    'input_file': str(folder / 'reviews.csv'),
    'text_column': 'review',
    'label_column': 'stars',
    'transfer_file': (str(folder / 'unlabelled.txt'),),
    'teacher': str(folder / 'teacher'),
    'init_checkpoint': str(folder / 'encoder'),
    'output_dir': str(folder / 'out'),
    **SHORT,
    **changes,
  }
  groups = {
    'source': SourceOptions,
    'models': ModelsOptions,
    'tokenizer': TokenizerOptions,
    'choices': ChoiceOptions,
    'job': JobOptions,
  }
  return PipelineOptions(
    **{
      name: group(**{k: v for k, v in values.items() if _has(group, k)})
      for name, group in groups.items()
    }
  )


def _has(group: type, name: str) -> bool:
  return name in group.__dataclass_fields__


def words(folder: pathlib.Path, **changes) -> list[str]:
  """Returns the same as the words of a command line."""
  from system.steps import flag_words

  values = {
    'input_file': folder / 'reviews.csv',
    'text_column': 'review',
    'label_column': 'stars',
    'transfer_file': folder / 'unlabelled.txt',
    'teacher': folder / 'teacher',
    'init_checkpoint': folder / 'encoder',
    'output_dir': folder / 'out',
    **SHORT,
    **changes,
  }
  return flag_words(values)
