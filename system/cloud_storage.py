"""Remedies for errors of Google Cloud Storage."""

import re

_ROLE = 'roles/storage.objectAdmin'
_ACCOUNT = re.compile(r'[\w.+-]+@[\w-]+(?:\.[\w-]+)*\.\w+')
_REFUSED = re.compile(r'40[13]|[Pp]ermission|[Ff]orbidden|not have \S+ acc')
_NO_BUCKET = re.compile(r'404|bucket does not exist|Invalid bucket name')
_NO_NETWORK = re.compile(r'libcurl|resolve host|metadata\.google')


def remedy(path: str, reason: str) -> str:
  """Returns a remedy to append to an error message; '' if none is known.

  Args:
    path: the path that could not be read or written.
    reason: TensorFlow's message.
  """
  if not path.startswith('gs://'):
    return ''
  bucket = path[len('gs://') :].split('/')[0]
  if _REFUSED.search(reason):
    account = _ACCOUNT.search(reason)
    member = account[0] if account else 'ACCOUNT'
    return (
      f'. Let the account use the bucket: gcloud storage buckets '
      f'add-iam-policy-binding gs://{bucket} --member=serviceAccount:{member} '
      f'--role={_ROLE} (a TPU that `tpu_name` names reads and writes as its '
      'own service account, which needs the role too)'
    )
  if _NO_BUCKET.search(reason):
    return (
      f'. Is gs://{bucket} the right name? gcloud storage ls lists the '
      f"project's buckets; gcloud storage buckets create gs://{bucket} "
      "--location=REGION creates one, preferably in the TPU's region"
    )
  if _NO_NETWORK.search(reason):
    return (
      '. Is this machine online, and are there credentials? gcloud auth '
      'application-default login'
    )
  return ''
