"""A file system that only Apache Beam reaches: local files under fake://."""

import pathlib
import shutil

from apache_beam.io import filesystem
from apache_beam.io.localfilesystem import LocalFileSystem

SCHEME = 'fake://'


class FakeFileSystem(LocalFileSystem):
  """Implements fake:// for Beam; the rest of a name is a local path."""

  @classmethod
  def scheme(cls):
    return 'fake'

  def _list(self, dir_or_prefix):
    prefix = _local(dir_or_prefix)
    for path in pathlib.Path(prefix).parent.rglob('*'):
      if path.is_file() and str(path).startswith(prefix):
        yield self.metadata(f'{SCHEME}{path}')

  def has_dirs(self):
    return False

  def mkdirs(self, path):
    super().mkdirs(_local(path))

  def create(self, path, *args, **kwargs):
    return super().create(_local(path), *args, **kwargs)

  def open(self, path, *args, **kwargs):
    return super().open(_local(path), *args, **kwargs)

  def rename(self, source_file_names, destination_file_names):
    super().rename(
      [*map(_local, source_file_names)], [*map(_local, destination_file_names)]
    )

  def exists(self, path):
    return pathlib.Path(_local(path)).is_file()

  def metadata(self, path):
    found = super().metadata(_local(path))
    seconds = found.last_updated_in_seconds
    return filesystem.FileMetadata(path, found.size_in_bytes, seconds)

  def delete(self, paths):
    for path in map(_local, paths):  # As on gs://, 'a/' deletes all below it.
      if path.endswith('/'):
        shutil.rmtree(path)
      else:
        pathlib.Path(path).unlink()


def _local(path: str) -> str:
  return path.removeprefix(SCHEME)
