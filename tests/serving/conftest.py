"""Models to export: a classifier, a regressor, pre-training heads, pairs."""

import functools
import json
import sys

import pytest
import tiny_world

from modeling.checkpoints import exporting
from modeling.checkpoints.model_file import ModelFile, TaskRecord
from modeling.configs import BertConfig
from modeling.models import Classifier, PreTrainer, released_variables
from serving.exports import comparison_texts, formats, parts, reference
from serving.exports import exporting as exporting_job
from system import text_files
from system.errors import UserError

TASKS = {
  'classifier': TaskRecord('custom', ('bad', 'good', 'so so'), False),
  'pairs': TaskRecord('custom', ('no', 'yes'), True),
  'regressor': TaskRecord('STS-B', (), True),
  'pretraining': None,
}

# Where both texts are cut, their tokenizer may give the odd token to B.
_SHORT_PAIRS = [
  ('the film is good .', 'a dull plot'),
  ('It is, frankly, awful!', 'caf\u00e9'),
  ('', 'x'),
]


def _make(world, kind, hidden_act='gelu'):
  """Makes a folder with random weights of a kind."""
  folder = world / kind
  folder.mkdir()
  task = TASKS[kind]
  config = BertConfig.from_dict({**tiny_world.CONFIG, 'hidden_act': hidden_act})
  model = (
    Classifier(config, len(task.labels) or 1) if task else PreTrainer(config)
  )
  exporting.export(
    str(folder),
    1,
    released_variables(model),
    config,
    text_files.read_list(str(world / 'vocab.txt')),
    content=ModelFile(task, True, 16 if task else None),
  )
  return str(folder)


@pytest.fixture
def model_folder(world):
  """Returns a function that makes a folder with random weights of a kind."""
  return functools.partial(_make, world)


@pytest.fixture(scope='module')
def shared_model_folder(tmp_path_factory):
  """Does what `model_folder` does, for fixtures that a module's tests share."""
  world = tiny_world.make(tmp_path_factory.mktemp('world'))
  return functools.partial(_make, world)


@pytest.fixture
def parts_of(model_folder):
  """Returns a function that reads the parts of a model of a kind."""

  def read(kind, head='auto', **options):
    return parts.read(model_folder(kind, **options), head)

  return read


@pytest.fixture
def needs():
  """Returns a function that skips a test whose format lacks a package."""

  def check(name):
    try:
      formats.check_packages(name, sys.executable)
    except UserError as error:
      pytest.skip(str(error))

  return check


@pytest.fixture
def export_folder(parts_of, tmp_path):
  """Returns a function that writes an export of a kind without its check."""

  def write(name, kind, temperature=1.0):
    model = parts_of(kind)
    folder = tmp_path / f'{kind}_{name}'
    folder.mkdir()
    formats.get(name).write(model, str(folder))
    report = {
      'takes_pairs': model.takes_pairs,
      'max_seq_length': model.max_seq_length,
      'temperature': temperature,
      'labels': list(model.labels),
    }
    (folder / 'export.json').write_text(json.dumps(report))
    return str(folder), model

  return write


@pytest.fixture
def exported(tmp_path):
  """Returns a function that exports a model and checks it in a process."""

  def export(chosen, model):
    source, some = comparison_texts.choose(model, None, None)
    if model.takes_pairs:
      source, some = 'short pairs', _SHORT_PAIRS
    return exporting_job.export(
      chosen,
      model,
      str(tmp_path / 'exports'),
      reference.compute(model, some),
      source,
      exporting_job.Limits(checker_python=sys.executable),
    )

  return export
