"""What a training run is told."""

import dataclasses

from system.errors import UserError
from training import variable_groups


@dataclasses.dataclass(frozen=True)
class Settings:
  """What a training run is told. Counts of steps are of the whole run."""

  output_dir: str
  batch_size: int
  learning_rate: float
  num_steps: int
  num_warmup_steps: int
  save_steps: int
  log_steps: int
  iterations_per_loop: int
  keep_checkpoints: int
  bias_correction: bool
  seed: int
  dropout_rate: float | None = None  # None: what the model's configuration says
  optimizer: str = 'adamw'  # or 'lamb'
  gradient_accumulation_steps: int = 1
  layer_decay: float = 1.0  # see `variable_groups.rate_factor`
  freeze: str | None = None  # see `variable_groups.is_frozen`
  precision: str = 'float32'  # the model's compute dtype
  skip_nonfinite_steps: int = 0  # how many updates may be left out
  eval_steps: int = 0  # steps between two evaluations; 0: none in training
  is_profiled: bool = False  # whether a few steps are recorded for TensorBoard

  def check(self, num_replicas: int, num_layers: int) -> None:
    """Checks what depends on the devices and the model.

    Raises:
      UserError: a batch cannot be cut into equal parts, or --freeze does not
        fit the model.
    """
    num_parts = num_replicas * self.gradient_accumulation_steps
    if self.batch_size % num_parts:
      raise UserError(
        f'--train_batch_size={self.batch_size} cannot be cut into {num_parts} '
        'equal parts, --gradient_accumulation_steps='
        f'{self.gradient_accumulation_steps} on each of {num_replicas} '
        'replicas (devices)'
      )
    variable_groups.check_freeze(self.freeze, num_layers)

  def next_stop(self, step: int) -> int:
    """Returns the step at which the host looks at the run next.

    The stops are a function of the step alone, so that a resumed run logs the
    same intervals as one left alone.
    """
    strides = [self.save_steps, self.log_steps, self.iterations_per_loop]
    strides += [self.eval_steps] if self.eval_steps else []
    return min(self.num_steps, *(step - step % n + n for n in strides))

  def is_due(self, step: int, every: int) -> bool:
    """Says whether something done `every` so many steps is due; 0 is never."""
    return bool(every) and (step % every == 0 or step == self.num_steps)

  def weights_decided_by(self) -> dict[str, float]:
    """Returns the settings that decide a run's weights, by their flags."""
    return {
      'train_batch_size': self.batch_size,
      'learning_rate': self.learning_rate,
      'num_train_steps': self.num_steps,
      'num_warmup_steps': self.num_warmup_steps,
      'adam_bias_correction': self.bias_correction,
      'seed': self.seed,
      'dropout_rate': self.dropout_rate,
      'optimizer': self.optimizer,
      'gradient_accumulation_steps': self.gradient_accumulation_steps,
      'layer_decay': self.layer_decay,
      'freeze': self.freeze,
      'precision': self.precision,
    }
