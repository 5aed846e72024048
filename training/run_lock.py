"""One run at a time trains in a folder.

run.lock  who trains there: host, process, since when

Locally, and on file systems shared between machines that have such locks (NFS
has), the file is locked. The system frees the lock when its owner ends, however
it ends: nothing has to be tidied, and a second run is refused while the first
one lives.

Where there are no locks, on gs:// above all, nobody can tell whether an owner
is alive. There the run that came last has the folder, and the earlier one, if
it is still there, ends when it comes to its next checkpoint.
"""

import json
import os
import secrets
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from absl import logging

from devices import workers
from system import files
from system.errors import UserError

_NAME = 'run.lock'
# Folder → what this process wrote into its run.lock.
_owned: dict[str, str] = {}


@contextmanager
def held(folder: str, label: str = 'output_dir') -> Iterator[None]:
  """Keeps other runs out of a folder, which is made, while the block runs.

  Of several workers of one job, which share a folder, the chief does so.

  Raises:
    UserError: another run trains there; its host and process are told.
  """
  lock = workers.chief_does(lambda: _acquire(folder, label))
  try:
    yield
  finally:
    _owned.pop(folder, None)
    if lock is not None:
      lock.close()


def _acquire(folder: str, label: str) -> TextIO | None:
  files.make_folder(folder)
  path = os.path.join(folder, _NAME)
  earlier, entry = _read(path), _own_entry()
  try:
    lock = files.try_lock(path, entry)
  except BlockingIOError:
    raise UserError(
      f'{folder} is in use: {_describe(_read(path))} trains there. Wait until '
      f'it has ended, or give another `{label}`.'
    ) from None
  if lock is None:
    files.write_text(path, entry)
    if earlier:
      logging.warning(
        '%s has no locks. %s has trained there; if it still does, it ends at '
        'its next checkpoint.',
        folder,
        _describe(earlier),
      )
  _owned[folder] = entry
  return lock


def check(folder: str) -> None:
  """Checks that a folder that was `held` is still this run's.

  Raises:
    UserError: it is gone, or another run has taken it.
  """
  if folder not in _owned:
    return
  path = os.path.join(folder, _NAME)
  if not files.exists(path):
    raise UserError(
      f'{path}, which this run has made, is gone: was {folder} removed, or is '
      'its disk not there any more? Nothing is saved.'
    )
  if (found := _read(path)) != _owned[folder]:
    raise UserError(
      f'{_describe(found)} has taken {folder}; this run ends, and saves '
      'nothing any more'
    )


def _own_entry() -> str:
  entry = {
    'host': socket.gethostname(),
    'process': os.getpid(),
    'since': time.strftime('%Y-%m-%d %H:%M:%S %z'),
    # Processes of containers may have the same number and host.
    'token': secrets.token_hex(8),
  }
  return json.dumps(entry) + '\n'


def _read(path: str) -> str:
  return files.read_text(path) if files.exists(path) else ''


def _describe(entry: str) -> str:
  try:
    owner = json.loads(entry)
    number, host, since = owner['process'], owner['host'], owner['since']
    return f'process {number} on {host}, since {since},'
  except (json.JSONDecodeError, KeyError, TypeError):
    return 'another run'
