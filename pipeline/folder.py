"""What a pipeline's output folder records: the command that it belongs to.

Tested by `tests/pipeline/folder_test.py`.
"""

import dataclasses
import json
import os
import shutil
from typing import Any

from data.tasks import custom, split_folder
from distillation import dump_manifest
from modeling.checkpoints.location import locate
from pipeline.options import PipelineOptions
from system import files, local_files, settings
from system.errors import UserError, shown

FILE = 'pipeline.json'
_CONTENT = 'the content of '
# Another value of these changes nothing that is made.
_FREE = ('output_dir', 'dry_run', 'allow_weak_teacher', 'compare_labels_only')


def _settings_of(options: PipelineOptions) -> dict[str, Any]:
  """Returns the settings that decide what is made, by name."""
  values = {}
  for field in dataclasses.fields(options):
    group = getattr(options, field.name)
    for each in settings.declared_in(type(group)):
      value = getattr(group, each.name)
      if each.name not in _FREE:
        values[each.name] = list(value) if isinstance(value, tuple) else value
  return values


def _identity(options: PipelineOptions) -> dict[str, Any]:
  """Returns the settings, and what identifies the contents of the inputs.

  Texts are hashed whole: all of them are read in any case. Weights are large,
  so they have their sizes and the checksums of their ends.
  """
  contents: dict[str, Any] = {
    path: files.sha256(path) for path in _texts(options)
  }
  for path in _weights(options):
    contents[path] = [files.size(path), files.crc_of_ends(path)]
  named = {f'{_CONTENT}{path}': value for path, value in contents.items()}
  return {**_settings_of(options), **named}


def _texts(options: PipelineOptions) -> list[str]:
  """Returns the paths of the texts, the vocabulary and a dump's manifest."""
  source = options.source
  paths = [*source.sources().values(), *files.expand(source.transfer_file)]
  if source.data_dir:
    manifest = os.path.join(source.data_dir, split_folder.MANIFEST)
    paths += [manifest] if files.exists(manifest) else []
    task = custom.regression(custom.in_files())  # Any: only its files count.
    paths += [
      task.locate(source.data_dir, split)
      for split in task.splits
      if task.has_split(source.data_dir, split)
    ]
  if logits_dir := options.models.logits_dir:
    paths.append(os.path.join(logits_dir, dump_manifest.FILE_NAME))
  if options.tokenizer.vocab_file:
    paths.append(options.tokenizer.vocab_file)
  return paths


def _weights(options: PipelineOptions) -> list[str]:
  models = options.models
  given = filter(None, (models.teacher, models.init_checkpoint))
  return [file for path in given for file in locate(path).data_files()]


def check(options: PipelineOptions) -> None:
  """Checks that the folder is new or empty, or belongs to this command.

  Raises:
    UserError: it belongs to another command; the first setting that differs is
      named with both values. Or its splits were changed. Or it holds something
      else, or is not local.
  """
  folder = options.job.output_dir
  local_files.require_local(folder)
  if ',' in folder:
    raise UserError(
      f'`output_dir`={folder}: expected a name without commas, which separate '
      'folders in the flags of the commands'
    )
  path = os.path.join(folder, FILE)
  if not files.exists(path):
    if _content(folder):
      raise UserError(
        f'`output_dir`: {folder} holds files, but no {FILE} of this command. '
        'Give a new folder.'
      )
    return
  recorded = files.read_json(path)
  earlier = recorded.get('settings') if isinstance(recorded, dict) else None
  if not isinstance(earlier, dict):
    raise UserError(f'{path} is damaged: expected an object with "settings"')
  identity = _identity(options)
  gone = {name: None for name in earlier if name.startswith(_CONTENT)}
  for name, value in {**gone, **identity}.items():
    if earlier.get(name) != value:
      raise UserError(
        f'`output_dir`: {folder} belongs to a command with another `{name}`: '
        f'{shown(earlier.get(name))}, now {shown(value)}. Give another folder, '
        'or that value.'
      )
  split_folder.check_unchanged(os.path.join(folder, 'data'))


def _content(folder: str) -> list[str]:
  names = files.list_folder(folder) if files.is_folder(folder) else []
  # A command that was killed before it recorded its settings leaves its lock.
  return [name for name in names if name != 'run.lock']


def claim(options: PipelineOptions) -> None:
  """Records the command in its folder."""
  path = os.path.join(options.job.output_dir, FILE)
  content = {'settings': _identity(options)}
  local_files.write(path, json.dumps(content, indent=2) + '\n')


def check_space(folder: str, needed: int) -> None:
  """Raises a `UserError` if the disk has less free space than needed.

  Args:
    folder: need not exist.
    needed: bytes.
  """
  existing = os.path.abspath(folder)
  while not os.path.exists(existing):
    existing = os.path.dirname(existing)
  free = shutil.disk_usage(existing).free
  if free < needed:
    raise UserError(
      f'`output_dir`: the models need about {needed / 1e9:.1f} GB, '
      f'{existing} has {free / 1e9:.1f} GB of free space'
    )
