"""Names of shards and indexes."""

from data.records.file_names import index_path, shard_names, shard_stem


def test_shards_are_numbered():
  assert shard_names('dir/x', 2) == [
    'dir/x-00000-of-00002',
    'dir/x-00001-of-00002',
  ]


def test_a_shard_s_suffix_is_removed():
  assert shard_stem('dir/x-00001-of-00002') == 'dir/x'
  assert shard_stem('dir/x-100000-of-123456') == 'dir/x'
  assert shard_stem('dir/x-1-of-2') == 'dir/x-1-of-2'


def test_an_index_lies_beside_its_file():
  assert index_path('dir/x') == 'dir/x.index.json'
