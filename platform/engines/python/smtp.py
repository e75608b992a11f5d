"""A mail server: aiosmtpd, which wants STARTTLS and AUTH, stores what it takes, and refuses as its arguments say."""

import asyncio
import itertools
import json
import pathlib
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult

USER, PASSWORD = b"stoa", b"secret"


class Handler:
    def __init__(self, folder, answers):
        self.folder = folder
        self.recipients = itertools.cycle(answers["recipients"])
        self.contents = itertools.cycle(answers["contents"])
        # Also after a restart.
        self.count = len(list(folder.glob("*.eml")))

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("nobody@"):
            return f"550 5.1.1 <{address}> no such mailbox"
        answer = next(self.recipients)
        if answer.startswith("421"):
            asyncio.get_running_loop().call_later(0.05, server.transport.close)
        if not answer.startswith("250"):
            return answer
        envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server, session, envelope):
        answer = next(self.contents)
        if answer == "lost" or answer.startswith("250"):
            self.count += 1
            unfinished = self.folder / f"{self.count:04}.tmp"
            unfinished.write_bytes(envelope.content)
            unfinished.rename(unfinished.with_suffix(".eml"))
        if answer == "lost":
            # The mail is taken, and the connection breaks before the client has the answer.
            server.transport.abort()
            await asyncio.sleep(3600)
        return answer


def authenticate(server, session, envelope, mechanism, given):
    good = getattr(given, "login", None) == USER and getattr(given, "password", None) == PASSWORD
    return AuthResult(success=good)


async def main():
    folder, port, certificate, key, answers = sys.argv[1:]
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate, key)
    handler = Handler(pathlib.Path(folder), json.loads(answers))

    def session():
        return SMTP(
            handler,
            hostname="mail.example",
            tls_context=tls,
            require_starttls=True,
            auth_required=True,
            authenticator=authenticate,
            enable_SMTPUTF8=True,
        )

    server = await asyncio.get_running_loop().create_server(session, "127.0.0.1", int(port))
    await server.serve_forever()


asyncio.run(main())
