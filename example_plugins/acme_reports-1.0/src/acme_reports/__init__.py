"""Jobs that turn files into reports; pyproject.toml says under which names."""
