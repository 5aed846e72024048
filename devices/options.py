"""The settings that choose devices and precision. Imports no TensorFlow."""

import dataclasses

from devices import cluster
from system.errors import UserError
from system.settings import setting

_TPU = ('use_tpu|distribution_strategy=tpu',)


@dataclasses.dataclass(frozen=True)
class DeviceOptions:
  """Devices and precision.

  Attributes:
    trains: whether this process trains. If it only scores examples, on one CPU
      device, `strategies.make_strategy` sets one thread per op.
  """

  precision: str = setting(
    'float32',
    'Added: the dtype of the matrix products, in training and in inference. '
    'Everything else, weights and logits included, is float32. float16 scales '
    'the loss and skips steps whose gradients overflow.',
    choices=('float32', 'bfloat16', 'float16'),
    decides_weights=True,
  )
  jit_compile: str = setting(
    'auto',
    'Added: whether XLA compiles a step, in training and in inference, into '
    'one program for each batch shape. auto does so on GPUs, where it is '
    'faster. Compiled batches are padded to fewer lengths, which changes '
    'dropout masks. On a TPU every step is compiled anyway.',
    choices=('auto', 'true', 'false'),
  )
  use_tpu: bool = setting(False, 'Whether to run on a TPU.')
  tpu_name: str | None = setting(
    None, 'The name or address of the TPU.', needs=_TPU
  )
  tpu_zone: str | None = setting(None, 'The zone of the TPU.', needs=_TPU)
  gcp_project: str | None = setting(
    None, 'The Google Cloud project.', needs=_TPU
  )
  master: str | None = setting(None, "The TPU's master address.", needs=_TPU)
  # None accepts any number. The default is google-research/bert's; if a command
  # does not give the flag, `cli.device_flags.options` sets None.
  num_tpu_cores: int | None = setting(
    8,
    'How many cores the TPU must have. Checked only if this flag is given.',
    at_least=1,
    needs=_TPU,
  )
  distribution_strategy: str = setting(
    'auto',
    'Added: auto uses the TPU with --use_tpu; all workers if the environment '
    'variable TF_CONFIG names several; all GPUs if there are several; and '
    'one device otherwise. multi_worker_mirrored: run the same command on '
    'every worker, with the same --output_dir, which all workers must see. A '
    'lost worker can be started again; the others wait for it, and all resume '
    'from the last checkpoint.',
    choices=(
      *('auto', 'one_device', 'mirrored', 'multi_worker_mirrored', 'tpu'),
    ),
  )
  num_cpu_devices: int = setting(
    1,
    'Added: logical CPU devices for --distribution_strategy=mirrored without '
    'GPUs, to try a distributed job on one machine.',
    at_least=1,
    at_most=256,
    needs=('distribution_strategy=mirrored',),
  )
  trains: bool = True

  @property
  def is_on_tpu(self) -> bool:
    """Whether the options ask for a TPU."""
    return self.use_tpu or self.distribution_strategy == 'tpu'

  def check(self) -> None:
    """Checks settings that depend on each other, and TF_CONFIG.

    Raises:
      UserError: the settings contradict each other, or TF_CONFIG is malformed
        or missing.
    """
    strategy = self.distribution_strategy
    if self.use_tpu and strategy not in ('auto', 'tpu'):
      raise UserError(
        f'`use_tpu` and `distribution_strategy`={strategy} contradict each '
        'other'
      )
    if self.is_on_tpu and self.jit_compile == 'false':
      raise UserError(
        '`jit_compile`=false: a TPU runs nothing that is not compiled'
      )
    if self.is_on_tpu and self.precision == 'float16':
      raise UserError(
        '`precision`=float16: a TPU computes in bfloat16 or float32'
      )
    if strategy == 'multi_worker_mirrored':
      cluster.required()
    elif strategy == 'auto' and not self.use_tpu:
      cluster.from_environment()
