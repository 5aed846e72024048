"""The jobs that `training` measures, and their floating-point operations."""

import dataclasses
import json
from collections.abc import Mapping

from devices import flops
from modeling import configs

KINDS = ('pretraining', 'fine_tuning', 'distillation', 'scoring', 'start')
# As the project's --precision; tf32 is float32 whose products a GPU rounds.
PRECISIONS = ('float32', 'tf32', 'bfloat16', 'float16')


@dataclasses.dataclass(frozen=True)
class BenchmarkJob:
  """One kind of work on one size of model.

  Attributes:
    kind: one of `KINDS`.
    size: 'layers/hidden size', such as '4/256'.
    vocab_file: the vocabulary.
    vocab_size: V.
    records: a TFRecord file; for scoring a JSON list of texts, all of which a
      step scores.
    arrays: the records as arrays [N, ...] in an .npz file, for engines that do
      not read TFRecords.
    batch_size: B.
    max_seq_length: S.
    max_predictions: P, for pre-training.
    precision: one of `PRECISIONS`.
    options: settings of this project that differ from the defaults, as text.
    product_size: the machine's peak is the speed of multiplying two square
      matrices of this size.
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
  precision: str = 'float32'
  options: Mapping[str, str] = dataclasses.field(default_factory=dict)
  product_size: int = 2048

  @property
  def title(self) -> str:
    """Its name in tables."""
    return f'{self.kind} {self.size}'

  @property
  def num_layers(self) -> int:
    """L."""
    return int(self.size.split('/')[0])

  @property
  def hidden_size(self) -> int:
    """H."""
    return int(self.size.split('/')[1])

  @property
  def compute_dtype(self) -> str:
    """The dtype of the products, as --precision of this project's scripts."""
    return 'float32' if self.precision == 'tf32' else self.precision

  @property
  def product_flops(self) -> float:
    """The floating-point operations of the product that measures the peak."""
    return 2.0 * self.product_size**3

  def to_json(self) -> str:
    """Returns the job as one line of JSON."""
    return json.dumps(dataclasses.asdict(self))

  @classmethod
  def from_json(cls, text: str) -> 'BenchmarkJob':
    """Returns the job that `to_json` wrote."""
    return cls(**json.loads(text))


def step_flops(
  job: BenchmarkJob, all_positions: bool, whole_head: bool
) -> float:
  """Counts the floating-point operations in a pre-training step's products.

  Args:
    job: a pre-training job.
    all_positions: whether the last layer computes all positions, or only those
      that the heads need, as in this project.
    whole_head: whether the masked-LM head computes all positions.
  """
  config = configs.compact_config(job.size, job.vocab_size)
  rows, length = job.batch_size, job.max_seq_length
  num_predictions = length if whole_head else job.max_predictions
  forward = flops.pretrainer_flops(config, rows, length, num_predictions)
  if all_positions:
    needed = flops.encoder_flops(config, rows, length, num_predictions + 1)
    forward += flops.encoder_flops(config, rows, length) - needed
  return flops.training_flops(forward, num_weights=0)
