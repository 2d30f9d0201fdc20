"""Settings of structures that are made from others, without MD."""

from aims_pax.settings.augmentation.augment import PUBLISHED, AugmentSettings

__all__ = ["PUBLISHED", "AugmentSettings"]
