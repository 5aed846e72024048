"""Remote files through Apache Beam: a local folder plays fake://."""

import pytest

pytest.importorskip('apache_beam')

from fake_file_system import SCHEME

from data.pretraining.beam import remote_files
from system import file_systems, files
from system.errors import UserError

pytestmark = [pytest.mark.slow, pytest.mark.long]


@pytest.fixture
def remote(tmp_path, monkeypatch):
  """The name of a folder that only Beam can reach."""
  monkeypatch.setattr(file_systems, '_remote', remote_files)
  return f'{SCHEME}{tmp_path}'


def test_what_is_written_is_read(remote, tmp_path):
  folder = f'{remote}/a/b'
  files.make_folder(folder)
  files.write_text(f'{folder}/x.gz', 'ä\n')  # Not compressed, despite its name.
  assert (tmp_path / 'a/b/x.gz').read_bytes() == 'ä\n'.encode()
  with files.open_write(f'{folder}/y', 'wb') as file:
    file.write(b'12')
    file.write(b'3')
  with files.open_stream(f'{folder}/y') as file:
    file.seek(1)
    assert file.read() == b'23'
  assert files.size(f'{folder}/y') == 3
  assert files.list_folder(folder) == ['x.gz', 'y']
  assert files.expand(f'{remote}/a/*/?') == [f'{folder}/y']
  assert files.is_folder(f'{remote}/a/b') and files.exists(folder)
  assert not files.is_folder(f'{folder}/y')
  files.remove(f'{folder}/y')
  assert not files.exists(f'{folder}/y')
  files.remove_folder(f'{remote}/a')
  assert not (tmp_path / 'a').exists()
  files.remove_folder(f'{remote}/a')


def test_an_exception_leaves_the_earlier_file(remote, tmp_path):
  files.write_text(f'{remote}/x', 'earlier')
  with pytest.raises(KeyError), files.open_write(f'{remote}/x') as file:
    file.write('later')
    raise KeyError
  assert [path.name for path in tmp_path.iterdir()] == ['x']
  assert files.read_text(f'{remote}/x') == 'earlier'


def test_failures_are_named(remote):
  with pytest.raises(UserError, match=f'cannot read {remote}/x: '):
    files.read_text(f'{remote}/x')
  with pytest.raises(UserError, match=f'cannot read {remote}/x: '):
    files.size(f'{remote}/x')
  with pytest.raises(UserError, match=f'no file matches .{remote}/x'):
    files.expand(f'{remote}/x*')
  with pytest.raises(UserError, match='look for other://a: .* filesystem'):
    files.exists('other://a')
