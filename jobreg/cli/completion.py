"""``jobreg completion``: what a shell needs to complete commands, options, jobs and states."""

from __future__ import annotations

import click

from . import COMPLETE, as_json, cli, output, store_url


@click.command()
@click.argument("shell", metavar="SHELL", type=click.Choice(["bash", "zsh", "fish"]))
@as_json
@store_url
def completion(shell: str, as_json: bool, store_url: str | None) -> None:
    """Print what lets SHELL (bash, zsh or fish) complete commands, job names and states.

    It looks at what is installed; it imports no plugin and opens no store.

    \b
    Example: eval "$(jobreg completion bash)"
    """
    from click.shell_completion import ShellComplete, get_completion_class

    kind = get_completion_class(shell)
    assert kind is not None
    # Not the bash class's own source(): it starts a bash to ask for its version.
    script = ShellComplete.source(kind(cli, {}, "jobreg", COMPLETE))
    if as_json:
        output.print_json({"shell": shell, "script": script})
    else:
        print(script)
