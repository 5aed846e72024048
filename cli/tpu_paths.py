"""Checks, before a job takes a TPU, that the files it names can be reached."""

from collections.abc import Iterator

from absl import flags

from cli import flag_group, input_paths
from system import files
from system.errors import UserError

FLAGS = flags.FLAGS

# Flags that name files which the TPU's hosts access themselves in training.
_USED_BY_HOSTS = ('input_file', 'output_dir', 'logits_dir')


def check(is_remote: bool) -> None:
  """Checks that the job can reach its files; makes remote output folders.

  Args:
    is_remote: whether the TPU's hosts are other machines, which cannot see
      local files.

  Raises:
    UserError: a remote path does not exist or is not writable, or the hosts
      need a path that is local.
  """
  if is_remote and FLAGS.do_train:
    _refuse_local()
  for _, path in _paths(*_output_flags()):
    if '://' in path:
      files.make_folder(path)
  for name, path in _paths(*_input_flags()):
    if '://' in path and not files.exists_with_prefix(path):
      raise UserError(f'--{name}: nothing exists at {path}')


def _refuse_local() -> None:
  local = [
    f'--{name}={path}'
    for name, path in _paths(*_USED_BY_HOSTS)
    if '://' not in path
  ]
  if local:
    raise UserError(
      f'{", ".join(local)}: the hosts of the TPU --tpu_name cannot see local '
      'files. Copy them to a bucket (gcloud storage cp -r DIR gs://BUCKET/) '
      'and give its paths; on a TPU VM, --tpu_name=local uses its own TPU and '
      'local files'
    )


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
