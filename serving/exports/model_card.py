"""A short model card: README.md of a Hugging Face folder.

Tested by `tests/serving/exports/hugging_face_test.py`.
"""

from serving.exports import heads
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


def short_card(parts: Parts) -> str:
  """Returns the card: what the model is, takes and returns, and how to use it.

  It has no licence: the licence of the data and of the first weights decides.
  """
  config = parts.config
  size = (
    f'A BERT with {config.num_hidden_layers} layers of {config.hidden_size} '
    f'units and {config.vocab_size:,} word pieces.'
  )
  sections = [_header(parts), f'# {_title(parts)}', size, _inputs(parts)]
  sections += [_outputs(parts), f'```python\n{_example(parts)}\n```']
  return '\n\n'.join(sections) + '\n'


def _header(parts: Parts) -> str:
  pipeline = _PIPELINES[parts.head]
  return (
    f'---\nlibrary_name: transformers\npipeline_tag: {pipeline}\ntags:\n'
    '- bert\n- well-read-bert\n---'
  )


def _title(parts: Parts) -> str:
  config = parts.config
  name = f'BERT {config.num_hidden_layers}/{config.hidden_size}'
  return f'{name} for {parts.task_name}' if parts.task_name else name


def _inputs(parts: Parts) -> str:
  kinds = {True: 'pairs of texts', False: 'single texts', None: 'texts'}
  casing = 'lower-cased' if parts.tokenizer.do_lower_case else 'cased'
  return (
    f'It takes {kinds[parts.takes_pairs]} of at most {parts.max_seq_length} '
    f'tokens, {casing}. Longer ones must be cut: pass `truncation=True`.'
  )


def _outputs(parts: Parts) -> str:
  if parts.head == heads.PRETRAINING:
    return 'It predicts masked tokens, and whether text B follows text A.'
  if parts.head == heads.NONE:
    return 'It has no head: its outputs are states.'
  if parts.is_regression:
    return 'It predicts a number.'
  text = f'Its labels are {", ".join(f"`{x}`" for x in parts.labels)}.'
  if parts.temperature != 1.0:
    text += (
      f' Divide its logits by {parts.temperature:.4f} before the softmax for '
      'calibrated probabilities; the label stays the same.'
    )
  return text


def _example(parts: Parts) -> str:
  if parts.head != heads.TASK:
    name = _CLASSES[parts.head]
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
    f'print(classify({text if parts.takes_pairs else repr("a text")}, '
    'truncation=True))'
  )
