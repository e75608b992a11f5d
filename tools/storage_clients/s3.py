"""The SDK of AWS for Python against storage: what its users do, and what they are refused.

python s3.py    STOA_URL and STOA_KEYS: {owner, reader, other}, each {id, secret}
"""

import io
import json
import os
import urllib.error
import urllib.request

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError

KEYS = json.loads(os.environ["STOA_KEYS"])
BUCKET = "of-python"
PART = 5 * 1024 * 1024


def client(key, secret=None, **more):
    # Addresses are signed by the old version unless one says so.
    config = Config(signature_version="s3v4", s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}, **more)
    return boto3.client(
        "s3",
        endpoint_url=os.environ["STOA_URL"] + "/s3",
        region_name="us-east-1",
        aws_access_key_id=key["id"],
        aws_secret_access_key=secret or key["secret"],
        config=config,
    )


def refused(status, code, call, **arguments):
    try:
        call(**arguments)
    except ClientError as error:
        answer = error.response
        found = (answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"])
        assert found == (status, code), (found, status, code)
    else:
        raise AssertionError(f"not refused: {code}")


s3 = client(KEYS["owner"])
of = {"Bucket": BUCKET}

s3.create_bucket(**of)
refused(409, "BucketAlreadyOwnedByYou", s3.create_bucket, **of)
s3.head_bucket(**of)
assert BUCKET in [one["Name"] for one in s3.list_buckets()["Buckets"]]

# Metadata, special characters, ranges.
KEY = "folder/ä b+c&d'(1).txt"
put = s3.put_object(**of, Key=KEY, Body=b"hello", ContentType="text/plain", CacheControl="max-age=9", Metadata={"colour": "blue"})
head = s3.head_object(**of, Key=KEY)
assert (head["ContentLength"], head["ContentType"], head["Metadata"], head["ETag"]) == (5, "text/plain", {"colour": "blue"}, put["ETag"])
assert s3.get_object(**of, Key=KEY)["Body"].read() == b"hello"
assert s3.get_object(**of, Key=KEY, Range="bytes=-2")["Body"].read() == b"lo"
refused(416, "InvalidRange", s3.get_object, **of, Key=KEY, Range="bytes=9-")
refused(404, "404", s3.head_object, **of, Key="none")

# Each of the checksums that need no further package, and bodies that are signed by chunks or not at all.
for algorithm in ["CRC32", "SHA1", "SHA256"]:
    s3.put_object(**of, Key="checked", Body=b"checked", ChecksumAlgorithm=algorithm)
    assert s3.get_object(**of, Key="checked")["Body"].read() == b"checked"
refused(400, "BadDigest", s3.put_object, **of, Key="wrong", Body=b"x", ChecksumCRC32="AAAAAA==")
for signed in [True, False]:
    plain = client(KEYS["owner"], request_checksum_calculation="when_required")
    plain.meta.config.s3["payload_signing_enabled"] = signed
    plain.put_object(**of, Key="plain", Body=io.BytesIO(b"plain"))

# Lists: by prefix, by folder, by the page.
for n in range(12):
    s3.put_object(**of, Key=f"list/{n % 3}/{n}", Body=b"")
folders = s3.list_objects_v2(**of, Prefix="list/", Delimiter="/")
assert [one["Prefix"] for one in folders["CommonPrefixes"]] == ["list/0/", "list/1/", "list/2/"]
for name in ["list_objects_v2", "list_objects"]:
    pages = s3.get_paginator(name).paginate(**of, Prefix="list/", PaginationConfig={"PageSize": 5})
    found = [one["Key"] for page in pages for one in page["Contents"]]
    assert len(set(found)) == len(found) == 12, name
assert s3.list_objects_v2(**of, Prefix="folder/")["Contents"][0]["Key"] == KEY

# Copies and deletions.
s3.copy_object(**of, Key="copy", CopySource={**of, "Key": KEY})
assert s3.head_object(**of, Key="copy")["Metadata"] == {"colour": "blue"}
s3.copy_object(**of, Key="copy", CopySource={**of, "Key": "copy"}, MetadataDirective="REPLACE", Metadata={"colour": "red"})
assert s3.head_object(**of, Key="copy")["Metadata"] == {"colour": "red"}
s3.delete_object(**of, Key="copy")
gone = s3.delete_objects(**of, Delete={"Objects": [{"Key": key} for key in found], "Quiet": True})
assert "Errors" not in gone and s3.list_objects_v2(**of, Prefix="list/")["KeyCount"] == 0

# Versions.
s3.put_bucket_versioning(**of, VersioningConfiguration={"Status": "Enabled"})
assert s3.get_bucket_versioning(**of)["Status"] == "Enabled"
first = s3.put_object(**of, Key="versioned", Body=b"one")["VersionId"]
s3.put_object(**of, Key="versioned", Body=b"two")
assert s3.get_object(**of, Key="versioned", VersionId=first)["Body"].read() == b"one"
for n in range(7):
    s3.put_object(**of, Key=f"history/{n % 3} \xe4+", Body=str(n).encode())
s3.delete_object(**of, Key="history/1 \xe4+")
pages = list(s3.get_paginator("list_object_versions").paginate(**of, Prefix="history/", PaginationConfig={"PageSize": 2}))
listed = [(one["Key"], one["VersionId"], one["IsLatest"]) for page in pages for one in page["Versions"]]
assert [key for key, _, _ in listed] == ["history/0 \xe4+"] * 3 + ["history/1 \xe4+"] * 2 + ["history/2 \xe4+"] * 2
assert [latest for _, _, latest in listed] == [True, False, False, False, False, True, False] and len(pages) == 4
bodies = [s3.get_object(**of, Key=key, VersionId=version)["Body"].read() for key, version, _ in listed]
assert bodies == [b"6", b"3", b"0", b"4", b"1", b"5", b"2"]
folders = s3.list_object_versions(**of, Delimiter="/")
assert "history/" in [one["Prefix"] for one in folders["CommonPrefixes"]]
s3.delete_object(**of, Key=listed[0][0], VersionId=listed[0][1])
assert s3.get_object(**of, Key=listed[0][0])["Body"].read() == b"3"
# As the SDK empties a bucket.
gone = [{"Key": key, "VersionId": version} for key, version, _ in listed]
assert "Errors" not in s3.delete_objects(**of, Delete={"Objects": gone})
assert "Versions" not in s3.list_object_versions(**of, Prefix="history/")
s3.put_bucket_versioning(**of, VersioningConfiguration={"Status": "Suspended"})
assert s3.get_bucket_versioning(**of)["Status"] == "Suspended"
s3.put_bucket_versioning(**of, VersioningConfiguration={"Status": "Enabled"})

# An upload in parts, as the SDK makes one of a large file; and a part that is copied.
large = os.urandom(2 * PART + 1000)
parts = TransferConfig(multipart_threshold=PART, multipart_chunksize=PART)
s3.upload_fileobj(io.BytesIO(large), BUCKET, "large", Config=parts)
back = io.BytesIO()
s3.download_fileobj(BUCKET, "large", back, Config=parts)
assert back.getvalue() == large
assert s3.head_object(**of, Key="large")["ETag"].endswith('-3"')
upload = s3.create_multipart_upload(**of, Key="composed")["UploadId"]
this = {**of, "Key": "composed", "UploadId": upload}
done = [
    s3.upload_part_copy(**this, PartNumber=1, CopySource={**of, "Key": "large"}, CopySourceRange=f"bytes=0-{PART - 1}")["CopyPartResult"],
    s3.upload_part(**this, PartNumber=2, Body=b"end"),
]
done = [{"PartNumber": at + 1, "ETag": one["ETag"]} for at, one in enumerate(done)]
assert len(s3.list_parts(**this)["Parts"]) == 2
s3.complete_multipart_upload(**this, MultipartUpload={"Parts": done})
assert s3.get_object(**of, Key="composed")["Body"].read() == large[:PART] + b"end"

# Presigned addresses, by a plain client.
address = s3.generate_presigned_url("put_object", {**of, "Key": "by address"}, ExpiresIn=60)
urllib.request.urlopen(urllib.request.Request(address, data=b"signed", method="PUT"))
address = s3.generate_presigned_url(
    "get_object", {**of, "Key": "by address", "ResponseContentDisposition": "attachment"}, ExpiresIn=60
)
with urllib.request.urlopen(address) as answer:
    assert (answer.read(), answer.headers["content-disposition"]) == (b"signed", "attachment")
try:
    urllib.request.urlopen(address.replace("by%20address", "large"))
    raise AssertionError("an address is good for another object")
except urllib.error.HTTPError as error:
    assert error.code == 403

# Refusals.
refused(403, "SignatureDoesNotMatch", client(KEYS["owner"], "wrong").get_object, **of, Key=KEY)
refused(404, "NoSuchBucket", client(KEYS["other"]).get_object, **of, Key=KEY)
refused(404, "NoSuchBucket", client(KEYS["other"]).put_object, **of, Key=KEY, Body=b"x")
reader = client(KEYS["reader"])
assert reader.get_object(**of, Key=KEY)["Body"].read() == b"hello"
refused(403, "AccessDenied", reader.put_object, **of, Key=KEY, Body=b"x")
refused(403, "AccessDenied", reader.delete_object, **of, Key=KEY)
refused(501, "NotImplemented", s3.get_bucket_policy, **of)
refused(409, "BucketNotEmpty", s3.delete_bucket, **of)
print("the SDK of AWS for Python: all well")
