"""Tests of system/cloud_storage.py."""

import pytest

from system.cloud_storage import remedy


@pytest.mark.parametrize(
  ('reason', 'helps'),
  [
    ('HTTP response code 404 with body', 'storage buckets create gs://mine '),
    ("Invalid bucket name: 'YOUR_BUCKET'", 'gcloud storage ls'),
    (
      "libcurl code 6 meaning 'Could not resolve hostname'",
      'application-default login',
    ),
    (
      '"a-b@c.iam.gserviceaccount.com does not have storage.objects.list '
      'access to mine."',
      '--member=serviceAccount:a-b@c.iam.gserviceaccount.com ',
    ),
    ('HTTP response code 401', '--member=serviceAccount:ACCOUNT '),
  ],
)
def test_the_remedy_is_a_command(reason, helps):
  assert helps in remedy('gs://mine/folder/file', reason)


def test_other_reasons_and_local_paths_have_no_remedy():
  assert remedy('gs://mine/file', 'Could not find directory') == ''
  assert remedy('/local/403', 'Permission denied') == ''
