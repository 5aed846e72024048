"""Model cards: of a Hugging Face export, and of a run.

Both describe the model with the same sentences. Does not import TensorFlow.

Tested by `tests/serving/exports/hugging_face_test.py` and
`tests/serving/exports/model_card_test.py`.
"""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from modeling.checkpoints import location
from modeling.configs import BertConfig, count_parameters
from serving.exports import card_sections, heads, run_facts
from serving.exports.run_facts import RunFacts
from system.errors import UserError

if TYPE_CHECKING:
  from serving.exports.parts import Parts

_PIPELINES = {
  heads.TASK: 'text-classification',
  heads.PRETRAINING: 'fill-mask',
  heads.NONE: 'feature-extraction',
}
_CLASSES = {
  heads.PRETRAINING: 'AutoModelForPreTraining',
  heads.NONE: 'AutoModel',
}
# The task name of data of one's own.
_CUSTOM = 'custom'
_HOW_TO_USE = """\
## How to use it

With the tools of Well-Read BERT, FOLDER being this folder:

```shell
echo 'a text' | python -m tools.predict --model_dir=FOLDER
```

```python
from serving import runtimes

model = runtimes.load('FOLDER')
print(model.predict(['a text']))
```

`python -m tools.export_model` writes it for transformers and ONNX Runtime."""


@dataclasses.dataclass(frozen=True)
class Described:
  """What a card says of any model; the attributes are those of `Parts`."""

  config: BertConfig
  head: str
  task_name: str
  labels: Sequence[str]
  takes_pairs: bool | None
  max_seq_length: int | None
  do_lower_case: bool | None
  temperature: float


@dataclasses.dataclass(frozen=True)
class Notes:
  """What no file of a run records; None is left out.

  Attributes:
    languages: codes of ISO 639-1, such as 'en'.
    license: its identifier, such as 'apache-2.0'.
    limits: a text.
  """

  languages: Sequence[str] = ()
  license: str | None = None
  limits: str | None = None


def export_card(parts: 'Parts') -> str:
  """Returns the card of a Hugging Face export.

  It says what the model is, takes and returns, and how to use it; of a model
  with a task also how its run made it, and how good it is. It has no licence:
  the licence of the data and of the first weights decides.

  Raises:
    UserError: a file of the run is malformed.
  """
  model = Described(
    parts.config,
    parts.head,
    parts.task_name,
    parts.labels,
    parts.takes_pairs,
    parts.max_seq_length,
    parts.tokenizer.do_lower_case,
    parts.temperature,
  )
  header = {
    'library_name': 'transformers',
    'pipeline_tag': _PIPELINES[model.head],
  }
  sections = [_header(header), *_about(model, ': pass `truncation=True`')]
  sections.append(f'```python\n{_example(model)}\n```')
  if model.head == heads.TASK:
    sections += _of_run(model, run_facts.read(parts.checkpoint.prefix))
  return _joined(sections)


def full_card(
  path: str,
  notes: Notes,
  results: Sequence[Mapping[str, Any]] = (),
  split: str | None = None,
) -> str:
  """Returns the card of a run: also how it was made, and how good it is.

  Args:
    path: as for `location.locate`.
    notes: what no file records.
    results: of other runs, as `tools.record_result` writes them.
    split: the evaluated split, as for `run_facts.evaluated_split`.

  Raises:
    UserError: there is no checkpoint with model.json and a task, a file is
      malformed, or the scores are those of another split.
  """
  model, facts = _described(path), run_facts.read(path, split)
  languages = json.dumps([*notes.languages]) if notes.languages else None
  header = {'language': languages, 'license': notes.license}
  header['pipeline_tag'] = _PIPELINES[model.head]
  sections = [_header(header), *_about(model), *_of_run(model, facts, results)]
  return _joined([*sections, *_noted(notes), _HOW_TO_USE])


