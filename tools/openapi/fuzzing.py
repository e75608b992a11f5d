"""What the fuzzer is given: fresh tokens, and a list of the operations that never let it in.

Some operations end the session or make access tokens stale, so a token that is refused is replaced, and the request made again.
"""

import collections
import json
import os
import urllib.request

import schemathesis

ANSWERS = collections.defaultdict(set)


@schemathesis.auth(refresh_interval=60)
class Token:
    def get(self, case, context):
        login = {"email": os.environ["FUZZ_EMAIL"], "password": os.environ["FUZZ_PASSWORD"]}
        request = urllib.request.Request(
            os.environ["FUZZ_URL"] + "/api/v1/auth/login",
            data=json.dumps(login).encode(),
            headers={"content-type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10) as response:
            return json.load(response)["access_token"]

    def set(self, case, data, context):
        case.headers["Authorization"] = f"Bearer {data}"


@schemathesis.serializer("application/offset+octet-stream")
def octets(context, value):
    return {"data": value if isinstance(value, bytes) else str(value).encode()}


@schemathesis.hook
def after_call(context, case, response):
    operation = f"{case.operation.method.upper()} {case.operation.path}"
    ANSWERS[operation].add(response.status_code)
    shut = sorted(name for name, codes in ANSWERS.items() if codes == {401})
    with open(os.environ["FUZZ_SHUT"], "w") as file:
        file.writelines(f"{name}\n" for name in shut)
