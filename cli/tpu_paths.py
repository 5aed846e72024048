"""Checks, before a job takes a TPU, that the files it names can be reached."""

from collections.abc import Iterator

from absl import flags

from cli import flag_group, input_paths
from system import files
from system.errors import UserError

FLAGS = flags.FLAGS


def check(is_remote: bool) -> None:
  """Checks that the job can reach its files; makes remote output folders.

  Args:
    is_remote: whether the TPU's hosts are other machines, which cannot see
      local files.

  Raises:
    UserError: a remote path does not exist or is not writable, or the hosts
      are to train into a local folder.
  """
  if is_remote and FLAGS.do_train and '://' not in FLAGS.output_dir:
    raise UserError(
      f'--output_dir={FLAGS.output_dir}: the hosts of the TPU --tpu_name write '
      'checkpoints and cannot see local files: give a path in a bucket '
      '(gs://BUCKET/...); on a TPU VM, --tpu_name=local uses its own TPU and '
      'local files'
    )
  for _, path in _paths(*_output_flags()):
    if '://' in path:
      files.make_folder(path)
  for name, path in _paths(*_input_flags()):
    if '://' in path and not files.exists_with_prefix(path):
      raise UserError(f'--{name}: nothing exists at {path}')


def _output_flags() -> list[str]:
  makers = ('do_dump_logits', 'do_import_logits')
  is_dump = any(name in FLAGS and FLAGS[name].value for name in makers)
  return ['output_dir', *(['logits_dir'] if is_dump else [])]


def _input_flags() -> list[str]:
  outputs = _output_flags()
  names = [*flag_group.names_of_inputs(), 'logits_dir', 'data_dir']
  if 'data_source' in FLAGS and FLAGS.data_source == 'tfds':
    names.remove('data_dir')  # tensorflow-datasets makes it if it is missing.
  return [name for name in names if name not in outputs]


def _paths(*names: str) -> Iterator[tuple[str, str]]:
  """Yields (flag, path) for each path in those flags that have a value.

  Flags that the script does not define are skipped.
  """
  for name in names:
    value = FLAGS[name].value if name in FLAGS else None
    for path in input_paths.paths(value, flag_group.kind_of_input(name)):
      yield name, path
