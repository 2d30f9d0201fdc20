"""What is written about the settings: the reference page, the schema, new projects, and ``aims-pax explain``."""
