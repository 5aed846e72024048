"""The lock that keeps two jobs from writing the same files at the same time.

.NAME.lock  names the job that writes the files of this name in the folder

The operating system frees the lock when its owner ends, for any reason. On file
systems without locks, such as gs://, a job cannot detect another one while it
writes. It fails at the end, if it finds the other job's file in place of its
own (`creation.create_records`).
"""

import os
import re
import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from data.records import file_names
from system import file_locks, files, temporary_files
from system.errors import UserError

# The endings of a job's files, after the name. A file with another ending
# belongs to another job.
_SUFFIXES = r'(-\d{5,}-of-\d{5,})?(\.index\.json|\.manifest\.json)?'


@contextmanager
def held(outputs: Sequence[str]) -> Iterator[None]:
  """Locks a job's files while the block runs.

  Removes the temporary files of a killed job.

  Args:
    outputs: the shards; their folders exist.

  Raises:
    UserError: another process holds the lock; the message names its host and
      process id.
  """
  stems = dict.fromkeys(map(file_names.shard_stem, outputs))
  with ExitStack() as locks:
    for folder, name in map(os.path.split, stems):
      lock = _acquire(os.path.join(folder, f'.{name}.lock'))
      if lock:
        locks.enter_context(lock)
      names = re.escape(name) + _SUFFIXES
      temporary_files.remove_abandoned(folder, names, is_alone=bool(lock))
    yield


def _acquire(path: str):
  owner = f'process {os.getpid()} on {socket.gethostname()}\n'
  try:
    return file_locks.acquire(path, owner)
  except BlockingIOError:
    raise UserError(
      f'{files.read_text(path).strip() or "another process"} writes these '
      f'files (it has locked {path}); wait until it ends, or give another '
      '`output_file`'
    ) from None
