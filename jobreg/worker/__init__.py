"""The worker: claims runs, minds the children that execute them, settles what happened."""

from .worker import Worker

__all__ = ["Worker"]
