"""Engines start claims and bring back their outcomes."""
