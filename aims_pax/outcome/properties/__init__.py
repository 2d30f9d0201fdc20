"""Properties of materials by models, side by side with those of a reference: ``aims-pax validate``."""
