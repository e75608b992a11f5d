"""A push service and the browsers that subscribe with it. Messages are decrypted by http_ece, tokens checked by py_vapid.

POST /subscribe, the installation's public key in the body, makes a subscription; GET /messages/<name> has what it got.
"""

import base64
import http.server
import json
import os
import sys
import threading
import time

import http_ece
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from py_vapid import Vapid02

ORIGIN = f"http://127.0.0.1:{sys.argv[1]}"
DAY = 24 * 3600


def encode(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decode(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


class Browser:
    def __init__(self, installation):
        self.installation = installation
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.secret = os.urandom(16)
        self.messages = []

    def subscription(self, name):
        public = self.key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        return {"endpoint": f"{ORIGIN}/push/{name}", "p256dh": encode(public), "auth": encode(self.secret)}

    def receive(self, headers, body):
        refusal = self.refusal(headers, body)
        if refusal:
            return refusal
        text = http_ece.decrypt(body, private_key=self.key, auth_secret=self.secret, version="aes128gcm")
        kept = {name: headers.get(name) for name in ("TTL", "Urgency", "Topic", "Content-Encoding")}
        self.messages.append({"text": text.decode(), "length": len(body), "headers": kept})
        return None

    def refusal(self, headers, body):
        """Why a real push service would not take it, and by which status."""
        authorization = headers.get("Authorization", "")
        if not Vapid02.verify(authorization):
            return 403, "the token is not signed by its key"
        parts = dict(part.strip().split("=", 1) for part in authorization.split(" ", 1)[1].split(","))
        if parts["k"] != self.installation:
            return 403, "not the key of the subscription"
        claims = json.loads(decode(parts["t"].split(".")[1]))
        if claims["aud"] != ORIGIN or not 0 < claims["exp"] - time.time() <= DAY:
            return 403, f"not a token for {ORIGIN}: {claims}"
        if not claims["sub"].startswith(("mailto:", "https://")):
            return 403, "no contact"
        if not headers.get("TTL", "").isdigit() or headers.get("Content-Encoding") != "aes128gcm":
            return 400, "TTL or Content-Encoding"
        if len(body) > 4096:
            return 413, "too long"
        return None


class Service(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    browsers = {}
    lock = threading.Lock()

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        name = self.path.removeprefix("/push/")
        with self.lock:
            if self.path == "/subscribe":
                name = f"b{len(self.browsers)}"
                self.browsers[name] = Browser(body.decode())
                self.answer(201, self.browsers[name].subscription(name))
            elif name not in self.browsers:
                self.answer(404, {"reason": "no such subscription"})
            elif refusal := self.browsers[name].receive(self.headers, body):
                self.answer(refusal[0], {"reason": refusal[1]})
            else:
                place = f"{ORIGIN}/message/{name}/{len(self.browsers[name].messages)}"
                self.answer(201, {}, Location=place)

    def do_GET(self):
        with self.lock:
            browser = self.browsers.get(self.path.removeprefix("/messages/"))
            self.answer(200 if browser else 404, browser.messages if browser else {})

    def answer(self, status, value, **headers):
        body = json.dumps(value).encode()
        self.send_response(status)
        for name, text in headers.items():
            self.send_header(name, text)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Service).serve_forever()
