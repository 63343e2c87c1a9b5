"""``python -m jobreg`` is the ``jobreg`` command."""

from .cli import main

if __name__ == "__main__":
    main()
