"""What stands after the ``?`` of a MySQL URL: read strictly, and what it says of TLS."""

from __future__ import annotations

import inspect
import ssl
from collections.abc import Mapping
from typing import Any

from sqlalchemy import URL, Engine, event

from ..errors import BadInput

_NUMBERS = frozenset(("connect_timeout", "read_timeout", "write_timeout", "max_allowed_packet"))
_NO_TEXTS = frozenset(
    ("conv", "cursorclass", "ssl", "auth_plugin_map", "use_unicode", "compress", "named_pipe",
     "defer_connect", "port", "client_flag")
)  # fmt: skip
"""What the driver takes from a program only, and what would make it another."""
_FILES = frozenset(("ssl_ca", "ssl_capath", "ssl_cert", "ssl_key"))
_SAID = frozenset(("ssl_verify_cert", "ssl_verify_identity", "ssl_check_hostname", "ssl_disabled"))
_TLS = _FILES | _SAID | {"ssl_key_password", "ssl_cipher"}
_MEANT = {"true": True, "1": True, "yes": True, "on": True,
          "false": False, "0": False, "no": False, "off": False}  # fmt: skip
_CLIENT_ERROR = 2026
"""CR_SSL_CONNECTION_ERROR, of what is wrong with TLS on our side."""


def checked(url: URL, connect: Any) -> tuple[URL, Mapping[str, str]]:
    """The URL without what it says of TLS, and that.

    Raises:
        BadInput: an option that the driver does not know, or one that is not of its kind.
    """
    known = set(inspect.signature(connect).parameters) - _NO_TEXTS | _TLS
    options: dict[str, str] = {}
    for name, value in url.query.items():
        shown = name[:80]
        if name not in known:
            raise _bad(f"PyMySQL knows no option {shown!r}")
        if not isinstance(value, str):
            raise _bad(f"it has {shown!r} more than once")
        if name in _NUMBERS and not (value.isascii() and value.isdecimal()):
            raise _bad(f"{shown}: {value[:80]!r} is not a whole number")
        if name in _SAID and value.lower() not in _MEANT:
            raise _bad(f"{shown}: {value[:80]!r} is neither true nor false")
        options[name] = value
    tls = {name: value for name, value in options.items() if name in _TLS}
    return url.difference_update_query(list(tls)), tls


def _bad(why: str) -> BadInput:
    return BadInput(f"The store URL cannot be used: {why}.")


def speak_tls(engine: Engine, tls: Mapping[str, str], operational_error: type[Exception]) -> None:
    """Have each connection made as the URL says; its files are read anew for each.

    A file that cannot be read is told as an error of the driver: it may be there again soon.
    """
    said = {name: _MEANT[tls[name].lower()] for name in _SAID & tls.keys()}
    if said.get("ssl_disabled"):
        added: dict[str, Any] = {"ssl_disabled": True}
        event.listen(engine, "do_connect", lambda *told: told[3].update(added))
    elif tls.keys() - {"ssl_disabled"}:

        def secure(_: object, __: object, ___: object, given: dict[str, Any]) -> None:
            try:
                given["ssl"] = _context(tls, said)
            except (OSError, ValueError) as error:  # an ssl.SSLError is an OSError
                named = ", ".join(f"{each} {tls[each]}" for each in sorted(_FILES & tls.keys()))
                why = error.strerror if isinstance(error, OSError) and error.strerror else error
                raise operational_error(_CLIENT_ERROR, f"TLS: {why} ({named})") from error

        event.listen(engine, "do_connect", secure)


def _context(tls: Mapping[str, str], said: Mapping[str, bool]) -> ssl.SSLContext:
    """Whom to trust, and who we are. Where a CA is named, the server is verified by it."""
    named = "ssl_ca" in tls or "ssl_capath" in tls
    identity = said.get("ssl_verify_identity", said.get("ssl_check_hostname"))
    verify = said.get("ssl_verify_cert", named or bool(identity))
    context = ssl.create_default_context(cafile=tls.get("ssl_ca"), capath=tls.get("ssl_capath"))
    # Servers make their own certificates, which are seldom as strict as that asks for.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.check_hostname = verify and (named if identity is None else identity)
    context.verify_mode = ssl.CERT_REQUIRED if verify else ssl.CERT_NONE
    if "ssl_cert" in tls:
        password = tls.get("ssl_key_password")
        context.load_cert_chain(tls["ssl_cert"], tls.get("ssl_key"), password)
    if "ssl_cipher" in tls:
        context.set_ciphers(tls["ssl_cipher"])
    return context
