"""Runs programs that make pre-training records, in turn, on text files."""

import dataclasses
import gzip
import os
import pathlib
import re
import shutil
import struct
import sys
import tempfile
import zlib
from collections.abc import Callable

import comparison
import processes
from comparison import Measurement

from system.errors import UserError

_ROOT = pathlib.Path(__file__).resolve().parents[1]
_OUTPUT_NAME = 'records.tfrecord'
_BUFFER_BYTES = 1 << 20


@dataclasses.dataclass(frozen=True)
class Contestant:
  """A program and the text that it reads.

  Attributes:
    title: how tables call it.
    command: all of it but the names of files.
    inputs: plain text files.
  """

  title: str
  command: list[str]
  inputs: list[str]

  @property
  def megabytes(self) -> float:
    """The size of its input."""
    return sum(map(os.path.getsize, self.inputs)) / 1e6


def unpack(paths: list[str], folder: str) -> list[str]:
  """Copies files, plain or gzip, as plain text.

  Returns:
    The copies' names.

  Raises:
    UserError: a file cannot be read or copied; it is named.
  """
  copies = [os.path.join(folder, f'{i:05d}.txt') for i in range(len(paths))]
  for path, copy in zip(paths, copies, strict=True):
    try:
      _unpack(path, copy)
    except (OSError, EOFError, zlib.error) as error:
      raise UserError(f'cannot unpack {path}: {error}') from error
  return copies


def _unpack(path: str, copy: str) -> None:
  with open(path, 'rb') as file, open(copy, 'wb') as target:
    is_gzip = file.read(2) == b'\x1f\x8b'
    file.seek(0)
    source = gzip.GzipFile(fileobj=file) if is_gzip else file
    shutil.copyfileobj(source, target, _BUFFER_BYTES)


def repeat(paths: list[str], times: int) -> list[str]:
  """Returns files with the text `times` over: links, which take no room."""
  links = []
  for number in range(1, times):
    for path in paths:
      links.append(f'{path.removesuffix(".txt")}-{number}.txt')
      if not os.path.exists(links[-1]):
        os.link(path, links[-1])
  return paths + links


def compare(
  contestants: list[Contestant],
  num_rounds: int,
  folder: str,
  report: Callable[[list[list[Measurement]]], None],
) -> list[list[Measurement]]:
  """Runs the contestants in turn.

  Args:
    contestants: who takes part. One that fails takes no further part.
    num_rounds: how many times each has its turn.
    folder: for their output.
    report: called with what there is after each round.

  Returns:
    For each contestant its measurements.
  """
  results: list[list[Measurement]] = [[] for _ in contestants]
  for number in range(1, num_rounds + 1):
    for contestant, runs in zip(contestants, results, strict=True):
      if runs and runs[-1].failure:
        continue
      runs.append(_measure(contestant, folder))
      line = comparison.line(runs[-1])
      print(f'round {number}: {line}', file=sys.stderr, flush=True)
    report(results)
  return results


def _measure(contestant: Contestant, folder: str) -> Measurement:
  """Runs a contestant once and removes what it wrote."""
  # What is killed may leave workers that still write.
  with tempfile.TemporaryDirectory(
    dir=folder, ignore_cleanup_errors=True
  ) as output:
    files = [
      f'--input_file={",".join(contestant.inputs)}',
      f'--output_file={os.path.join(output, _OUTPUT_NAME)}',
    ]
    log = os.path.join(folder, 'log')
    usage = processes.run([*contestant.command, *files], log, environment())
    records, failure = 0, usage.failure
    if not failure:
      try:
        records = count_records(output)
      except ValueError as error:
        failure = str(error)
  return Measurement(
    title=contestant.title,
    megabytes=contestant.megabytes,
    seconds=usage.seconds,
    cpu_seconds=usage.cpu_seconds,
    peak_megabytes=usage.peak_bytes / 1e6,
    records=records,
    failure=failure,
  )


def environment() -> dict[str, str]:
  """Returns this process's variables, with the project where it can be found
  and TensorFlow silent on the GPUs that are not there."""
  paths = [str(_ROOT), *filter(None, [os.environ.get('PYTHONPATH')])]
  return os.environ | {
    'PYTHONPATH': os.pathsep.join(paths),
    'TF_CPP_MIN_LOG_LEVEL': '3',
  }


def count_records(folder: str) -> int:
  """Returns the number of records in a contestant's files, whole or sharded.

  Raises:
    ValueError: there is none, or a file is no TFRecord file.
  """
  pattern = re.escape(_OUTPUT_NAME) + r'(-\d+-of-\d+)?'
  names = [name for name in os.listdir(folder) if re.fullmatch(pattern, name)]
  count = sum(_count(os.path.join(folder, name)) for name in names)
  if not count:
    raise ValueError('it wrote no records')
  return count


def _count(path: str) -> int:
  """Walks over a TFRecord file from length to length."""
  size, offset, count = os.path.getsize(path), 0, 0
  with open(path, 'rb') as file:
    while offset < size:
      file.seek(offset)
      length = file.read(8).ljust(8, b'\xff')
      # A record is: uint64 length, uint32 CRC, the bytes, uint32 CRC.
      offset += 8 + 4 + struct.unpack('<Q', length)[0] + 4
      count += 1
  if offset != size:
    raise ValueError(f'{os.path.basename(path)} is no whole TFRecord file')
  return count
