"""``jobreg web``: serve the REST interface and the dashboard, and make tokens for them."""

from __future__ import annotations

import json
import logging
import sys

import click
from click.core import ParameterSource

from ..errors import BadInput
from . import CommandGroup, as_json, connected, opened, output, store_url

_LOOPBACK = ("127.0.0.1", "::1", "localhost")


class _Serving(CommandGroup):
    """A group that does something by itself, too."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take no argument at all as: serve."""
        return click.Group.parse_args(self, ctx, args)


@click.group(cls=_Serving, invoke_without_command=True)
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8070, show_default=True,
    help="The port to listen on; 0 takes a free one.",
)  # fmt: skip
@click.option(
    "--allowed-host", "hosts", metavar="NAME", multiple=True,
    help="A name it may be asked for under, besides those of this machine.",
)  # fmt: skip
@as_json
@store_url
@click.pass_context
def web(
    context: click.Context, host: str, port: int, hosts: tuple[str, ...], as_json: bool,
    store_url: str | None,
) -> None:  # fmt: skip
    """Serve the REST interface and the dashboard until SIGTERM or Ctrl-C.

    Whoever asks needs a token: jobreg web token. It speaks plain HTTP: to be reached from other
    machines it wants a proxy before it that speaks TLS.

    \b
    Example: jobreg web --port 8070
    """
    if context.invoked_subcommand is not None:
        _hand_on(context, store_url, as_json)
        return
    from .. import settings
    from ..web.serving import serve
    from .log import hush_driver

    chosen = settings.load(store=store_url)
    logging.basicConfig(stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("jobreg").setLevel(chosen.log_level.upper())
    hush_driver()
    client = connected(chosen.store)
    tokens = client.store.tokens.all()

    def ready(url: str) -> None:
        if as_json:
            print(json.dumps({"url": url}), flush=True)
        click.echo(f"jobreg: listening on {url}", err=True)
        if not tokens:
            click.echo("jobreg: there is no token yet. Make one with: jobreg web token", err=True)
        if host not in _LOOPBACK:
            click.echo(
                "jobreg: it can be reached from other machines, and speaks plain HTTP: let a proxy "
                "before it speak TLS, or tokens can be read on the way.", err=True,
            )  # fmt: skip

    serve(client, host, port, hosts, ready)


def _hand_on(context: click.Context, store_url: str | None, as_json: bool) -> None:
    """Let a command below have what stood before its name; refuse what it could not use."""
    command = str(context.invoked_subcommand)
    for name, option in (("host", "--host"), ("port", "--port"), ("hosts", "--allowed-host")):
        if context.get_parameter_source(name) is not ParameterSource.DEFAULT:
            raise BadInput(
                f"{option} is for serving: jobreg web {command} does not listen. Leave it out."
            )
    context.default_map = {command: {"store_url": store_url, "as_json": as_json}}


@web.command()
@click.option(
    "--role", default="operate", show_default=True,
    help="What it may do: read; submit as well; or operate: cancel, retry and pause as well.",
)  # fmt: skip
@as_json
@store_url
def token(role: str, as_json: bool, store_url: str | None) -> None:
    """Make a token and print it. The store keeps its digest alone: it is shown this once.

    \b
    Example: jobreg web token --role read
    """
    from ..web.access import new_token

    made = new_token(opened(store_url), role)
    if as_json:
        output.print_json({"token": made, "role": role})
    else:
        print(made)


@web.command("tokens")
@as_json
@store_url
def list_tokens(as_json: bool, store_url: str | None) -> None:
    """List the tokens there are.

    Their IDs are how their digests begin: the tokens themselves are not kept.

    \b
    Example: jobreg web tokens
    """
    from ..codec import iso_time

    told = [
        {"id": each.digest[:_ID], "role": each.role, "created_at": iso_time(each.created_at)}
        for each in opened(store_url).tokens.all()
    ]
    if as_json:
        output.print_json({"tokens": told})
    elif told:
        output.table((list(each.values()) for each in told), ("ID", "ROLE", "CREATED"))
    else:
        print("There is no token. Make one with: jobreg web token")


_ID = 12


@web.command()
@click.argument("token_id", metavar="ID")
@as_json
@store_url
def revoke(token_id: str, as_json: bool, store_url: str | None) -> None:
    """Forget a token.

    Within 5 s nothing takes it any more. ID is that of jobreg web tokens; the token itself may be
    given in its place.

    \b
    Example: jobreg web revoke 3f1b6c9d0a42
    """
    from ..errors import NotFound
    from ..web.access import digest

    store = opened(store_url)
    meant = [
        each.digest
        for each in store.tokens.all()
        if each.digest == digest(token_id)
        or (len(token_id) >= _ID and each.digest.startswith(token_id.lower()))
    ]
    if not meant or not store.tokens.revoke(meant[0]):
        raise NotFound(f"No token has the id {token_id[:16]!r}. See: jobreg web tokens")
    if as_json:
        output.print_json({"revoked": meant[0][:_ID]})
    else:
        print(f"revoked: {meant[0][:_ID]}")
