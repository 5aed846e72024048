"""Labels texts with an export for tf-models-official, without that package.

The folder is one of `tools.export_model --format=tf_models`, or of its trainer:
a TensorFlow 2 checkpoint of a classifier with params.yaml, vocab.txt and
labels.txt.

Tested by `tests/serving/tf_models_model_test.py`.
"""

from modeling.checkpoints import export_file, tf_models
from modeling.checkpoints.released_names import HEAD_BIAS
from serving import export_folder
from serving.model import Model
from system.errors import UserError

PACKAGES = ('yaml',)
FILES = {'float32': tf_models.PARAMS}


def find(folder: str, kind: str = 'float32') -> str:
  """Returns the path of the model's settings.

  Raises:
    UserError: there are none.
  """
  return export_folder.find_model(
    folder, FILES, kind, 'model of tf-models-official', 'tf_models'
  )


def load(folder: str, kind: str = 'float32') -> Model:
  """Loads a model; TensorFlow computes it.

  Raises:
    UserError: a file is missing or damaged, the model has no head for a task,
      or the names of its labels are unknown.
  """
  path = find(folder, kind)
  from modeling.checkpoints import (
    location,
    stored_weights,
    tf_models_reader,
  )
  from modeling.models import Classifier, released_variables
  from serving import text_model

  checkpoint = location.locate(folder)
  _, config = tf_models_reader.read_config(folder)
  weights, *_ = tf_models_reader.read_weights(checkpoint.prefix, config)
  if HEAD_BIAS not in weights:
    raise UserError(f'{checkpoint.prefix} has no head for a task')
  classifier = Classifier(config, len(weights[HEAD_BIAS]), seed=None)
  variables = released_variables(classifier)
  stored_weights.check_shapes(checkpoint.prefix, weights, variables, path)
  for name, variable in variables.items():
    variable.assign(weights[name])
  recorded = export_file.read(folder)
  labels = text_model.labels_of(checkpoint, None, len(weights[HEAD_BIAS]))
  return text_model.TextModel(
    classifier,
    text_model.tokenizer_of(checkpoint, config),
    labels=labels,
    takes_pairs=recorded.takes_pairs,
    max_seq_length=recorded.max_seq_length
    or tf_models_reader.longest_input(folder)
    or config.max_position_embeddings,
    temperature=recorded.temperature,
  )
