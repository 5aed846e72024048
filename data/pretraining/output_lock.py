"""One job at a time writes the same files.

.NAME.lock  who writes the files of this name in the folder

The system frees the lock when its owner ends, however it ends. Where there are
no locks, on gs:// above all, nobody can tell: there a job that finds what
another one has written in its place ends (`creation.create`).
"""

import os
import re
import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from system import files, temporary_files
from system.errors import UserError

# What one job writes; a name that goes on otherwise is another job's.
_WRITTEN = r'(-\d{5,}-of-\d{5,})?(\.index\.json|\.manifest\.json)?'


@contextmanager
def held(outputs: Sequence[str]) -> Iterator[None]:
  """Keeps other jobs from a job's files while the block runs.

  What a killed one left under temporary names is removed.

  Args:
    outputs: the shards; their folders are there.

  Raises:
    UserError: another process writes them; its host and number are told.
  """
  from data.records import file_names

  name = os.path.basename(file_names.shard_stem(outputs[0]))
  with ExitStack() as locks:
    for folder in dict.fromkeys(os.path.dirname(path) for path in outputs):
      if lock := _acquire(os.path.join(folder, f'.{name}.lock')):
        locks.enter_context(lock)
        written = re.escape(name) + _WRITTEN
        temporary_files.remove_abandoned(folder, written, is_alone=True)
    yield


def _acquire(path: str):
  owner = f'process {os.getpid()} on {socket.gethostname()}\n'
  try:
    return files.try_lock(path, owner)
  except BlockingIOError:
    raise UserError(
      f'{files.read_text(path).strip() or "another process"} writes these '
      f'files (it has locked {path}); wait until it has ended, or give another '
      '--output_file'
    ) from None
