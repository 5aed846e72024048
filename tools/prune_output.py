"""What tools.prune_vocab writes and prints.

Tested by `tests/tools/prune_vocab_test.py`.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from modeling.checkpoints import model_file
from system import text_table

if TYPE_CHECKING:
  from data.text.tokenization import BertTokenizer
  from modeling.checkpoints.location import Checkpoint
  from modeling.configs import BertConfig

_MILLION = 1e6


def write(
  folder: str,
  checkpoint: 'Checkpoint',
  weights: Mapping[str, Any],
  config: 'BertConfig',
  tokenizer: 'BertTokenizer',
) -> None:
  """Writes a smaller model, as a run does.

  Args:
    folder: an existing folder.
    checkpoint: the whole model; what its files record is recorded again.
    weights: released name → float32 array.
    config: the smaller model's.
    tokenizer: the smaller model's.
  """
  from data.tasks import label_order
  from modeling.checkpoints import exporting, location, recorded_casing

  labels = label_order.find(location.label_folders(checkpoint.prefix))
  recorded_casing.write(folder, tokenizer.do_lower_case)
  label_order.write(folder, labels[1] if labels else ())
  exporting.export(
    folder,
    checkpoint.step,
    weights,
    config,
    tokenizer.tokens,
    content=dataclasses.replace(
      checkpoint.model_record() or model_file.UNKNOWN,
      do_lower_case=tokenizer.do_lower_case,
    ),
  )


def render(report: Mapping[str, Any]) -> list[str]:
  """Returns the lines of the table that the tool prints."""
  tokens, weights = report['tokens'], report['weights']
  rows: list[Sequence[str]] = [
    ('', 'before', 'after'),
    ('wordpieces', *(f'{tokens[x]:,}' for x in ('before', 'after'))),
    (
      'weights, millions',
      *(f'{weights[x] / _MILLION:.2f}' for x in ('before', 'after')),
    ),
  ]
  for name, costs in report['texts'].items():
    both = [costs['before'], costs['after']]
    rows += [
      (
        f'{name}: pieces per word',
        *(f'{x["wordpieces_per_word"]:.4f}' for x in both),
      ),
      (
        f'{name}: [UNK], % of words',
        *(f'{100 * x["unknown_word_share"]:.4f}' for x in both),
      ),
    ]
  return text_table.aligned(rows)
