"""The settings of training. Nothing here imports TensorFlow.

Every training script takes `TrainingOptions`. `RunSettings` adds the number of
steps, which `run_pretraining.py` takes as flags and the other scripts
compute from `Epochs`.

Tested by `tests/training/fit_test.py` and `tests/cli/training_flags_test.py`.
"""

import dataclasses
from typing import Any, TypeVar

from system.errors import UserError
from system.settings import (
  MAX_COUNT,
  MAX_SEED,
  setting,
  weights_decided_by,
)
from training import variable_groups

# All settings of a script.
Options = TypeVar('Options')


@dataclasses.dataclass(frozen=True)
class TrainingOptions:
  """How a model is trained."""

  output_dir: str | None = setting(
    None,
    'The folder for checkpoints, results and logs. A stopped run resumes from '
    'it.',
  )
  do_train: bool = setting(False, 'Whether to train.')
  train_batch_size: int = setting(
    32,
    'Examples in a training batch, over all replicas together.',
    at_least=1,
    decides_weights=True,
  )
  learning_rate: float = setting(
    5e-5,
    'The peak learning rate, reached after the warm-up. Compact models train '
    'best at 1e-4 to 1e-3.',
    at_least=0.0,
    decides_weights=True,
  )
  save_checkpoints_steps: int = setting(
    1000, 'Steps between two checkpoints.', at_least=1
  )
  save_checkpoints_minutes: float = setting(
    5.0,
    'Added: also saves what resuming needs, but no model.ckpt-<step>, when '
    'this many minutes have passed since the last checkpoint. 0 saves only by '
    '--save_checkpoints_steps.',
    at_least=0.0,
    needs=('do_train',),
  )
  save_initial_checkpoint: bool = setting(
    False,
    'Added: writes the weights before the first step, model.ckpt-0, as '
    'google-research/bert does.',
    needs=('do_train',),
  )
  iterations_per_loop: int = setting(
    1000,
    'The maximum number of steps that run on the device before control returns '
    'to the host. The host also takes control every --log_steps, at each '
    'checkpoint and about every ten seconds.',
    at_least=1,
  )
  keep_checkpoint_max: int = setting(
    5,
    'Added: how many model.ckpt-<step> to keep; 0 keeps all.',
    at_least=0,
    needs=('do_train',),
  )
  log_steps: int = setting(
    100,
    'Added: the maximum number of steps between two lines of metrics.jsonl and '
    'two TensorBoard points; both are also written at multiples of '
    'save_checkpoints_steps, iterations_per_loop and eval_steps. The log has a '
    'line about every ten seconds, whatever the value of this flag.',
    at_least=1,
    needs=('do_train',),
  )
  optimizer: str = setting(
    'adamw',
    "Added: adamw is BERT's; lamb (You et al. 2020) scales each update to the "
    'norm of the weights, for batches of thousands.',
    choices=('adamw', 'lamb'),
    needs=('do_train',),
    decides_weights=True,
  )
  adam_bias_correction: bool | None = setting(
    None,
    "Added: whether to correct the bias of Adam's moments. BERT does not, "
    'which makes the first hundreds of steps up to 6.6 times as large; with '
    'few examples, and so few steps, fine-tuning then fails for some seeds '
    '(Mosbach et al. 2021, arXiv 2006.04884; Zhang et al. 2021, arXiv '
    '2006.05987). The default is on for run_classifier.py with fewer than '
    '10,000 training examples and for --optimizer=lamb, as in its paper, and '
    'off otherwise.',
    needs=('do_train',),
    decides_weights=True,
  )
  gradient_accumulation_steps: int = setting(
    1,
    'Added: each device processes its share of --train_batch_size in this many '
    'equal parts, one after another: less memory, the same result. A step '
    'still uses --train_batch_size examples.',
    at_least=1,
    needs=('do_train',),
    decides_weights=True,
  )
  layer_decay: float = setting(
    1.0,
    'Added: multiplies the learning rate by this factor from layer to layer, '
    'from the top down: the heads and the pooler train at the full rate, the '
    "encoder's top layer at layer_decay, the embeddings below L layers at "
    'layer_decay^(L + 1). Use 0.8 to 0.95 for fine-tuning.',
    at_least=0.0,
    at_most=1.0,
    needs=('do_train', 'freeze!=encoder'),
    decides_weights=True,
  )
  freeze: str | None = setting(
    None,
    'Added: which weights stay fixed: embeddings; a number k, for the '
    'embeddings and the lowest k layers; or encoder, for everything except the '
    'heads.',
    needs=('do_train',),
    decides_weights=True,
  )
  dropout_rate: float | None = setting(
    None,
    "Added: the rate of every dropout in this run, instead of the model's (0.1 "
    'in the released models); bert_config.json does not change. Use 0 for '
    'compact models that are trained briefly.',
    at_least=0.0,
    at_most=0.9,
    needs=('do_train',),
    decides_weights=True,
  )
  skip_nonfinite_steps: int = setting(
    0,
    'Added: how many steps with a loss or gradient that is not finite the run '
    'may skip. A skipped step changes no weight. One more such step ends the '
    'run. The step and its records are logged either way.',
    at_least=0,
    at_most=1000,
    needs=('do_train',),
  )
  profile: bool = setting(
    False,
    'Added: records where ten steps, from the eleventh on, spend their time, '
    "for TensorBoard's profile plugin, in output_dir/events/plugins/profile.",
    needs=('do_train',),
  )
  seed: int = setting(
    12345,
    'Added: the seed of the initial weights, the order of the examples, '
    'dropout, and masks that are drawn during training. The same seed gives '
    'the same run.',
    at_least=0,
    at_most=MAX_SEED,
    decides_weights=True,
  )

  def check_fits(self, num_replicas: int, num_layers: int) -> None:
    """Checks what depends on the devices and the model.

    Args:
      num_replicas: devices that share a batch.
      num_layers: L of the encoder.

    Raises:
      UserError: a batch cannot be cut into equal parts, or `freeze` does not
        fit the model.
    """
    num_parts = num_replicas * self.gradient_accumulation_steps
    if self.train_batch_size % num_parts:
      raise UserError(
        f'`train_batch_size`={self.train_batch_size} cannot be cut into '
        f'{num_parts} equal parts: `gradient_accumulation_steps`='
        f'{self.gradient_accumulation_steps} on each of {num_replicas} '
        'replicas (devices)'
        + (
          '. `distribution_strategy`=one_device takes a single one, as '
          'google-research/bert does'
        )
        * (num_replicas > 1)
      )
    variable_groups.check_freeze(self.freeze, num_layers)


