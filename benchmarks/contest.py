"""Alternately runs programs that make pre-training records of the same text."""

import dataclasses
import os
import re
import struct
import sys
import tempfile
from collections.abc import Callable

from benchmarks import comparison, processes
from benchmarks.comparison import Measurement
from system import text_files

_OUTPUT_NAME = 'records.tfrecord'


@dataclasses.dataclass(frozen=True)
class Contestant:
  """A program and the text that it reads.

  Attributes:
    title: its name in tables.
    command: the command line without the flags for input and output files.
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
  """Copies files, plain or compressed, as plain text.

  Returns:
    The paths of the copies.

  Raises:
    UserError: a file cannot be read; the message names it.
  """
  copies = [os.path.join(folder, f'{i:05d}.txt') for i in range(len(paths))]
  for path, copy in zip(paths, copies, strict=True):
    # Not `text_files.copy`: it imports TensorFlow, and under so large a parent
    # `processes` cannot use the kernel's peak memory of a smaller program.
    with open(copy, 'w', encoding='utf-8', newline='\n') as file:
      file.writelines(f'{line}\n' for line in text_files.read_lines(path))
  return copies


def repeat(paths: list[str], times: int) -> list[str]:
  """Returns files that hold the text `times` over; the copies are links."""
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
  """Runs the contestants alternately.

  Args:
    contestants: the programs. One that fails drops out of later rounds.
    num_rounds: the number of runs of each program.
    folder: a folder for their output.
    report: called with the measurements so far after each round.

  Returns:
    The measurements of each contestant.
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
  """Runs a contestant once and removes its output."""
  # A killed program may leave workers that are still writing.
  with tempfile.TemporaryDirectory(
    dir=folder, ignore_cleanup_errors=True
  ) as output:
    files = [
      f'--input_file={",".join(contestant.inputs)}',
      f'--output_file={os.path.join(output, _OUTPUT_NAME)}',
    ]
    log = os.path.join(folder, 'log')
    usage = processes.run([*contestant.command, *files], log)
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


def count_records(folder: str) -> int:
  """Counts the records in a contestant's output, one file or shards.

  Raises:
    ValueError: there are no records, or a file is not a TFRecord file.
  """
  pattern = re.escape(_OUTPUT_NAME) + r'(-\d+-of-\d+)?'
  names = [name for name in os.listdir(folder) if re.fullmatch(pattern, name)]
  count = sum(_count(os.path.join(folder, name)) for name in names)
  if not count:
    raise ValueError('it wrote no records')
  return count


def _count(path: str) -> int:
  """Counts the records of a TFRecord file; reads only their lengths."""
  size, offset, count = os.path.getsize(path), 0, 0
  with open(path, 'rb') as file:
    while offset < size:
      file.seek(offset)
      length = file.read(8).ljust(8, b'\xff')
      # A record is: uint64 length, uint32 CRC, the bytes, uint32 CRC.
      offset += 8 + 4 + struct.unpack('<Q', length)[0] + 4
      count += 1
  if offset != size:
    raise ValueError(
      f'{os.path.basename(path)} is not a complete TFRecord file'
    )
  return count
