"""Names of record files: the shards of a data set, and a file's index."""

import os
import re


def shard_names(path: str, num_shards: int) -> list[str]:
  """Returns `path-00000-of-000NN` for each shard."""
  folder, name = os.path.split(path)
  return [
    os.path.join(folder, f'{name}-{i:05d}-of-{num_shards:05d}')
    for i in range(num_shards)
  ]


def shard_stem(path: str) -> str:
  """Returns `path` without a shard's suffix `-00000-of-000NN`."""
  return re.sub(r'-\d{5,}-of-\d{5,}$', '', path)


def manifest_path(path: str) -> str:
  """Returns the path of the manifest of a file and its shards."""
  return shard_stem(path) + '.manifest.json'


def index_path(path: str) -> str:
  """Returns the path of a TFRecord file's index."""
  return path + '.index.json'
