"""Loads a Hugging Face folder with only transformers, and runs it.

Run by `serving.exports.checking`, whose docstring describes the two arguments.

Tested by `tests/serving/exports/hugging_face_test.py`.
"""

import json
import pathlib
import sys

import numpy as np
import torch
import transformers

_BATCH_SIZE = 32
_CLASSES = {
  'task': transformers.AutoModelForSequenceClassification,
  'pretraining': transformers.AutoModelForPreTraining,
  'none': transformers.AutoModel,
}


def main(folder: str, work: str) -> None:
  """Answers a request."""
  request = json.loads(pathlib.Path(work, 'request.json').read_text())
  with np.load(pathlib.Path(work, 'features.npz'), allow_pickle=False) as file:
    features = dict(file)
  tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
  model = _load(_CLASSES[request['head']], folder)
  np.savez(
    pathlib.Path(work, 'outputs.npz'),
    **_outputs(model, features, request['outputs']),
  )
  answer = {
    'ids': _token_ids(tokenizer, request['texts']),
    'labels': _labels(model, tokenizer, request),
    'versions': {
      'transformers': transformers.__version__,
      'torch': torch.__version__,
    },
    'modules': sorted({name.split('.')[0] for name in sys.modules}),
  }
  pathlib.Path(work, 'answer.json').write_text(json.dumps(answer))


def _load(kind, folder: str):
  """Loads a model, all of whose weights must be in the folder."""
  model, report = kind.from_pretrained(folder, output_loading_info=True)
  for key in ('missing_keys', 'unexpected_keys', 'mismatched_keys'):
    if report[key]:
      sys.exit(f'{key}: {sorted(report[key])}')
  return model.eval()


def _outputs(model, features, names) -> dict[str, np.ndarray]:
  """Runs the model on ids; takes the rows of `positions` of each token's."""
  rows = {name: [] for name in names}
  for start in range(0, len(features['input_ids']), _BATCH_SIZE):
    batch = {
      name: torch.tensor(value[start : start + _BATCH_SIZE])
      for name, value in features.items()
    }
    positions = batch.pop('positions')
    longest = int(batch['attention_mask'].sum(1).max())
    with torch.no_grad():
      outputs = model(**{k: v[:, :longest] for k, v in batch.items()})
    for name, is_by_token in names.items():
      value = outputs[name].numpy()
      if is_by_token:
        value = value[np.arange(len(value))[:, None], positions.numpy()]
      rows[name].append(value)
  return {name: np.concatenate(parts) for name, parts in rows.items()}


def _token_ids(tokenizer, texts) -> list[list[list[int]]]:
  are_pairs = not isinstance(texts[0], str)
  columns = map(list, zip(*texts, strict=True)) if are_pairs else (texts,)
  encoded = tokenizer(*columns, truncation=True)
  return [
    list(row)
    for row in zip(encoded['input_ids'], encoded['token_type_ids'], strict=True)
  ]


def _labels(model, tokenizer, request) -> list[str] | None:
  """Labels texts by the pipeline, as a user would."""
  if request['head'] != 'task':
    return None
  classify = transformers.pipeline(
    'text-classification', model=model, tokenizer=tokenizer
  )
  inputs = [
    text if isinstance(text, str) else {'text': text[0], 'text_pair': text[1]}
    for text in request['texts']
  ]
  found = classify(inputs, truncation=True, batch_size=_BATCH_SIZE)
  return [each['label'] for each in found]


if __name__ == '__main__':
  main(*sys.argv[1:])
