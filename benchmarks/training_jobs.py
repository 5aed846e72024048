"""What `training` lets everybody do, and what it costs at the least."""

import dataclasses
import json

KINDS = ('pretraining', 'fine_tuning', 'distillation', 'scoring')

# A step of scoring goes from so many texts to their logits.
TEXTS_AT_ONCE = 4096

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
    records: TFRecords, or for scoring a JSON list of texts.
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


def step_flops(job: Job) -> float:
  """Counts the matrix products' floating-point operations of a training step.

  Forward, a position of a layer takes 24 H^2 in its products with weights and
  4 S H in those of its attention; a masked position 2 H^2 + 2 H V in the head;
  the pooler 2 H^2 an example. Backward takes twice as much as forward.
  """
  layers, hidden = map(int, job.size.split('/'))
  positions = job.batch_size * job.max_seq_length
  masked = job.batch_size * job.max_predictions
  forward = (
    layers * positions * (24 * hidden**2 + 4 * job.max_seq_length * hidden)
  )
  forward += masked * (2 * hidden**2 + 2 * hidden * job.vocab_size)
  forward += job.batch_size * 2 * hidden**2
  return 3.0 * forward
