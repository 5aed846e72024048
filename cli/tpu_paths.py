"""The flags that name files, checked before a job takes a TPU."""

from collections.abc import Iterator

from absl import flags

from system.errors import UserError

FLAGS = flags.FLAGS

# What a job reads; a name may stand for several files, or be a prefix.
_INPUTS = (
  *('bert_config_file', 'vocab_file', 'init_checkpoint', 'input_file'),
  *('data_dir', 'labels_file', 'transfer_file'),
  *('teacher_checkpoint', 'teacher_config_file'),
)
# What the TPU's hosts themselves read or write in training.
_OF_HOSTS = ('input_file', 'output_dir', 'logits_dir')


def check(is_remote: bool) -> None:
  """Checks that the files are where the job can use them.

  Args:
    is_remote: whether the TPU has hosts of its own, which see no local files.

  Raises:
    UserError: a path on gs:// does not exist or cannot be written to, or a
      path is local and the TPU is not.
  """
  if is_remote and FLAGS.do_train:
    _refuse_local()
  from system import files

  for _, path in _paths(*_outputs()):
    if '://' in path:
      files.make_folder(path)
  for name, path in _paths(*_inputs()):
    if '://' in path and not files.exists_with_prefix(path):
      raise UserError(f'--{name}: there is nothing at {path}')


def _refuse_local() -> None:
  local = [
    f'--{name}={path}' for name, path in _paths(*_OF_HOSTS) if '://' not in path
  ]
  if local:
    raise UserError(
      f'{", ".join(local)}: the hosts of the TPU --tpu_name cannot see local '
      'files. Copy them to a bucket (gcloud storage cp -r DIR gs://BUCKET/) '
      'and give its paths; on a TPU VM, --tpu_name=local takes its own TPU, '
      'and local files'
    )


def _outputs() -> list[str]:
  is_dump = 'do_dump_logits' in FLAGS and FLAGS.do_dump_logits
  return ['output_dir', *(['logits_dir'] if is_dump else [])]


def _inputs() -> list[str]:
  names = [name for name in (*_INPUTS, 'logits_dir') if name not in _outputs()]
  if 'data_source' in FLAGS and FLAGS.data_source == 'tfds':
    names.remove('data_dir')  # It is made where it is not there.
  return names


def _paths(*names: str) -> Iterator[tuple[str, str]]:
  """Yields (flag, path) of those flags that the script has and that are set."""
  for name in names:
    value = FLAGS[name].value if name in FLAGS else None
    texts = value if isinstance(value, list) else [value or '']
    for path in ','.join(texts).split(','):
      if path:
        yield name, path