@dataclasses.dataclass(frozen=True)
class RunSettings(TrainingOptions):
  """The settings of one training run, with its number of steps.

  Attributes:
    precision: the compute dtype of the model's matrix products.
    eval_steps: steps between two evaluations; 0 for none during training.
  """

  num_train_steps: int = setting(
    100000,
    'Training steps of the whole run.',
    at_least=1,
    decides_weights=True,
  )
  num_warmup_steps: int = setting(
    10000,
    'Steps over which the learning rate rises from 0 to its peak.',
    at_least=0,
    decides_weights=True,
  )
  precision: str = 'float32'
  eval_steps: int = 0

  def weights_decided_by(self) -> dict[str, Any]:
    """Returns the settings that decide a run's weights, by name."""
    return {**weights_decided_by(self), 'precision': self.precision}

  def next_stop(self, step: int) -> int:
    """Returns the next step after which the host takes control.

    It depends on `step` alone, so a resumed run logs the same intervals as an
    undisturbed one.
    """
    strides = [self.save_checkpoints_steps, self.log_steps]
    strides += [self.iterations_per_loop]
    strides += [self.eval_steps] if self.eval_steps else []
    return min(self.num_train_steps, *(step - step % n + n for n in strides))

  def is_due(self, step: int, every: int) -> bool:
    """Returns whether work of every `every` steps is due; 0 means never."""
    return bool(every) and (step % every == 0 or step == self.num_train_steps)


@dataclasses.dataclass(frozen=True)
class Epochs:
  """How long training on a task lasts."""

  num_train_epochs: float = setting(3.0, 'Training epochs.', at_least=0.0)
  warmup_proportion: float = setting(
    0.1,
    'The share of the steps over which the learning rate rises from 0.',
    at_least=0.0,
    at_most=1.0,
  )

  def num_steps(self, num_examples: int, batch_size: int) -> tuple[int, int]:
    """Returns the numbers of training steps and of warm-up steps among them.

    Args:
      num_examples: examples in an epoch.
      batch_size: examples in a step.

    Raises:
      UserError: the epochs are less than one step, or too many steps.
    """
    num_steps = int(num_examples / batch_size * self.num_train_epochs)
    epochs = (
      f'`num_train_epochs`={self.num_train_epochs} of {num_examples} examples '
      f'with `train_batch_size`={batch_size}'
    )
    if not num_steps:
      raise UserError(f'{epochs} is less than one step')
    if num_steps > MAX_COUNT:
      raise UserError(f'{epochs} is more than {MAX_COUNT:,} steps')
    return num_steps, int(num_steps * self.warmup_proportion)


# In run_distillation.py the teacher is for a dump, in run_pretraining.py for a
# loss.
_USES_TEACHER = (
  'do_dump_logits|soft_masked_lm_weight>0|cosine_weight>0|relation_weight>0',
)


@dataclasses.dataclass(frozen=True)
class TeacherOptions:
  """The teacher's files."""

  teacher_checkpoint: str | None = setting(
    None,
    'Added: the teacher: a prefix, the folder that holds it (for example the '
    'output_dir of a run: its best checkpoint if it has one, else its last), '
    'or a Hugging Face folder. run_distillation.py needs a fine-tuned teacher, '
    'run_pretraining.py a pre-trained one.',
    reads='checkpoint',
    needs=_USES_TEACHER,
  )
  teacher_config_file: str | None = setting(
    None,
    "Added: the teacher's bert_config.json, if it is not next to the "
    'checkpoint.',
    reads='file',
    needs=_USES_TEACHER,
  )
