"""What `training` lets everybody do, and what it costs at the least."""

import dataclasses
import json

from devices import flops
from modeling import configs

KINDS = ('pretraining', 'fine_tuning', 'distillation', 'scoring')

# The machine's peak is that of a product of two such matrices.
PRODUCT_SIZE = 2048
PRODUCT_FLOPS = 2.0 * PRODUCT_SIZE**3


@dataclasses.dataclass(frozen=True)
class Job:
  """One kind of work on one size of model.

  Attributes:
    kind: of `KINDS`.
    size: 'layers/hidden size', as '4/256'.
    vocab_file: the vocabulary.
    vocab_size: V.
    records: TFRecords, or for scoring, of which a step takes all, a JSON list
      of texts.
    arrays: the records as an .npz of arrays [N, ...], for who reads no
      TFRecords.
    batch_size: B.
    max_seq_length: S.
    max_predictions: P of pre-training.
  """

  kind: str
  size: str
  vocab_file: str
  vocab_size: int
  records: str
  arrays: str
  batch_size: int
  max_seq_length: int = 128
  max_predictions: int = 20

  @property
  def title(self) -> str:
    return f'{self.kind} {self.size}'

  def to_json(self) -> str:
    return json.dumps(dataclasses.asdict(self))


def step_flops(job: Job, all_positions: bool, whole_head: bool) -> float:
  """Counts the products' floating-point operations of a pre-training step.

  Args:
    job: the step's.
    all_positions: whether the last layer computes all positions, or only those
      that a head looks at, as this project does.
    whole_head: whether the masked-LM head does, too.
  """
  config = configs.compact_config(job.size, job.vocab_size)
  rows, length = job.batch_size, job.max_seq_length
  num_predictions = length if whole_head else job.max_predictions
  forward = flops.pretrainer_flops(config, rows, length, num_predictions)
  if all_positions:
    asked = flops.encoder_flops(config, rows, length, num_predictions + 1)
    forward += flops.encoder_flops(config, rows, length) - asked
  return flops.training_flops(forward, num_weights=0)
