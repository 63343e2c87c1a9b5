"""A job that needs a package nobody has: it is listed, fails when run, and disturbs no other."""

# No such package exists; it stands for an extra that was not installed.
import acme_plotting_that_is_not_installed as plotting  # type: ignore[import-not-found]

from jobreg import job


@job()
def chart(values: list[float]) -> str:
    """Draw ``values`` and return the picture as text."""
    return str(plotting.draw(values))
