"""A lock on a run's folder: only one run at a time trains in it.

run.lock  the owner: its host, process and start time

On local file systems, and on shared ones that support locks (NFS does), the
file is locked. The operating system frees the lock when its owner ends for any
reason, so nothing needs cleaning up. A second run is refused while the first
one is alive.

On file systems without locks, such as gs://, a run cannot find out whether the
owner is alive. There the latest run owns the folder, and an earlier one that is
still alive ends at its next checkpoint.
"""

import json
import os
import secrets
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from absl import logging

from devices import workers
from system import file_locks, files, json_text
from system.errors import Unavailable, UserError

_NAME = 'run.lock'
# Folder → the entry that this process wrote into its run.lock.
_owned: dict[str, str] = {}


@contextmanager
def held(folder: str) -> Iterator[None]:
  """Makes a folder and keeps other runs out of it while the block runs.

  With several workers, which share the folder, the chief holds the lock.

  Args:
    folder: the run's folder, `output_dir`.

  Raises:
    Unavailable: another run trains there; names its host and process.
  """
  lock = workers.chief_does(lambda: _acquire(folder))
  try:
    yield
  finally:
    _owned.pop(folder, None)
    if lock is not None:
      lock.close()


@contextmanager
def shared(folder: str) -> Iterator[None]:
  """Keeps runs that train out of a folder while the block evaluates there.

  Only the chief calls it. Several evaluations may share a folder. A folder in
  which nothing has ever trained has no lock.

  Args:
    folder: as for `held`.

  Raises:
    Unavailable: a run trains there; names its host and process.
  """
  path, lock = os.path.join(folder, _NAME), None
  if files.exists(path):
    try:
      lock = file_locks.share(path)
    except BlockingIOError:
      raise _in_use(folder) from None
  try:
    yield
  finally:
    if lock is not None:
      lock.close()


@contextmanager
def joined(folder: str, setting_name: str) -> Iterator[Callable[[], bool]]:
  """Makes a folder that several jobs write to; keeps runs that train out of it.

  Only the chief holds the lock.

  Args:
    folder: the jobs' folder.
    setting_name: the setting that gave it, for messages.

  Yields:
    A function that returns whether this job is the only one in the folder;
    False where the file system has no locks.

  Raises:
    Unavailable: as for `held`.
  """
  lock = workers.chief_does(lambda: _join(folder, setting_name))
  try:
    yield lambda: lock is not None and file_locks.is_alone(lock)
  finally:
    if lock is not None:
      lock.close()


def _join(folder: str, setting_name: str) -> TextIO | None:
  files.make_folder(folder)
  path = os.path.join(folder, _NAME)
  _check_entry(path, setting_name)
  try:
    return file_locks.share(path)
  except BlockingIOError:
    raise _in_use(folder, setting_name) from None


def _in_use(folder: str, setting_name: str = 'output_dir') -> Unavailable:
  entry = _read(os.path.join(folder, _NAME))
  return Unavailable(
    f'{folder} is in use: {_describe(entry)} trains there, or another command '
    'evaluates there. Wait until it has ended, or give another '
    f'`{setting_name}`'
  )


def _acquire(folder: str) -> TextIO | None:
  files.make_folder(folder)
  path = os.path.join(folder, _NAME)
  _check_entry(path, 'output_dir')
  earlier, entry = _read(path), _own_entry()
  try:
    lock = file_locks.acquire(path, entry)
  except BlockingIOError:
    raise _in_use(folder) from None
  if lock is None:
    files.write_text(path, entry)
    if earlier:
      logging.warning(
        '%s has no locks. %s has trained there; if it is still alive, it ends '
        'at its next checkpoint.',
        folder,
        _describe(earlier),
      )
  _owned[folder] = entry
  return lock


def check(folder: str) -> None:
  """Checks that a folder that was `held` still belongs to this run.

  Raises:
    UserError: the folder is gone, or another run has taken it.
  """
  if folder not in _owned:
    return
  path = os.path.join(folder, _NAME)
  if not files.exists(path):
    raise UserError(
      f'{path}, which this run has written, is gone: was {folder} removed, or '
      'its disk unmounted? Nothing is saved.'
    )
  if (found := _read(path)) != _owned[folder]:
    raise UserError(
      f'{_describe(found)} has taken {folder}; this run ends without saving'
    )


def _own_entry() -> str:
  entry = {
    'host': socket.gethostname(),
    'process': os.getpid(),
    'since': time.strftime('%Y-%m-%d %H:%M:%S %z'),
    # Processes in containers may have the same number and host name.
    'token': secrets.token_hex(8),
  }
  return json.dumps(entry) + '\n'


def _read(path: str) -> str:
  return files.read_text(path) if files.exists(path) else ''


def _check_entry(path: str, setting_name: str) -> None:
  """Raises a `UserError` if another program wrote the file of the lock."""
  # A power cut may leave zero bytes.
  entry = _read(path).strip('\0')
  try:
    is_own = not entry or 'process' in json_text.parse(entry)
  except (ValueError, TypeError):
    is_own = False
  if not is_own:
    raise UserError(
      f'{path} is not the lock of a run, so it is kept. Give another '
      f'`{setting_name}`, or move it.'
    )


def _describe(entry: str) -> str:
  try:
    owner = json_text.parse(entry)
    number, host, since = owner['process'], owner['host'], owner['since']
    return f'process {number} on {host}, since {since},'
  except (ValueError, KeyError, TypeError):
    return 'another run'