def _described(path: str) -> Described:
  checkpoint = location.locate(path)
  recorded, config = checkpoint.model_json(), checkpoint.config()
  if not (recorded and recorded.task and config):
    raise UserError(
      f'{checkpoint.folder} has no model.json with a task next to its weights '
      'and bert_config.json: a card describes a fine-tuned or distilled model'
    )
  casing = checkpoint.casing()
  return Described(
    config[1],
    heads.TASK,
    recorded.task.name,
    recorded.task.labels,
    recorded.task.is_pair,
    recorded.max_seq_length,
    casing[1] if casing else None,
    recorded.temperature or 1.0,
  )


def _joined(sections: Sequence[str]) -> str:
  return '\n\n'.join(filter(None, sections)) + '\n'


def _header(values: Mapping[str, str | None]) -> str:
  lines = [f'{name}: {value}' for name, value in values.items() if value]
  return '\n'.join(
    ['---', *lines, 'tags:', '- bert', '- well-read-bert', '---']
  )


def _about(model: Described, how_to_cut: str = '') -> list[str]:
  config = model.config
  size = (
    f'A BERT with {config.num_hidden_layers} layers of {config.hidden_size} '
    f'units and {config.vocab_size:,} word pieces.'
  )
  title = f'# {_title(model)}'
  return [title, size, _inputs(model, how_to_cut), _outputs(model)]


def _of_run(
  model: Described, facts: RunFacts, results: Sequence[Mapping[str, Any]] = ()
) -> list[str]:
  """Returns what the files of a run say; sections without content are ''."""
  return [
    _size(model, facts),
    card_sections.training(facts),
    card_sections.recipe(facts),
    card_sections.scores(facts, results),
    card_sections.agreement(facts),
    card_sections.speed(facts),
  ]


def _size(model: Described, facts: RunFacts) -> str:
  text = f'{count_parameters(model.config):,} parameters without the head'
  if facts.num_bytes:
    text += f'; the weights have {facts.num_bytes / 1e6:.1f} MB'
  return f'## Size\n\n{text}.'


def _noted(notes: Notes) -> list[str]:
  noted = {
    'Languages': ', '.join(notes.languages),
    'Limits': notes.limits,
    'Licence': notes.license,
  }
  return [f'## {title}\n\n{text}' for title, text in noted.items() if text]


def _title(model: Described) -> str:
  config = model.config
  name = f'BERT {config.num_hidden_layers}/{config.hidden_size}'
  has_name = model.task_name not in ('', _CUSTOM)
  return f'{name} for {model.task_name}' if has_name else name


def _inputs(model: Described, how_to_cut: str) -> str:
  kinds = {True: 'pairs of texts', False: 'single texts', None: 'texts'}
  text = f'It takes {kinds[model.takes_pairs]}'
  if model.max_seq_length:
    text += f' of at most {model.max_seq_length} tokens'
  if model.do_lower_case is not None:
    text += ', lower-cased' if model.do_lower_case else ', cased'
  if how_to_cut:
    return f'{text}. Longer ones must be cut{how_to_cut}.'
  return f'{text}. Longer ones are cut.' if model.max_seq_length else f'{text}.'


def _outputs(model: Described) -> str:
  if model.head == heads.PRETRAINING:
    return 'It predicts masked tokens, and whether text B follows text A.'
  if model.head == heads.NONE:
    return 'It has no head: its outputs are states.'
  if not model.labels:
    return 'It predicts a number.'
  text = f'Its labels are {", ".join(f"`{x}`" for x in model.labels)}.'
  if model.temperature != 1.0:
    text += (
      f' Divide its logits by {model.temperature:.4f} before the softmax for '
      'calibrated probabilities; the label stays the same.'
    )
  return text


def _example(model: Described) -> str:
  if model.head != heads.TASK:
    name = _CLASSES[model.head]
    return (
      f'from transformers import {name}, AutoTokenizer\n\n'
      "tokenizer = AutoTokenizer.from_pretrained('FOLDER')\n"
      f"model = {name}.from_pretrained('FOLDER')\n"
      "outputs = model(**tokenizer('a text', return_tensors='pt'))"
    )
  text = "{'text': 'a text', 'text_pair': 'another'}"
  return (
    'from transformers import pipeline\n\n'
    "classify = pipeline('text-classification', 'FOLDER')\n"
    f'print(classify({text if model.takes_pairs else repr("a text")}, '
    'truncation=True))'
  )
